"""Where reading a shard starts, where it stops, and where to continue when a cursor has expired."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass
from typing import Callable, Protocol

from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.client import Checkpoint, Shard
from sls_hec_forwarder.sls.api.errors import CursorInvalid, SlsError
from sls_hec_forwarder.sls.observer import Lost
from sls_hec_forwarder.sls.shard.memory import Memory
from sls_hec_forwarder.times import parse_moment


class PositionCalls(Protocol):
    """The calls of SlsClient that are used here."""

    place: str

    def checkpoint(self, shard: int) -> Checkpoint: ...
    def checkpoints(self) -> dict[int, Checkpoint]: ...
    def list_shards(self) -> list[Shard]: ...
    def cursor(self, shard: int, at: str | int) -> str: ...
    def cursor_time(self, shard: int, cursor: str) -> int: ...
    def save_checkpoint(self, shard: int, cursor: str, *, force: bool = False) -> None: ...


class Origin(enum.Enum):
    """Where a start position comes from."""

    SAVED = "the group's checkpoint"
    SETTINGS = "the start position"
    #: The group has just begun, so other members may be about to save a checkpoint.
    UNCERTAIN = "the start position, because the group is new"
    OWN = "where this member was before the group was deleted"
    SEEN = "where another member was before the group was deleted"
    RECREATED = "the beginning, because the logstore was deleted and created again"


@dataclass(frozen=True)
class Start:
    """Where a shard starts. `updated`: when the group's checkpoint was saved, or else now; unix seconds."""

    cursor: str
    origin: Origin
    updated: float

    @property
    def new(self) -> bool:
        """Whether the start is not yet the group's checkpoint."""
        return self.origin is not Origin.SAVED


@dataclass(frozen=True)
class Expiry:
    """What an expired cursor means: where to continue (None: nowhere, an operator has to decide).

    `recreated`: the cursor belongs to a logstore that was deleted and created again under the same name.
    """

    next_cursor: str | None
    lost: Lost
    recreated: bool = False


class Positions:
    """The start and stop positions of the settings, as cursors. Thread-safe after `prepare`.

    "end" means: where the shards ended when the group began. A member that finds a group that has not begun
    saves the ends as the checkpoints of all shards. A shard without a checkpoint must then have come from a
    later split; it is read from its beginning, or logs written to it before anybody read it would be skipped.
    """

    def __init__(
        self,
        settings: SlsSettings,
        client: PositionCalls,
        wall: Callable[[], float] = time.time,
        memory: Memory | None = None,
    ) -> None:
        self._start = settings.start
        self._stop = settings.stop
        self._policy = settings.expired
        self._client = client
        self._wall = wall
        self._memory = memory or Memory()
        self._ends: dict[int, str] = {}

    def prepare(self) -> list[Shard]:
        """Fetch what must be known before the first shard is read; return the shards. Raises SlsError."""
        shards = self._client.list_shards()
        self._memory.listed(shards)
        if self._start == "end" or self._stop == "now":
            for shard in shards:
                self._ends[shard.shard] = self._client.cursor(shard.shard, "end")
        if self._start == "end":
            self._begin_group()
        return shards

    def _begin_group(self) -> None:
        """Save the ends if nobody has ever read with this group.

        Forced, because nobody holds the shards. Members that do so at the same moment save nearly the same.
        """
        known = self._client.checkpoints()
        if any(each.cursor or each.owner for each in known.values()):
            return
        for shard in known.keys() & self._ends.keys():
            self._client.save_checkpoint(shard, self._ends[shard], force=True)

    def now(self) -> float:
        """Unix seconds."""
        return self._wall()

    # Start

    def first(self, shard: int) -> Start:
        """Start at the checkpoint of the shard, or else where the settings say. Raises SlsError."""
        # A shard without a checkpoint has an entry with an empty one. No entry at all is an error: a start
        # on that basis could skip logs that another consumer has not delivered.
        saved = self._client.checkpoint(shard)
        if saved.cursor:
            created = self._memory.created(shard)
            if created and saved.updated and created > saved.updated:
                return Start(self._client.cursor(shard, "begin"), Origin.RECREATED, self._wall())
            return Start(saved.cursor, Origin.SAVED, saved.updated)
        known = self._memory.position(shard)
        if known is not None:
            return Start(known.cursor, Origin.OWN if known.own else Origin.SEEN, self._wall())
        return self._fresh(shard)

    def _fresh(self, shard: int) -> Start:
        now, origin = self._wall(), Origin.SETTINGS
        if self._memory.renewed(shard):
            return Start(self._client.cursor(shard, "begin"), Origin.RECREATED, now)
        if self._start != "end":
            at = "begin" if self._start == "begin" else parse_moment(self._start)
            return Start(self._client.cursor(shard, at), origin, now)
        if shard in self._ends:
            if not any(each.cursor for each in self._client.checkpoints().values()):
                return Start(self._ends[shard], origin, now)
            origin = Origin.UNCERTAIN
        return Start(self._client.cursor(shard, "begin"), origin, now)

    # Stop

    @property
    def bounded(self) -> bool:
        """Whether there is a stop position."""
        return bool(self._stop)

    def stop_cursor(self, shard: int) -> str | None:
        """The cursor to stop at; None when there is none, or its time has not come. Raises SlsError."""
        if not self._stop:
            return None
        if self._stop == "now":
            return self._ends.get(shard) or self._client.cursor(shard, "begin")
        moment = parse_moment(self._stop)
        # For a future time SLS returns the cursor of the end, which moves. One second more, as clocks differ.
        if self._wall() < moment + 1:
            return None
        return self._client.cursor(shard, moment)

    # Expiry

    def recreated(self, shard: int, valid: float) -> bool:
        """Whether the shard was created again after `valid` (unix seconds). Raises SlsError."""
        shards = self._client.list_shards()
        if shard in self._memory.listed(shards):
            return True
        return any(each.shard == shard and each.created > valid for each in shards)

    def expired(self, shard: int, cursor: str, seen: float | None, valid: float = float("inf")) -> Expiry:
        """What to do about `cursor`, which SLS called invalid.

        `seen` is the approximate receive time at the cursor, `valid` a time at which it certainly belonged to
        the shard; both in unix seconds.

        Raises CursorInvalid when the cursor is within what the shard holds, so that it cannot have expired,
        and SlsError when that cannot be found out now.
        """
        if self.recreated(shard, valid):
            begin = self._client.cursor(shard, "begin")
            return Expiry(begin, Lost(cursor, None, seen, None), recreated=True)
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
        """The receive time at a cursor; `otherwise` if SLS does not know it, as for an expired cursor."""
        try:
            return self._client.cursor_time(shard, cursor)
        except SlsError:
            return otherwise
