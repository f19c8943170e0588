"""The time that one exchange may take, as a whole."""

from __future__ import annotations

import time
from typing import Callable


class Late(TimeoutError):
    """The time of the exchange is up."""


class Deadline:
    """Ends `seconds` after it was made, on `clock` (monotonic seconds)."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.until = clock() + seconds

    def left(self) -> float:
        """Seconds that are left, more than 0. Raises Late."""
        left = self.until - self._clock()
        if left <= 0:
            raise Late("timed out")
        return left
