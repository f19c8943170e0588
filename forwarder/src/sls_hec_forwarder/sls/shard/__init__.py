"""One shard that this process holds: where to start, pulling, and the checkpoint."""
