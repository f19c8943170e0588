"""From encoded chunks to checkpoints: leases, pulls, batches, bytes in flight. Knows neither SLS nor HEC."""
