"""A condition for a call that may fail for a while."""

from __future__ import annotations

import threading
from typing import Final

from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.sls.api.errors import Denied, SlsError

#: What makes every call fail when it is missing: one condition for all calls, instead of one for each.
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
    """Keeps condition `name` of `subject` from a failure until the call works again or is no longer made.

    Thread-safe: a call that is under way when `close` is called may still fail afterwards.
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
        """Whether the call has not worked since the last failure."""
        return self._failing

    def over(self) -> None:
        """The call worked."""
        if self._failing:  # without the lock, as this is on the hot path
            with self._lock:
                self._end("")

    def close(self, why: str) -> None:
        """The call is no longer made: the condition ends, and later failures are ignored."""
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
    """A short name that is the same for failures with the same cause."""
    return problem.kind if isinstance(problem, SlsError) else type(problem).__name__


def todo(problem: Exception) -> str:
    """What the operator has to do, if that depends on the problem; else empty."""
    if isinstance(problem, Denied):
        return f"allow {_ACTIONS.get(problem.call, problem.call)} in the RAM policy"
    return ""


def recreated(place: str) -> str:
    """The message about a logstore that was deleted and created again."""
    return (
        f"logstore {place} was deleted and created again: unread logs of the deleted one are lost; the new "
        "one is read from its beginning"
    )
