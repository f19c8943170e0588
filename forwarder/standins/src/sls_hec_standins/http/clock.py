"""A clock that tests and the admin API can move."""

from __future__ import annotations

import threading
import time
from typing import Callable


class Clock:
    """Seconds since the epoch. Runs with `source` (the system's time) until frozen.

    `set` and `advance` also move a running clock: it continues from there.
    """

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self._offset = 0.0
        self._frozen: float | None = None
        self._lock = threading.Lock()

    @property
    def frozen(self) -> bool:
        return self._frozen is not None

    def now(self) -> float:
        with self._lock:
            return self._now()

    def advance(self, seconds: float) -> float:
        """Move by `seconds` (negative: back) and return the new time."""
        with self._lock:
            return self._move(self._now() + seconds)

    def set(self, at: float) -> float:
        with self._lock:
            return self._move(at)

    def freeze(self, at: float | None = None) -> float:
        """Stand still, at `at` if given, until `run`."""
        with self._lock:
            self._frozen = self._now() if at is None else at
            return self._frozen

    def run(self) -> None:
        """Continue from the present time."""
        with self._lock:
            at, self._frozen = self._now(), None
            self._move(at)

    def _now(self) -> float:
        return self._source() + self._offset if self._frozen is None else self._frozen

    def _move(self, at: float) -> float:
        if self._frozen is None:
            self._offset = at - self._source()
        else:
            self._frozen = at
        return at
