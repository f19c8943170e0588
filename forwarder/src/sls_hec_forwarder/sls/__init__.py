"""Everything that speaks to SLS: credentials, client, group membership, shard readers, positions.

The only place that knows the SDK. Decisions (`membership`, `reader`, `positions`, `checkpoints`) are plain
objects; `heartbeat`, `shard_reader`, `watch` and `consumer` own the threads. `readers` holds the shard
readers and does what membership decides. The thread of one does `opening`, `reading` and `draining`,
one after the other, around an `OpenShard`.
"""
