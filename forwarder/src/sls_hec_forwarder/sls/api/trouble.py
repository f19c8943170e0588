"""A call that can fail for a while, as a condition of its own."""

from __future__ import annotations

import threading
from typing import Final

from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.sls.api.errors import Denied, SlsError

#: Missing things that every call meets: one condition for all calls says more than one for each.
_MISSING: Final = {"LogStoreNotExist": "logstore_missing", "ProjectNotExist": "project_missing"}

#: The right that each call needs (documentation of RAM, "Action list" of Log Service).
_ACTIONS: Final = {
    "ListConsumerGroup": "log:ListConsumerGroup",
    "CreateConsumerGroup": "log:CreateConsumerGroup",
    "UpdateConsumerGroup": "log:UpdateConsumerGroup",
    "HeartBeat": "log:ConsumerGroupHeartBeat",
    "GetCheckPoint": "log:GetConsumerGroupCheckPoint",
    "UpdateCheckPoint": "log:ConsumerGroupUpdateCheckPoint",
    "ListShards": "log:ListShards",
    "GetCursor": "log:GetCursorOrData",
    "GetCursorTime": "log:GetCursorOrData",
    "PullLogs": "log:GetCursorOrData",
}


class Trouble:
    """Condition `name` of `subject` stands from a failure until it worked again, or nobody tries any more.

    Thread-safe: a call that is on its way when `close` is called may end in a failure after that.
    """

    def __init__(self, conditions: Conditions, name: str, subject: str = "") -> None:
        self._conditions = conditions
        self._name = name
        self._subject = subject
        self._failing = False
        self._closed = False
        self._lock = threading.Lock()

    def failed(self, problem: Exception) -> None:
        with self._lock:
            if not self._closed:
                self._failing = True
                self._begin(problem)

    def _begin(self, problem: Exception) -> None:
        missing = _MISSING.get(problem.code) if isinstance(problem, SlsError) else None
        if missing is not None:
            self._conditions.begin(missing, "", str(problem))
        else:
            self._conditions.begin(
                self._name, self._subject, str(problem), todo=todo(problem), cause=cause(problem)
            )

    @property
    def failing(self) -> bool:
        """It has not worked since the last failure."""
        return self._failing

    def over(self) -> None:
        """It worked."""
        if self._failing:  # seldom, and this is on the hot path
            with self._lock:
                self._end("")

    def close(self, why: str) -> None:
        """It is not tried any more: what stands ends, and later failures are nobody's concern."""
        with self._lock:
            self._closed = True
            if self._failing:
                self._end(why)

    def _end(self, why: str) -> None:
        self._failing = False
        self._conditions.end(self._name, self._subject, why)
        for missing in _MISSING.values():
            self._conditions.end(missing, "", why)


def cause(problem: Exception) -> str:
    """What tells one cause of a condition from the next."""
    return problem.kind if isinstance(problem, SlsError) else type(problem).__name__


def todo(problem: Exception) -> str:
    """What to do about it, where that depends on the problem; else empty."""
    if isinstance(problem, Denied):
        return f"allow {_ACTIONS.get(problem.call, problem.call)} in the RAM policy"
    return ""


def recreated(place: str) -> str:
    """What is said of a logstore that was deleted and created again."""
    return (
        f"logstore {place} was deleted and created again: what was in the deleted one and not read yet is "
        "lost; the new one is read from its begin"
    )
