"""Everything that speaks to SLS: its calls (`api`), one shard (`shard`), the consumer group (`group`).

Decisions (`pull_plan`, `positions`, `membership`, `assigned`) are plain objects; `reader`, `checkpoints`,
`heartbeat`, `watch` and `consumer` own the threads.
"""
