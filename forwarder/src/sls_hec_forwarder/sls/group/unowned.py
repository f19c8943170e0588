"""Finds shards of the group that no consumer holds although one should."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Callable, Protocol

from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.client import Checkpoint, Shard


class CursorCall(Protocol):
    """The one call of SlsClient that is used here."""

    def cursor(self, shard: int, at: str | int) -> str: ...


class Unowned:
    """Call `looked` from one thread with what SLS reports, `found` from any thread."""

    def __init__(self, client: CursorCall, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._ends: dict[int, str] = {}  # of read-only shards, whose ends do not move
        self._found: tuple[tuple[int, ...], float] = (), 0.0
        self._since: dict[int, float] = {}

    def looked(self, shards: Sequence[Shard], checkpoints: dict[int, Checkpoint], in_order: bool) -> None:
        """Take the state of the group as SLS reports it now. Raises SlsError.

        A shard needs no owner when it is finished, or, in a group in order, while it waits for its parent.
        """
        finished = {each.shard for each in shards if each.read_only and self._finished(each, checkpoints)}
        waiting = in_order and any(each.read_only and each.shard not in finished for each in shards)
        now = self._clock()
        found: dict[int, float] = {}
        for each in shards:
            entry = checkpoints.get(each.shard)
            if entry is None or entry.owner or each.shard in finished or (waiting and not entry.cursor):
                continue
            found[each.shard] = self._since.get(each.shard, now)
        self._since = found
        # The time counts up to this look only: nothing is known of later.
        self._found = tuple(sorted(found)), now - min(found.values(), default=now)

    def found(self) -> tuple[tuple[int, ...], float]:
        """The shards, and the seconds for which the first of them has been seen without an owner."""
        return self._found

    def _finished(self, shard: Shard, checkpoints: dict[int, Checkpoint]) -> bool:
        entry = checkpoints.get(shard.shard)
        if entry is None or not entry.cursor or entry.owner:
            return False
        end = self._ends.get(shard.shard)
        if end is None:
            end = self._ends[shard.shard] = self._client.cursor(shard.shard, "end")
        left = cursors.distance(entry.cursor, end)
        return entry.cursor == end if left is None else left <= 0
