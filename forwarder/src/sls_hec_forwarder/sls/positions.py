"""Where reading a shard starts, where it stops, and what to do when that place is gone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Callable, Protocol

from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls import cursor as cursors
from sls_hec_forwarder.sls.client import Checkpoint, Shard
from sls_hec_forwarder.sls.errors import CursorInvalid, SlsError


class PositionCalls(Protocol):
    """The calls of SlsClient that are used here."""

    place: str

    def checkpoint(self, shard: int) -> Checkpoint: ...
    def checkpoints(self) -> dict[int, Checkpoint]: ...
    def list_shards(self) -> list[Shard]: ...
    def cursor(self, shard: int, at: str | int) -> str: ...
    def cursor_time(self, shard: int, cursor: str) -> int: ...


@dataclass(frozen=True)
class Start:
    """Where a shard starts. `new`: the group has no checkpoint of it yet. `updated`: when it was saved."""

    cursor: str
    new: bool
    updated: float


@dataclass(frozen=True)
class Lost:
    """Logs that were gone before they were read; what is not known is None. Times are unix seconds."""

    cursor: str
    groups: int | None
    since: float | None
    until: float | None

    def __str__(self) -> str:
        groups = "an unknown number of log groups" if self.groups is None else f"{self.groups} log groups"
        return f"{groups} received from {_when(self.since)} to {_when(self.until)}"


@dataclass(frozen=True)
class Expiry:
    """What an expired cursor means: where to go on (None: nowhere, an operator has to decide)."""

    next_cursor: str | None
    lost: Lost


def parse_time(text: str) -> int:
    """Unix seconds from digits, or from ISO 8601 with a zone. Raises ValueError."""
    if text.isdigit():
        return int(text)
    # fromisoformat learns of "Z" only in Python 3.11.
    when = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)
    if when.tzinfo is None:
        raise ValueError(f"{text!r} lacks a time zone")
    return int(when.timestamp())


class Positions:
    """The start and stop positions of the settings, as cursors. Thread-safe after `prepare`.

    "end" and "now" are taken from the shards once, by `prepare`: a shard that comes from a split later is
    read from its beginning, or what was written to it before anybody read it would be skipped.
    """

    def __init__(
        self, settings: SlsSettings, client: PositionCalls, wall: Callable[[], float] = time.time
    ) -> None:
        self._start = settings.start
        self._stop = settings.stop
        self._policy = settings.expired
        self._client = client
        self._wall = wall
        self._ends: dict[int, str] = {}

    def prepare(self) -> None:
        """Ask for what has to be known before the first shard is read. Raises SlsError."""
        if self._start == "end" or self._stop == "now":
            for shard in self._client.list_shards():
                self._ends[shard.shard] = self._client.cursor(shard.shard, "end")

    # Start

    def first(self, shard: int) -> Start:
        """The checkpoint of the shard, or where the settings say. Raises SlsError."""
        # A shard without a checkpoint has an entry with an empty one; no entry at all is an error, because
        # starting without that certainty could skip what another consumer left.
        saved = self._client.checkpoint(shard)
        if saved.cursor:
            return Start(saved.cursor, new=False, updated=saved.updated)
        return Start(self._fresh(shard), new=True, updated=self._wall())

    def _fresh(self, shard: int) -> str:
        if self._start == "begin":
            return self._client.cursor(shard, "begin")
        if self._start != "end":
            return self._client.cursor(shard, parse_time(self._start))
        if shard not in self._ends:
            return self._client.cursor(shard, "begin")
        # "end" was meant when the group started, which other shards may have done before this process.
        known = self._client.checkpoints().values()
        started = [each.updated for each in known if each.cursor and each.updated]
        if not started:
            return self._ends[shard]
        earlier = self._client.cursor(shard, int(min(started)))
        return min(self._ends[shard], earlier, key=cursors.decode)

    # Stop

    @property
    def bounded(self) -> bool:
        """There is a stop position."""
        return bool(self._stop)

    def stop_cursor(self, shard: int) -> str | None:
        """The cursor to stop at; None when there is none, or its time has not come. Raises SlsError."""
        if not self._stop:
            return None
        if self._stop == "now":
            return self._ends.get(shard) or self._client.cursor(shard, "begin")
        moment = parse_time(self._stop)
        # A cursor for a future time is that of the end, which moves; a second is for clocks that differ.
        if self._wall() < moment + 1:
            return None
        return self._client.cursor(shard, moment)

    # Expiry

    def expired(self, shard: int, cursor: str, seen: float | None) -> Expiry:
        """What to do about `cursor`, which SLS called invalid; `seen` is about when it was last good.

        Raises CursorInvalid when the cursor is within what the shard holds, so that it cannot have expired,
        and SlsError when that cannot be found out now.
        """
        begin, end = self._client.cursor(shard, "begin"), self._client.cursor(shard, "end")
        before = cursors.distance(cursor, begin)
        if before is not None and before <= 0 and (cursors.distance(cursor, end) or 0) >= 0:
            raise CursorInvalid(
                f"PullLogs {self._client.place}/{shard}: cursor {cursor} is refused although the shard "
                f"holds {begin} to {end}"
            )
        target = end if self._policy == "end" else begin
        groups = cursors.distance(cursor, target)
        lost = Lost(
            cursor,
            groups if groups is not None and groups >= 0 else None,
            self._time(shard, cursor, seen),
            self._time(shard, target, None),
        )
        return Expiry(None if self._policy == "stop" else target, lost)

    def _time(self, shard: int, cursor: str, otherwise: float | None) -> float | None:
        """The receive time at a cursor; SLS may not know that of one that expired."""
        try:
            return self._client.cursor_time(shard, cursor)
        except SlsError:
            return otherwise


def _when(moment: float | None) -> str:
    if moment is None:
        return "an unknown time"
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
