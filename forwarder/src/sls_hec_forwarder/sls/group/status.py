"""The present state of the group, for `status`: its shards and their owners, as SLS reports them.

Nothing here can change anything: the client has no call that writes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable

from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.errors import CursorInvalid
from sls_hec_forwarder.sls.api.read_client import Checkpoint, ConsumerGroup, ReadClient, Shard
from sls_hec_forwarder.sls.group import consumer_group as groups


@dataclass(frozen=True)
class ShardStatus:
    """One shard of the group. Times are unix seconds; empty or None: SLS does not report it.

    `behind` counts log groups, `lag` is the age (seconds) of the oldest log that is not delivered, 0 when
    there is none. `expired`: retention has already removed that log.
    """

    shard: int
    read_only: bool
    owner: str
    checkpoint: str
    saved_at: float | None
    behind: int | None
    position_time: float | None
    lag: float | None
    expired: bool


@dataclass(frozen=True)
class GroupStatus:
    """A consumer group at one moment (`taken_at`, unix seconds of SLS's clock).

    SLS has no list of consumers; `consumers` are those that own a shard.
    """

    group: ConsumerGroup
    shards: tuple[ShardStatus, ...]
    consumers: tuple[str, ...]
    taken_at: float


def group_status(client: ReadClient, wall: Callable[[], float] = time.time) -> GroupStatus:
    """Ask SLS for the state of the group, with two or three requests per shard. Raises SlsError."""
    group = groups.find(client, client.settings.group)
    checkpoints = client.checkpoints()
    now = wall() - (client.clock_skew or 0.0)
    shards = tuple(
        _shard_status(client, shard, checkpoints.get(shard.shard), now)
        for shard in sorted(client.list_shards(), key=lambda each: each.shard)
    )
    owners = sorted({each.owner for each in shards if each.owner})
    return GroupStatus(group, shards, tuple(owners), now)


def _shard_status(client: ReadClient, shard: Shard, saved: Checkpoint | None, now: float) -> ShardStatus:
    owner = saved.owner if saved is not None else ""
    if saved is None or not saved.cursor:
        return ShardStatus(shard.shard, shard.read_only, owner, "", None, None, None, None, expired=False)
    behind = cursors.distance(saved.cursor, client.cursor(shard.shard, "end"))
    position: float | None = None
    lag: float | None = 0.0
    expired = False
    if behind is None or behind > 0:
        try:
            position = client.cursor_time(shard.shard, saved.cursor)
            lag = max(0.0, now - position)
        except CursorInvalid:
            lag, expired = None, True
    return ShardStatus(
        shard.shard,
        shard.read_only,
        owner,
        saved.cursor,
        saved.updated or None,
        None if behind is None else max(0, behind),
        position,
        lag,
        expired,
    )
