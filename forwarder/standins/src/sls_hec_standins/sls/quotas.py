"""The read quota of a shard: requests and bytes a second, counted in whole seconds."""

from __future__ import annotations

import threading
import time
from typing import Callable


class ReadQuota:
    """The reads of one shard in the current second. Thread-safe. Limits of 0 are unlimited."""

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._lock = threading.Lock()
        self._second = -1
        self._reads = 0
        self._bytes = 0

    def exceeded(self, reads_per_second: int, bytes_per_second: int) -> str | None:
        """Count a read; "qps" or "bytes" if it is one too many.

        The size of an answer is only known afterwards: the read that crosses the limit is still answered.
        """
        with self._lock:
            self._turn()
            if reads_per_second and self._reads >= reads_per_second:
                return "qps"
            if bytes_per_second and self._bytes >= bytes_per_second:
                return "bytes"
            self._reads += 1
            return None

    def add(self, size: int) -> None:
        """Count the bytes of an answer."""
        with self._lock:
            self._turn()
            self._bytes += size

    def _turn(self) -> None:
        second = int(self._timer())
        if second != self._second:
            self._second, self._reads, self._bytes = second, 0, 0
