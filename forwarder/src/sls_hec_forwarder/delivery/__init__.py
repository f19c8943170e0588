"""From encoded chunks to checkpoints: leases, pulls, batches, bytes in flight. Independent of SLS and HEC."""
