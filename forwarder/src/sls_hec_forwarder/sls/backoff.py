"""Growing pauses between tries."""

from __future__ import annotations

import random


class Backoff:
    """Pauses that double from `first` up to `cap` seconds, each shortened by up to half at random.

    The randomness keeps many shards and many relays from trying again at the same instant.
    """

    def __init__(self, first: float, cap: float, rng: random.Random | None = None) -> None:
        self._first = first
        self._cap = cap
        self._rng = rng or random.Random()  # noqa: S311 - no secret
        self.failures = 0

    def next(self) -> float:
        """Count one failure more; seconds to wait after it."""
        # The exponent is bounded because 2.0**n overflows after a thousand failures.
        pause = min(self._cap, self._first * 2.0 ** min(self.failures, 64))
        self.failures += 1
        return pause * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        self.failures = 0
