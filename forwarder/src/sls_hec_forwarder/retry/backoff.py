"""Growing pauses between tries."""

from __future__ import annotations

import random
from typing import Final

# A server may ask for more patience than we would have, but not for any amount.
LONGEST_RETRY_AFTER: Final = 600.0
# 2.0**n overflows after a thousand failures.
_MOST_DOUBLINGS: Final = 64


class Backoff:
    """Pauses that double from `first` up to `longest` seconds, each shortened by up to half at random.

    The jitter keeps many shards and many relays, stopped by one event, from coming back together.
    """

    def __init__(self, first: float, longest: float, rng: random.Random | None = None) -> None:
        self._first = first
        self._longest = longest
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, keeps no secret

    def delay(self, failures: int, retry_after: float | None = None) -> float:
        """Seconds to wait after `failures` (1 and up) in a row; at least what the server asked for."""
        doublings = min(max(failures, 1) - 1, _MOST_DOUBLINGS)
        pause = min(self._longest, self._first * 2.0**doublings) * self._rng.uniform(0.5, 1.0)
        if retry_after is None:
            return pause
        return max(pause, min(retry_after, LONGEST_RETRY_AFTER) * self._rng.uniform(1.0, 1.1))


class CountingBackoff(Backoff):
    """One that counts the failures itself."""

    failures = 0

    def next(self) -> float:
        """Count one failure more; seconds to wait after it."""
        self.failures += 1
        return self.delay(self.failures)

    def reset(self) -> None:
        self.failures = 0
