"""The time that one whole exchange may take."""

from __future__ import annotations

import time
from typing import Callable


class Late(TimeoutError):
    """The deadline has passed."""


class Deadline:
    """Passes `seconds` after it was made, on `clock` (monotonic seconds)."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.until = clock() + seconds

    def left(self) -> float:
        """Seconds left, always more than 0. Raises Late."""
        left = self.until - self._clock()
        if left <= 0:
            raise Late("timed out")
        return left
