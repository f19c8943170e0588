"""Which rights at SLS are there: each RAM action that only looks is tried.

Nothing here can change anything: it works with a client that has no call for it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Callable

from sls_hec_forwarder.sls.api.errors import AuthFailed, Denied, ServiceFault, SlsError, Throttled
from sls_hec_forwarder.sls.api.read_client import ReadClient, Shard


class Right(enum.Enum):
    GRANTED = "granted"
    DENIED = "denied"
    UNKNOWN = "not known"
    UNTRIED = "not tried"


@dataclass(frozen=True)
class ActionRight:
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


def rights(client: ReadClient) -> list[ActionRight]:
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
    return [findings.get(action, ActionRight(action, Right.UNTRIED)) for action in ACTIONS]


def _try(action: str, call: Callable[[], object]) -> ActionRight:
    try:
        call()
    except (AuthFailed, Denied) as problem:
        return ActionRight(action, Right.DENIED, str(problem))
    except (ServiceFault, Throttled) as problem:
        return ActionRight(action, Right.UNKNOWN, str(problem))
    except SlsError:
        return ActionRight(action, Right.GRANTED)  # refused for what was asked, not for who asked
    return ActionRight(action, Right.GRANTED)
