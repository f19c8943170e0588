"""What `status` and `check` ask SLS: the group as it stands, and which rights are there. Changes nothing."""

from __future__ import annotations

import enum
import secrets
import time
from dataclasses import dataclass
from typing import Callable

from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls import cursor as cursors
from sls_hec_forwarder.sls import group as groups
from sls_hec_forwarder.sls.client import Checkpoint, Group, Shard, SlsClient
from sls_hec_forwarder.sls.credentials import CredentialsSource
from sls_hec_forwarder.sls.errors import (
    AuthFailed,
    CursorInvalid,
    Denied,
    ServiceFault,
    SlsError,
    Throttled,
)

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


def group_status(client: SlsClient, wall: Callable[[], float] = time.time) -> GroupStatus:
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


def _shard_status(client: SlsClient, shard: Shard, saved: Checkpoint | None, now: float) -> ShardStatus:
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

#: The number of a shard that no logstore has.
_NO_SHARD = 2_000_000_000


def rights(settings: SlsSettings, credentials: CredentialsSource) -> list[Finding]:
    """Try each action in a way that changes nothing.

    Calls that would change something are made so that SLS has to refuse them for another reason: by a
    consumer that is not in the group, for a shard that does not exist, for a group that exists already.
    """
    stranger = f"check-{secrets.token_hex(8)}"
    client = SlsClient(settings, stranger, credentials)
    try:
        return _try_all(client)
    finally:
        client.close()


def _try_all(client: SlsClient) -> list[Finding]:
    settings = client.settings
    found: list[Group] = []
    shards: list[Shard] = []

    def get_cursor() -> None:
        if not shards:
            raise ServiceFault("there is no shard to ask for")
        client.cursor(shards[0].shard, "end")

    def update_group() -> None:
        # As it is; a group that does not exist is not made by that.
        group = found[0] if found else Group(settings.group, groups.DEFAULT_TIMEOUT, settings.in_order)
        client.update_group(group.timeout, group.in_order)

    def create_group() -> None:
        if not found:
            raise ServiceFault("cannot be tried without making the group")
        client.create_group(found[0].timeout, found[0].in_order)

    tries: dict[str, Callable[[], object]] = {
        "log:ListShards": lambda: shards.extend(client.list_shards()),
        "log:GetCursorOrData": get_cursor,
        "log:ListConsumerGroup": lambda: found.extend(
            each for each in client.list_groups() if each.name == settings.group
        ),
        "log:GetConsumerGroupCheckPoint": client.checkpoints,
        "log:ConsumerGroupHeartBeat": lambda: client.heartbeat([_NO_SHARD]),
        "log:ConsumerGroupUpdateCheckPoint": lambda: client.save_checkpoint(_NO_SHARD, cursors.encode(0)),
        "log:UpdateConsumerGroup": update_group,
        "log:CreateConsumerGroup": create_group,
    }
    findings = {action: _try(action, call) for action, call in tries.items()}
    return [findings[action] for action in ACTIONS]


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
