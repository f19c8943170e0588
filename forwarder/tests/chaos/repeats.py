"""How much a relay may have sent again, told from its log: what each loss of shards can cost."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

#: Shards that a relay loses within so many seconds are lost at once, and share one bound.
AT_ONCE = 2.0

_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+)Z [A-Z]+ (?:cli\.run|sls\.shard\.reader): (.*)")
_SHARD = re.compile(r"shard (\d+): (.*)")


class _Relay:
    def __init__(self) -> None:
        self.losses: list[tuple[float, set[int]]] = []
        self._held: set[int] = set()

    def line(self, at: float, text: str) -> None:
        found = _SHARD.match(text)
        if found is None:
            if text.startswith("sls-hec-forwarder "):  # begins; what it held then it took with it
                self._lost(at, self._held)
                self._held = set()
            return
        shard, what = int(found[1]), found[2]
        if what.startswith("reading from "):
            self._held.add(shard)
        elif what == "released":
            self._held.discard(shard)
        elif what == "revoked" or "could not be" in what:  # delivered in time, or saved
            self._held.discard(shard)
            self._lost(at, {shard})

    def _lost(self, at: float, shards: set[int]) -> None:
        if not shards:
            return
        if self.losses and at - self.losses[-1][0] <= AT_ONCE:
            self.losses[-1][1].update(shards)
        else:
            self.losses.append((at, set(shards)))


def may_repeat(lines: Iterable[str], *, unsaved: int, pull: int) -> int:
    """Bytes that one relay's log explains: `unsaved` for each time it lost shards, and a `pull` for each."""
    relay = _Relay()
    for line in lines:
        found = _LINE.match(line)
        if found is not None:
            relay.line(datetime.fromisoformat(found[1]).timestamp(), found[2])
    return sum(unsaved + pull * len(shards) for _, shards in relay.losses)
