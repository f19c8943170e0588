"""One shard: a range of hash keys and the log groups received in it, at consecutive cursors."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NamedTuple

from sls_hec_standins.sls.quotas import ReadQuota

KEY_SPACE = 1 << 128


class StoredGroup(NamedTuple):
    """A received LogGroup: receive time (Unix seconds), number of logs, serialized bytes."""

    received: float
    logs: int
    data: bytes


class CursorExpired(Exception):
    """The cursor lies before the oldest log group that is still stored."""


class CursorAhead(Exception):
    """The cursor lies after the position the next log group will get."""


class Shard:
    """A shard of the hash keys `begin` <= key < `end` (the last shard includes the last key).

    The first cursor is made of the creation time, as the cursors in the API reference seem to be; each log
    group takes the next number. Not thread-safe: hold the lock of the logstore.
    """

    def __init__(
        self, number: int, begin: int, end: int, created: float, parents: Sequence[int] = ()
    ) -> None:
        self.number = number
        self.begin = begin
        self.end = end
        self.created = int(created)
        self.parents = tuple(parents)
        self.readonly = False
        self._first = int(created * 1_000_000_000) + number
        self._groups: list[StoredGroup] = []
        self._last_received = 0.0
        self.read_quota = ReadQuota()
        self.received_groups = 0
        self.received_logs = 0
        self.received_bytes = 0

    @property
    def first(self) -> int:
        """Cursor of the oldest log group stored; `next` if there is none."""
        return self._first

    @property
    def next(self) -> int:
        """The cursor that the next log group will get."""
        return self._first + len(self._groups)

    def covers(self, key: int) -> bool:
        return self.begin <= key < self.end or key == self.end == KEY_SPACE - 1

    def append(self, data: bytes, logs: int, received: float) -> int:
        """Store a LogGroup and return its cursor. Receive times of a shard never go back."""
        received = self._last_received = max(received, self._last_received)
        cursor = self.next
        self._groups.append(StoredGroup(received, logs, data))
        self.received_groups += 1
        self.received_logs += logs
        self.received_bytes += len(data)
        return cursor

    def check(self, cursor: int) -> None:
        """Raise `CursorExpired` or `CursorAhead` unless the shard can be read from `cursor`."""
        if cursor < self._first:
            raise CursorExpired
        if cursor > self.next:
            raise CursorAhead

    def read(self, cursor: int, stop: int, count: int, max_bytes: int) -> list[StoredGroup]:
        """Log groups from `cursor` on: before `stop`, at most `count`, and of at most `max_bytes` together.

        One is returned even if it alone is larger. Raises as `check`.
        """
        self.check(cursor)
        start = cursor - self._first
        groups = self._groups[start : min(start + count, max(start, stop - self._first))]
        size = 0
        for index, group in enumerate(groups):
            size += len(group.data)
            if size > max_bytes and index:
                return groups[:index]
        return groups

    def group(self, cursor: int) -> StoredGroup | None:
        """The log group at `cursor`, None if there is none or no more."""
        at = cursor - self._first
        return self._groups[at] if 0 <= at < len(self._groups) else None

    def span(self, start: int | None = None, stop: int | None = None) -> list[tuple[int, StoredGroup]]:
        """The stored log groups with their cursors, `start` <= cursor < `stop`."""
        low = max(self._first, self._first if start is None else start)
        high = min(self.next, self.next if stop is None else stop)
        return [(cursor, self._groups[cursor - self._first]) for cursor in range(low, high)]

    def cursor_at(self, seconds: int) -> int:
        """Cursor of the first log group received at or after the Unix time `seconds`; else `next`."""
        times = _Times(self._groups)
        return self._first + bisect_left(times, seconds)

    def expire_before(self, seconds: float) -> int:
        """Forget log groups received before the Unix time `seconds`; returns how many."""
        if not self._groups or self._groups[0].received >= seconds:
            return 0
        return self._drop(bisect_left(_Times(self._groups), seconds))

    def expire_to(self, cursor: int) -> int:
        """Forget log groups before `cursor`; returns how many."""
        return self._drop(min(len(self._groups), max(0, cursor - self._first)))

    def _drop(self, count: int) -> int:
        del self._groups[:count]
        self._first += count
        return count

    def as_json(self) -> dict[str, Any]:
        """As ListShards has it."""
        return {
            "shardID": self.number,
            "status": "readonly" if self.readonly else "readwrite",
            "inclusiveBeginKey": f"{self.begin:032x}",
            "exclusiveEndKey": f"{self.end:032x}",
            "createTime": self.created,
        }


class _Times(Sequence[float]):
    """The receive times of a list of groups, for bisection (which takes no key before Python 3.10)."""

    def __init__(self, groups: list[StoredGroup]) -> None:
        self._groups = groups

    def __len__(self) -> int:
        return len(self._groups)

    def __getitem__(self, index: Any) -> Any:
        return self._groups[index].received
