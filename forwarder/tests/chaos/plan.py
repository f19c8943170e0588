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


USUAL = (1.0, 6.0)


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
