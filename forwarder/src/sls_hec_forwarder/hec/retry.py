"""How long to wait before the next try. Pure; randomness is injected."""

from __future__ import annotations

import random
from typing import Final

# A server may ask for more patience than we would have, but not for any amount.
LONGEST_RETRY_AFTER: Final = 600.0


class Backoff:
    """Exponential pauses from `first` to `longest` seconds, each drawn from its upper half.

    The jitter keeps senders of many processes, stopped by one event, from coming back together.
    """

    def __init__(self, first: float, longest: float, rng: random.Random) -> None:
        self._first = min(first, longest)
        self._longest = longest
        self._rng = rng

    def delay(self, failures: int, retry_after: float | None = None) -> float:
        """Seconds to wait after `failures` (1 and up) in a row; at least what the server asked for."""
        doublings = min(max(failures, 1) - 1, 32)
        ceiling = min(self._longest, self._first * 2.0**doublings)
        pause = ceiling * self._rng.uniform(0.5, 1.0)
        if retry_after is None:
            return pause
        return max(pause, min(retry_after, LONGEST_RETRY_AFTER) * self._rng.uniform(1.0, 1.1))
