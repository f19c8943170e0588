"""What `status` shows: a consumer group as SLS knows it, and how fast each shard catches up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sls_hec_forwarder.sls.group.status import GroupStatus, ShardStatus


@dataclass(frozen=True)
class ShardRow:
    """One shard now. `lag_change`: seconds of lag gained per second, negative when it shrinks; None: unknown.

    `catches_up_in` is the seconds until no log group is left, at the present rate; None: never at this rate.
    It is computed from the number of log groups behind, which shrinks from the start, while the lag may drop
    only at the end.
    """

    now: ShardStatus
    lag_change: float | None
    catches_up_in: float | None


@dataclass(frozen=True)
class ConsumerRow:
    """A consumer that owns `shards`, according to SLS; `last_saved`: seconds since its last checkpoint."""

    name: str
    shards: tuple[int, ...]
    last_saved: float | None


def shard_rows(now: GroupStatus, before: GroupStatus | None = None) -> list[ShardRow]:
    """The shards now, compared with an earlier sample if there is one."""
    earlier = {shard.shard: shard for shard in before.shards} if before else {}
    elapsed = now.taken_at - before.taken_at if before else 0.0
    return [_row(shard, earlier.get(shard.shard), elapsed) for shard in now.shards]


def _row(now: ShardStatus, before: ShardStatus | None, elapsed: float) -> ShardRow:
    done = 0.0 if now.lag == 0 else None
    if before is None or elapsed <= 0:
        return ShardRow(now, None, done)
    lag_change = None if now.lag is None or before.lag is None else (now.lag - before.lag) / elapsed
    if done is None and now.behind and before.behind and now.behind < before.behind:
        done = now.behind * elapsed / (before.behind - now.behind)
    return ShardRow(now, lag_change, done)


def consumer_rows(now: GroupStatus) -> list[ConsumerRow]:
    """The consumers that own shards, in order of their names."""
    return [
        _consumer(name, [s for s in now.shards if s.owner == name], now.taken_at) for name in now.consumers
    ]


def _consumer(name: str, shards: Sequence[ShardStatus], taken_at: float) -> ConsumerRow:
    saved = [shard.saved_at for shard in shards if shard.saved_at is not None]
    return ConsumerRow(
        name,
        tuple(shard.shard for shard in shards),
        max(0.0, taken_at - max(saved)) if saved else None,
    )
