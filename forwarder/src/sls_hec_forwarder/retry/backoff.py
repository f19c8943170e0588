"""Growing pauses between tries."""

from __future__ import annotations

import random
from typing import Final

# A server may ask for a longer pause than ours, but only up to this limit.
LONGEST_RETRY_AFTER: Final = 600.0
# 2.0**n overflows after a thousand failures.
_MOST_DOUBLINGS: Final = 64


class Backoff:
    """Pauses that double from `first` up to `longest` seconds, each shortened by up to half at random.

    The jitter keeps shards and relays that one fault stopped from all returning at the same moment.
    """

    def __init__(self, first: float, longest: float, rng: random.Random | None = None) -> None:
        self._first = first
        self._longest = longest
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, not for security

    def delay(self, failures: int, retry_after: float | None = None) -> float:
        """Seconds to wait after `failures` (1 or more) in a row; at least what the server asked for."""
        doublings = min(max(failures, 1) - 1, _MOST_DOUBLINGS)
        pause = min(self._longest, self._first * 2.0**doublings) * self._rng.uniform(0.5, 1.0)
        if retry_after is None:
            return pause
        return max(pause, min(retry_after, LONGEST_RETRY_AFTER) * self._rng.uniform(1.0, 1.1))


class CountingBackoff(Backoff):
    """A backoff that counts the failures itself."""

    failures = 0

    def next(self) -> float:
        """Count one more failure; returns the seconds to wait."""
        self.failures += 1
        return self.delay(self.failures)

    def reset(self) -> None:
        self.failures = 0
