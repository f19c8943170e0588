"""The conditions of a shard, as its readers find them.

A reader whose shard was revoked may end late, when the next one already reads the shard. So a condition of a
shard lasts while any of its readers finds it, and no reader can end one that another still finds.
"""

from __future__ import annotations

import threading

from sls_hec_forwarder.health.conditions import Conditions


class Claims:
    """Which readers find a condition; shared by the readers of a process. Thread-safe."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._who: dict[tuple[str, str], set[object]] = {}
        self._lock = threading.Lock()

    def begin(self, who: object, name: str, subject: str, text: str) -> None:
        with self._lock:
            self._who.setdefault((name, subject), set()).add(who)
            self._conditions.begin(name, subject, text)

    def measured(self, who: object, name: str, subject: str, text: str) -> None:
        """As `begin`, but repeating it is not counted."""
        with self._lock:
            self._who.setdefault((name, subject), set()).add(who)
            self._conditions.measured(name, subject, text)

    def end(self, who: object, name: str, subject: str, text: str) -> None:
        with self._lock:
            others = self._who.get((name, subject), set())
            others.discard(who)
            if not others:
                self._who.pop((name, subject), None)
                self._conditions.end(name, subject, text)


class ShardConditions:
    """The conditions that one reader finds; used by its thread."""

    def __init__(self, claims: Claims, shard: int) -> None:
        self._claims = claims
        self._subject = f"shard {shard}"
        self._mine: set[str] = set()

    def begin(self, name: str, text: str) -> None:
        self._mine.add(name)
        self._claims.begin(self, name, self._subject, text)

    def measured(self, name: str, text: str) -> None:
        self._mine.add(name)
        self._claims.measured(self, name, self._subject, text)

    def end(self, name: str, text: str = "") -> None:
        if name in self._mine:
            self._claims.end(self, name, self._subject, text)
            self._mine.discard(name)

    def close(self, why: str) -> None:
        """This reader no longer reads the shard."""
        for name in list(self._mine):
            self.end(name, why)
