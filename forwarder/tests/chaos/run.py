"""One run of chaos: troubles by a plan while logs flow, then peace, and then the books are checked."""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .expected import EXPECTED
from .judge import await_all, judge
from .plan import Step, long_plan, plan
from .sightings import Stood
from .trouble import Busy, Heal
from .troubles import ALONE, LASTS, clock_is_right, kinds
from .verdict import Verdict
from .world import World

RATE = 400.0  # logs a second
PACE = 1.8  # seconds between two troubles
# A fault that nothing has met yet stays for at most so many seconds more.
UNMET = 40.0
# It waits for one event of one shard, which may stand behind a backlog.
UNMET_BY_KIND = {"hec: firewall": 150.0}
# A trouble that cannot begin for so many seconds, since others stand in its way, is left out if its kind was.
LATE = 45.0
# What these do once has its effect as long as they stand.
ONE_HIT = ("index refused",)


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
        say(f"peace; {chaos.left_out} troubles were left out, others stood in their way for {LATE:g} s")
        world.await_group()
        clock_is_right(world)
        await_all(world)
        verdict = judge(world, seed, chaos.begun, chaos.fired(), chaos.stood)
        verdict.seconds = time.monotonic() - started
    return verdict


@dataclass
class _Standing:
    """A trouble that has begun. `hits`: how many requests its kind has met; None: it does not need any.

    `until` is in seconds of the run. `first` and `latest` are when it met one (monotonic): before and after,
    nobody can know of it.
    """

    kind: str
    alone: set[str]
    heal: Heal
    hits: int | None
    until: float
    first: float | None = None
    latest: float = 0.0


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
        self.left_out = 0

    def run(self, seconds: float, pace: float) -> None:
        self._start = time.monotonic()
        steps = plan(self._kinds, LASTS, self._seed, seconds, pace) + long_plan(EXPECTED, self._seed, seconds)
        for step in steps:
            self._at(step.at, self._beginning(step))
        while self._events:
            at, _, event = heapq.heappop(self._events)
            time.sleep(max(0.0, at - self._now()))
            event()

    def _now(self) -> float:
        return time.monotonic() - self._start

    def _at(self, at: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at, next(self._order), event))

    def _beginning(self, step: Step) -> Callable[[], None]:
        kind, lasts = step.kind, step.lasts
        rng = random.Random(f"{self._seed}/{step.number}")
        alone = {kind, *ALONE.get(kind, ())}

        def later() -> None:
            if self._now() < step.at + LATE or step.long or not self.begun[kind]:
                self._at(self._now() + 1.0, begin)
            else:
                self.left_out += 1

        def begin() -> None:
            if alone & self._alone:
                later()
                return
            before = self._hits().get(kind)
            try:
                heal = self._kinds[kind](self._world, rng)
            except Busy:
                later()
                return
            self.begun[kind] += 1
            self._say(f"{self._now():6.1f} s  {kind}" + f" for {lasts:.0f} s" * (heal is not None))
            if heal is not None:
                self._alone |= alone
                self._follow(_Standing(kind, alone, heal, before, self._now() + lasts))

        return begin

    def _follow(self, standing: _Standing) -> None:
        """Look every second whether it has met something; end it in time, or later if it has not."""
        now, hits = self._now(), self._hits().get(standing.kind)
        if hits is None or hits != standing.hits:
            standing.hits = hits
            standing.latest = time.monotonic()
            standing.first = standing.first or standing.latest
        if now >= standing.until and (
            standing.first is not None or now >= standing.until + UNMET_BY_KIND.get(standing.kind, UNMET)
        ):
            self._end(standing)
        else:
            left = standing.until - now
            self._at(now + (min(left, 1.0) if left > 0 else 0.5), lambda: self._follow(standing))

    def _end(self, standing: _Standing) -> None:
        if standing.first is not None:
            latest = time.monotonic() if standing.kind in ONE_HIT else standing.latest
            self.stood.append(Stood(standing.kind, standing.first, latest))
        standing.heal()
        self._alone -= standing.alone
        self._say(f"{self._now():6.1f} s  {'':20}over: {standing.kind}")

    def _hits(self) -> dict[str, int]:
        """How often each kind of trouble that has to be met was met until now."""
        answers = self._world.hec.app.answers_given()
        refused = sum(
            times
            for (route, status, code), times in answers.items()
            if route == "event" and (code in (6, 7) or status == 413)
        )
        disabled = sum(times for (route, _, code), times in answers.items() if (route, code) == ("event", 1))
        counts = {"spool is unusable": refused, "index refused": refused, "token disabled": disabled}
        return {**self.fired(), **counts}

    def fired(self) -> dict[str, int]:
        """How many requests each kind of fault has met."""
        return {
            f"{side}: {kind}": faults.fired(kind=kind)
            for side, faults in (("sls", self._world.sls.faults), ("hec", self._world.hec.faults))
            for kind in faults.kinds
        }


__all__ = ["Verdict", "run"]
