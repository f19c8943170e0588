"""Which trouble comes when: decided by a seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Step(NamedTuple):
    """One trouble: begins `at` seconds after the start and lasts `lasts` seconds, or a moment."""

    number: int
    at: float
    lasts: float
    kind: str

    @property
    def long(self) -> bool:
        return self.number >= _LONG_NUMBERS


USUAL = (1.0, 6.0)
#: Seconds that a trouble stands which has to be seen by then, and seconds between two such troubles.
LONG = (70.0, 90.0)
LONG_PACE = 45.0
#: A run of fewer seconds has no time for troubles that stand so long.
LONG_FROM = 300.0
#: Numbers of the long ones begin here, so that what is drawn for the others does not depend on them.
_LONG_NUMBERS = 1_000_000


def plan(
    kinds: Iterable[str], lasts: Mapping[str, tuple[float, float]], seed: int, seconds: float, pace: float
) -> list[Step]:
    """Troubles every `pace` seconds or so, each kind once before any comes again; `lasts` where not `USUAL`.

    The first round is complete even if `seconds` are too few for that: it is pressed into them.
    """
    rng = random.Random(f"{seed}/plan")
    names = sorted(kinds)
    count = max(len(names), int(seconds / pace))
    pace = seconds / count
    steps: list[Step] = []
    while len(steps) < count:
        rng.shuffle(names)
        for name in names[: count - len(steps)]:
            at = pace * (len(steps) + rng.random())
            steps.append(Step(len(steps), at, rng.uniform(*lasts.get(name, USUAL)), name))
    return sorted(steps, key=lambda step: step.at)


def long_plan(kinds: Iterable[str], seed: int, seconds: float) -> list[Step]:
    """Troubles of `LONG`, about two at a time, all over after `seconds`; none in fewer than `LONG_FROM`."""
    if seconds < LONG_FROM:
        return []
    rng = random.Random(f"{seed}/long")
    every = sorted(kinds)
    names: list[str] = []
    steps: list[Step] = []
    for number in range(int((seconds - LONG[1]) / LONG_PACE)):
        if not names:
            names = list(every)
            rng.shuffle(names)
        at = LONG_PACE * (number + rng.random() / 2)
        steps.append(Step(_LONG_NUMBERS + number, at, rng.uniform(*LONG), names.pop()))
    return steps
