"""Chooses which of the shards in a heartbeat's answer are opened: those that the logstore has, up to a limit.

Each open shard costs a thread and requests, so a wrong answer must not open thousands of them. A shard that
came from a split may be named before this process has seen it listed: the shards are then listed again. A
plain object, thread-safe: no clock, no network.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from typing import Callable, Final

from sls_hec_forwarder.health.conditions import Conditions

#: Shards that one process opens at most: as many as a project may have by default ("Basic resources" in the
#: documentation of Log Service). For more shards, add consumers.
MOST_SHARDS: Final = 400
#: Listings that must lack a shard before this is reported. One is not enough: it may have been requested
#: before the shard was named.
_LISTINGS: Final = 2
#: Shard numbers that a message shows at most.
_SHOWN: Final = 5


class Assigned:
    """Admits `most` shards at most. Calls `list_again` when an unknown one is named; it must not block."""

    def __init__(self, conditions: Conditions, list_again: Callable[[], None], most: int) -> None:
        self._conditions = conditions
        self._list_again = list_again
        self._most = most
        self._known: frozenset[int] = frozenset()
        self._unknown: dict[int, int] = {}  # shard in the last answer -> listings since that lacked it
        self._lock = threading.Lock()

    def listed(self, shards: Iterable[int]) -> bool:
        """Take all shards of the logstore; return whether one that was unknown before can be opened now."""
        with self._lock:
            self._known = frozenset(shards)
            before = len(self._unknown)
            self._unknown = {
                shard: missing + 1 for shard, missing in self._unknown.items() if shard not in self._known
            }
            came = len(self._unknown) < before
            self._tell_unknown()
        return came

    def admit(self, named: Iterable[int], held: Collection[int]) -> list[int]:
        """Return those of the `named` shards to hold; one that is `held` and named stays, listed or not."""
        wanted = set(named)
        with self._lock:
            unknown = wanted - self._known - set(held)
            ask = not unknown <= self._unknown.keys()
            self._unknown = {shard: self._unknown.get(shard, 0) for shard in unknown}
            self._tell_unknown()
            admitted = sorted(wanted - unknown, key=lambda shard: (shard not in held, shard))
            left_out = admitted[self._most :]
            self._tell_too_many(len(admitted), left_out)
        if ask:
            self._list_again()
        return sorted(admitted[: self._most])

    def _tell_unknown(self) -> None:
        missing = [shard for shard, times in self._unknown.items() if times >= _LISTINGS]
        if missing:
            text = f"the answer to the heartbeat names {_numbers(missing)}, which ListShards does not list"
            self._conditions.measured("shards_not_listed", "", text)
        elif not self._unknown:
            self._conditions.end("shards_not_listed", "")

    def _tell_too_many(self, count: int, left_out: list[int]) -> None:
        if left_out:
            text = f"SLS assigns {count} shards to this consumer; not read: {_numbers(left_out)}"
            self._conditions.measured("shards_too_many", "", text)
        else:
            self._conditions.end("shards_too_many", "")


def _numbers(shards: list[int]) -> str:
    shown = ", ".join(str(shard) for shard in sorted(shards)[:_SHOWN])
    more = len(shards) - _SHOWN
    return f"shards {shown} and {more} more" if more > 0 else f"shards {shown}"
