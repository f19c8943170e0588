"""Chaos in short; longer ones are run by `python -m tests.chaos`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .expected import EXPECTED
from .plan import LONG, LONG_FROM, long_plan, plan
from .run import run
from .troubles import LASTS

# Seeds that once found something belong here; 1 is the first that was tried.
SEEDS = [1]


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_whatever_goes_wrong(tmp_path: Path, seed: int) -> None:
    """Every kind of trouble once or more, over a relay on CPython and one on PyPy."""
    verdict = run(tmp_path, seed, 90)
    sys.stdout.write(f"{verdict}\n")
    assert not verdict.wrong, f"\n{verdict}\n\nagain: python -m tests.chaos --seed {seed} --minutes 1.5"


def test_a_seed_decides_the_plan() -> None:
    kinds = ["kill", "freeze", "hec: tls"]
    steps = plan(kinds, LASTS, 7, 60, 2)
    assert steps == plan(reversed(kinds), LASTS, 7, 60, 2)
    assert steps != plan(kinds, LASTS, 8, 60, 2)
    assert len(steps) == 30
    assert {step.kind for step in steps[:3]} == set(kinds)


def test_a_short_plan_has_every_kind() -> None:
    kinds = [f"kind {number}" for number in range(50)]
    assert {step.kind for step in plan(kinds, LASTS, 1, 10, 2)} == set(kinds)


def test_a_long_plan_has_troubles_that_have_to_be_seen() -> None:
    steps = long_plan(EXPECTED, 7, 1800)
    assert steps == long_plan(reversed([*EXPECTED]), 7, 1800)
    assert {step.kind for step in steps} == set(EXPECTED)
    assert all(LONG[0] <= step.lasts <= LONG[1] and step.at + step.lasts <= 1800 for step in steps)
    assert not long_plan(EXPECTED, 7, LONG_FROM - 1)
