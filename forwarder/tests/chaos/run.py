"""One run of chaos: troubles by a plan while logs flow, then peace, and then the books are checked."""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections import Counter
from pathlib import Path
from typing import Callable

from .expected import EXPECTED
from .judge import await_all, judge
from .plan import long_plan, plan
from .sightings import Stood
from .trouble import Busy, Heal
from .troubles import ALONE, LASTS, clock_is_right, kinds
from .verdict import Verdict
from .world import World

RATE = 400.0  # logs a second
PACE = 1.8  # seconds between two troubles
# A fault that nothing has met yet stays for at most so many seconds more.
UNMET = 40.0


def run(
    folder: Path,
    seed: int,
    seconds: float,
    *,
    pace: float = PACE,
    rate: float = RATE,
    say: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """`seconds` of chaos and what they left. Everything random follows from `seed`; timing does not."""
    started = time.monotonic()
    with World(folder, seed, keep=50_000) as world:
        for relay in world.relays.values():
            relay.running().wait_ready(120)
        world.load(rate=rate, seed=seed, nasty=0.02)
        chaos = _Chaos(world, seed, say)
        chaos.run(seconds, pace)
        world.sls.loader.stop()
        say("peace")
        clock_is_right(world)
        await_all(world)
        verdict = judge(world, seed, chaos.begun, chaos.fired(), chaos.stood)
        verdict.seconds = time.monotonic() - started
    return verdict


class _Chaos:
    def __init__(self, world: World, seed: int, say: Callable[[str], None]) -> None:
        self.begun: Counter[str] = Counter()
        self._world = world
        self._seed = seed
        self._say = say
        self._kinds = kinds(world)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._alone: set[str] = set()
        self.stood: list[Stood] = []
        self._start = 0.0

    def run(self, seconds: float, pace: float) -> None:
        self._start = time.monotonic()
        steps = plan(self._kinds, LASTS, self._seed, seconds, pace) + long_plan(EXPECTED, self._seed, seconds)
        for step in steps:
            self._at(step.at, self._beginning(step.number, step.kind, step.lasts))
        while self._events:
            at, _, event = heapq.heappop(self._events)
            time.sleep(max(0.0, at - self._now()))
            event()

    def _now(self) -> float:
        return time.monotonic() - self._start

    def _at(self, at: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at, next(self._order), event))

    def _beginning(self, number: int, kind: str, lasts: float) -> Callable[[], None]:
        rng = random.Random(f"{self._seed}/{number}")
        alone = {kind, *ALONE.get(kind, ())}

        def begin() -> None:
            if alone & self._alone:
                self._at(self._now() + 1.0, begin)
                return
            met = self.fired().get(kind, 0)
            try:
                heal = self._kinds[kind](self._world, rng)
            except Busy:
                self._at(self._now() + 1.0, begin)
                return
            self.begun[kind] += 1
            self._say(f"{self._now():6.1f} s  {kind}" + f" for {lasts:.0f} s" * (heal is not None))
            if heal is not None:
                self._alone |= alone
                begun = time.monotonic()
                until = self._now() + lasts
                self._at(until, lambda: self._end(kind, alone, heal, begun, met, until + UNMET))

        return begin

    def _end(self, kind: str, alone: set[str], heal: Heal, begun: float, met: int, latest: float) -> None:
        if not self.fired().get(kind, 1) and self._now() < latest:
            self._at(self._now() + 0.5, lambda: self._end(kind, alone, heal, begun, met, latest))
            return
        self.stood.append(Stood(kind, begun, time.monotonic(), self.fired().get(kind, 1) != met))
        heal()
        self._alone -= alone
        self._say(f"{self._now():6.1f} s  {'':20}over: {kind}")

    def fired(self) -> dict[str, int]:
        """How many requests each kind of fault has met."""
        return {
            f"{side}: {kind}": faults.fired(kind=kind)
            for side, faults in (("sls", self._world.sls.faults), ("hec", self._world.hec.faults))
            for kind in faults.kinds
        }


__all__ = ["Verdict", "run"]
