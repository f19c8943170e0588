"""Everything that speaks to SLS: credentials, client, group membership, shard readers, positions.

The only place that knows the SDK. Decisions (`membership`, `reader`, `positions`, `checkpoints`) are plain
objects; `heartbeat`, `shard_reader`, `watch` and `consumer` own the threads. `opening`, `reading` and
`draining` are what a shard reader's thread does, one after the other, around an `OpenShard`.
"""
