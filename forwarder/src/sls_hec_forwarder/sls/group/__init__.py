"""Membership of the consumer group: joining, heartbeats, and the shards that come and go."""
