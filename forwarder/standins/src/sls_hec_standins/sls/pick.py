"""Seeded choices."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Pick:
    """Choices from a seeded source, through calls that give the same on every Python."""

    def __init__(self, rng: random.Random) -> None:
        self._random = rng.random

    def number(self, low: int, high: int) -> int:
        """A number of low..high."""
        return low + int(self._random() * (high - low + 1))

    def of(self, choices: Sequence[T]) -> T:
        return choices[int(self._random() * len(choices))]

    def below(self, chance: float) -> bool:
        """True with the probability `chance`."""
        return self._random() < chance

    def mostly(self, usual: T, others: Sequence[T]) -> T:
        """`usual` nine times of ten."""
        return usual if self.below(0.9) else self.of(others)

    def hex(self, digits: int) -> str:
        return "".join(self.of("0123456789abcdef") for _ in range(digits))

    def address(self) -> str:
        return f"{self.of((10, 172, 192, 47, 106, 203))}." + ".".join(
            str(self.number(1, 254)) for _ in range(3)
        )

    def instance(self, prefix: str) -> str:
        """A resource id such as i-bp1a2b3c4d5e6f7g8h9i."""
        return f"{prefix}-bp1{self.hex(17)}"
