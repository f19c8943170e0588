"""What `status` and `check` ask SLS: the group as it stands, and which rights are there.

Nothing here can change anything: it works with a client that has no call for it.
"""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass
from typing import Callable

from sls_hec_forwarder.sls import cursor as cursors
from sls_hec_forwarder.sls import group as groups
from sls_hec_forwarder.sls.errors import (
    AuthFailed,
    CursorInvalid,
    Denied,
    ServiceFault,
    SlsError,
    Throttled,
)
from sls_hec_forwarder.sls.read_client import Checkpoint, Group, ReadClient, Shard

# The group as it stands


@dataclass(frozen=True)
class ShardStatus:
    """One shard of the group. Times are unix seconds; empty or None: SLS has or tells none.

    `behind` counts log groups, `lag` is the age (seconds) of the oldest log that is not delivered, 0 when
    there is none. `expired`: that log is gone already.
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

    SLS lists no consumers; `consumers` are those that it names as the owner of a shard.
    """

    group: Group
    shards: tuple[ShardStatus, ...]
    consumers: tuple[str, ...]
    taken_at: float


def group_status(client: ReadClient, wall: Callable[[], float] = time.time) -> GroupStatus:
    """Ask for everything that is known of the group; two or three requests a shard. Raises SlsError."""
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


# Rights


class Right(enum.Enum):
    GRANTED = "granted"
    DENIED = "denied"
    UNKNOWN = "not known"
    UNTRIED = "not tried"


@dataclass(frozen=True)
class Finding:
    """Whether one RAM action may be done; `detail` is SLS's answer when it is not granted."""

    action: str
    right: Right
    detail: str = ""


#: What the relay needs, on the logstore and everything below it (Alibaba Cloud's own list for its add-on).
ACTIONS = (
    "log:ListShards",
    "log:GetCursorOrData",
    "log:GetConsumerGroupCheckPoint",
    "log:UpdateConsumerGroup",
    "log:ConsumerGroupHeartBeat",
    "log:ConsumerGroupUpdateCheckPoint",
    "log:ListConsumerGroup",
    "log:CreateConsumerGroup",
)


def rights(client: ReadClient) -> list[Finding]:
    """Try each action that only looks. Of one that changes something, only doing it would tell."""
    shards: list[Shard] = []

    def get_cursor() -> None:
        if not shards:
            raise ServiceFault("there is no shard to ask for")
        client.cursor(shards[0].shard, "end")

    tries: dict[str, Callable[[], object]] = {
        "log:ListShards": lambda: shards.extend(client.list_shards()),
        "log:GetCursorOrData": get_cursor,
        "log:ListConsumerGroup": client.list_groups,
        "log:GetConsumerGroupCheckPoint": client.checkpoints,
    }
    findings = {action: _try(action, call) for action, call in tries.items()}
    return [findings.get(action, Finding(action, Right.UNTRIED)) for action in ACTIONS]


def _try(action: str, call: Callable[[], object]) -> Finding:
    try:
        call()
    except (AuthFailed, Denied) as problem:
        return Finding(action, Right.DENIED, str(problem))
    except (ServiceFault, Throttled) as problem:
        return Finding(action, Right.UNKNOWN, str(problem))
    except SlsError:
        return Finding(action, Right.GRANTED)  # refused for what was asked, not for who asked
    return Finding(action, Right.GRANTED)
