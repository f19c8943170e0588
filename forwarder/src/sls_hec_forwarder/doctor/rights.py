"""Which permissions at SLS are granted: tests each RAM action that only reads.

Nothing here can change anything: the client used has no such call.
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
    """Whether one RAM action is granted; `detail` is SLS's answer if it is not."""

    action: str
    right: Right
    detail: str = ""


#: What the relay needs on the logstore and everything below it (from Alibaba Cloud's list for its add-on).
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
    """Test each action that only reads. One that changes something cannot be tested without doing it."""
    shards: list[Shard] = []

    def get_cursor() -> None:
        if not shards:
            raise ServiceFault("the logstore has no shard to test with")
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
        return ActionRight(
            action, Right.GRANTED
        )  # refused because of the arguments, not because of the permissions
    return ActionRight(action, Right.GRANTED)
