"""One run of chaos: troubles by a plan while logs flow, then peace, and then the books are checked."""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from sls_hec_standins.hec.compare import Comparison

from ..e2e.site import LOGSTORE, PROJECT, wait_until
from .plan import plan
from .troubles import ALONE, LASTS, Busy, Heal, kinds
from .world import BATCH, PULL, UNSAVED, World, serving, threads_and_sockets

RATE = 400.0  # logs a second
PACE = 1.8  # seconds between two troubles
# A fault that nothing has met yet stays for at most so many seconds more.
UNMET = 40.0
# Time (seconds) in which everything has to arrive once there is peace: longer than the longest pause between
# two tries of anything.
PEACE = 180.0
# Seconds without an event that show that nothing is to come: above the time-out of acknowledgements.
REST = 12.0
MEMORY = 400 * 1024 * 1024  # bytes resident; interpreters differ, and what is bounded is the growth with data
# Per process: what it has without shards, and for each of them.
THREADS, SOCKETS = 24, 24


@dataclass
class Verdict:
    """What came of a run; `wrong` is empty if it went well."""

    seed: int
    profile: str
    begun: Counter[str]
    fired: dict[str, int]
    result: Comparison
    planted: Counter[str]
    dead: Counter[str]
    bytes_repeated: int
    bytes_allowed: int
    memory: dict[str, int]
    seconds: float
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        result, mib = self.result, 1024 * 1024
        names = sorted(self.begun)
        width = max(len(name) for name in names)
        lines = [f"{'trouble':<{width}}  begun  requests hit"]
        lines += [f"{name:<{width}}  {self.begun[name]:>5}  {self.fired.get(name, ''):>12}" for name in names]
        peaks = ", ".join(f"{name} {peak // mib} MiB" for name, peak in sorted(self.memory.items()))
        lines += [
            "",
            f"seed {self.seed}, profile {self.profile}, {self.seconds:.0f} s, "
            f"{sum(self.begun.values())} troubles of {len(names)} kinds",
            f"logs          {result.expected:>9,}",
            f"missing       {result.missing - sum(self.planted.values()):>9,}",
            f"dead letters  {len(self.dead):>9,} of {sum(self.planted.values()):,} planted "
            f"({', '.join(f'{count} {way}' for way, count in sorted(self.planted.items()))})",
            f"altered       {result.mismatches:>9,}",
            f"unexpected    {result.unexpected + result.unidentified:>9,}",
            f"duplicates    {result.duplicates:>9,} ({self.bytes_repeated / mib:.1f} MiB, "
            f"at most {self.bytes_allowed / mib:.0f} MiB), all identified",
            f"memory        {peaks} at most",
        ]
        return "\n".join([*lines, *(f"WRONG: {text}" for text in self.wrong)])


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
        _await_all(world)
        verdict = _judge(world, seed, chaos)
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
        self._start = 0.0

    def run(self, seconds: float, pace: float) -> None:
        self._start = time.monotonic()
        for step in plan(self._kinds, LASTS, self._seed, seconds, pace):
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
        group = ALONE.get(kind, "")

        def begin() -> None:
            if group in self._alone:
                self._at(self._now() + 1.0, begin)
                return
            try:
                heal = self._kinds[kind](self._world, rng)
            except Busy:
                self._at(self._now() + 1.0, begin)
                return
            self.begun[kind] += 1
            self._say(f"{self._now():6.1f} s  {kind}")
            if heal is not None:
                self._alone |= {group} - {""}
                until = self._now() + lasts
                self._at(until, lambda: self._end(kind, group, heal, until + UNMET))

        return begin

    def _end(self, kind: str, group: str, heal: Heal, latest: float) -> None:
        if not self.fired().get(kind, 1) and self._now() < latest:
            self._at(self._now() + 0.5, lambda: self._end(kind, group, heal, latest))
            return
        heal()
        self._alone.discard(group)
        self._say(f"{self._now():6.1f} s  {'':20}over: {kind}")

    def fired(self) -> dict[str, int]:
        """How many requests each kind of fault has met."""
        return {
            f"{side}: {kind}": faults.fired(kind=kind)
            for side, faults in (("sls", self._world.sls.faults), ("hec", self._world.hec.faults))
            for kind in faults.kinds
        }


def _expected(world: World) -> int:
    totals = world.sls.service.truth_totals(PROJECT, LOGSTORE)
    return sum(each.logs for each in totals.values())


def _await_all(world: World) -> None:
    expected = _expected(world) - len(world.planted)
    try:
        wait_until(
            lambda: world.indexed >= expected and world.planted.keys() <= world.dead_letters().keys(),
            f"{expected} events to be indexed",
            PEACE,
        )
    except AssertionError as late:
        world.defects.append(str(late))
    # Whoever sends the same again and again never comes to rest.
    try:
        wait_until(lambda: _at_rest(world), "the relays to have nothing more to send", PEACE)
    except AssertionError as restless:
        world.defects.append(str(restless))


def _at_rest(world: World) -> bool:
    before = world.hec.store.total
    time.sleep(REST)
    return world.hec.store.total == before


def _judge(world: World, seed: int, chaos: _Chaos) -> Verdict:
    wrong = world.defects
    shards = len(world.logstore.shards)
    for relay in world.relays.values():
        threads, sockets = threads_and_sockets(relay.running().pid)
        if threads > THREADS + shards or sockets > SOCKETS + shards:
            wrong.append(f"{relay.name} has {threads} threads and {sockets} sockets with {shards} shards")
        relay.stop()
        relay.end()
        if relay.peak > MEMORY:
            wrong.append(f"{relay.name} took {relay.peak} bytes of memory")
    try:
        wait_until(lambda: not serving(), "connections to end", 15)
    except AssertionError:
        wrong.append(f"{serving()} connections are left though all relays have ended")
    result, dead, planted = world.compare(), world.dead_letters(), world.planted
    absent = [name.split()[1] for name in result.samples.get("missing", ())]
    if result.missing != len(planted) or not set(absent) <= planted.keys():
        wrong.append(f"missing: {result.missing} and not {len(planted)}, such as {absent}")
    if dead.keys() != planted.keys():
        wrong.append(
            f"dead letters that are not the planted ones: {sorted(dead.keys() ^ planted.keys())[:20]}"
        )
    if result.mismatches or result.unexpected or result.unidentified:
        wrong.append(f"not what was written:\n{result}")
    average = world.hec.store.summary()["bytes"] / max(1, result.found + result.duplicates)
    repeated = int(result.duplicates * average)
    allowed = world.disruptions * (UNSAVED + shards * 2 * PULL) + world.lost_answers * BATCH
    if repeated > allowed:
        wrong.append(f"{repeated} bytes came again where {allowed} may")
    fired = chaos.fired()
    wrong.extend(f"{kind}: met no request" for kind in sorted(chaos.begun) if not fired.get(kind, 1))
    for side in (world.sls, world.hec):
        wrong.extend(f"{type(side).__name__}: {error!r}" for error in side.server.app_errors)
    wrong.extend(world.log_defects())
    memory = {relay.name: relay.peak for relay in world.relays.values()}
    ways = Counter(planted.values())
    return Verdict(
        seed, world.profile, chaos.begun, fired, result, ways, dead, repeated, allowed, memory, 0.0, wrong
    )


__all__ = ["Verdict", "run"]
