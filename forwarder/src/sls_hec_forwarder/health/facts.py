"""Measurements of a running instance. None: not known; 0 is always a measured zero."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ShardFacts:
    """One shard that this process holds. All but the first three in seconds; `last_…`: seconds ago.

    `pulling`: it should be pulled now: it is not finished, stopped, draining or waiting for free memory.
    """

    shard: int
    phase: str
    pulling: bool
    lag: float | None
    oldest_undelivered: float | None
    last_pull: float | None
    last_delivery: float | None
    last_checkpoint: float | None


@dataclass(frozen=True)
class Facts:
    """One instance at one moment. Ages and times left in seconds, sizes in bytes.

    `unowned` are shards of the group without a consumer, `unowned_for` how long there have been such shards.
    """

    joined: bool = False
    heartbeat_age: float | None = None
    group_timeout: float | None = None
    shards: tuple[ShardFacts, ...] = ()
    unowned: tuple[int, ...] = ()
    unowned_for: float = 0.0
    clock_skew: float | None = None
    credentials_left: float | None = None
    spool_bytes: int | None = None
    spool_limit: int | None = None
