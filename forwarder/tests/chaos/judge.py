"""The books, once there is peace: what arrived, what was repeated, what the health showed."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Callable

from sls_hec_standins.sls import cursors

from ..e2e.site import GROUP, LOGSTORE, PROJECT, wait_until
from .expected import EXPECTED, QUIET
from .member import threads_and_sockets
from .sightings import Stood, table
from .verdict import Verdict
from .world import BATCH, PULL, UNSAVED, World, serving

# Time (seconds) without any progress that is too long once there is peace: longer than the longest pause
# between two tries of anything.
PEACE = 180.0
# Seconds without an event that show that nothing is to come: above the time-out of acknowledgements.
REST = 12.0
MEMORY = 400 * 1024 * 1024  # bytes resident; interpreters differ, and what is bounded is the growth with data
# Per process: what it has without shards, and for each of them.
THREADS, SOCKETS = 24, 24
#: So many of the missing are looked at.
NAMED = 100_000
#: Nobody asks for the health but the check of a relay that starts.
SELDOM_MET = frozenset({"hec: unhealthy"})


def _expected(world: World) -> int:
    totals = world.sls.service.truth_totals(PROJECT, LOGSTORE)
    return sum(each.logs for each in totals.values())


def await_all(world: World) -> None:
    """Until everything is where it belongs, nothing more is sent, and the health shows nothing."""
    expected = _expected(world) - len(world.planted)
    indexed = -1
    while indexed < world.indexed and not _arrived(world, expected):  # a backlog may take its time
        indexed = world.indexed
        with contextlib.suppress(AssertionError):
            wait_until(lambda: _arrived(world, expected), "all to arrive", PEACE)
    if not _arrived(world, expected):
        world.defects.append(f"{expected} events are due; for {PEACE:g} s no more come than {indexed}")
    # Whoever sends the same again and again never comes to rest.
    _await(world, lambda: _at_rest(world), "the relays to have nothing more to send")
    _await(world, lambda: not world.health.standing(QUIET), "conditions to end")
    for line in world.health.standing(QUIET):
        world.defects.append(f"stands though all is well: {line}")


def _await(world: World, true: Callable[[], bool], what: str) -> None:
    try:
        wait_until(true, what, PEACE)
    except AssertionError as late:
        world.defects.append(str(late))


def _arrived(world: World, expected: int) -> bool:
    if world.indexed < expected - len(world.uncertain):
        return False
    absent = world.never_indexed()
    if world.indexed < expected - len(absent):
        return False
    return world.planted.keys() | absent <= world.dead_letters().keys()


def _at_rest(world: World) -> bool:
    before = world.hec.store.total
    time.sleep(REST)
    return world.hec.store.total == before


def judge(
    world: World, seed: int, begun: Counter[str], fired: Mapping[str, int], stood: Collection[Stood]
) -> Verdict:
    """Ends the relays, and says what was wrong."""
    wrong = world.defects
    world.health.stop()
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
    dead, planted = world.dead_letters(), world.planted
    refused = world.never_indexed()
    result = world.compare(name_missing=len(planted) + len(refused) + NAMED)
    absent = {name.split()[1] for name in result.samples.get("missing", ())}
    if result.missing != len(planted) + len(refused) or absent != planted.keys() | refused:
        wrong.append(f"missing: {result.missing} and not {len(planted)} + {len(refused)}")
        wrong.extend(_gaps(world, absent - planted.keys() - refused))
    unlike = (dead.keys() ^ planted.keys()) - (world.uncertain - refused) - (dead.keys() & refused)
    if unlike:
        wrong.append(f"dead letters that are not the expected ones: {sorted(unlike)[:20]}")
    if not refused <= dead.keys():
        wrong.append(f"neither indexed nor dead letters: {sorted(refused - dead.keys())[:20]}")
    if result.mismatches or result.unexpected or result.unidentified:
        wrong.append(f"not what was written:\n{result}")
    average = world.hec.store.summary()["bytes"] / max(1, result.found + result.duplicates)
    repeated = int(result.duplicates * average)
    allowed = world.disruptions * (UNSAVED + shards * 2 * PULL) + world.lost_answers * BATCH
    if repeated > allowed:
        wrong.append(f"{repeated} bytes came again where {allowed} may")
    idle = [kind for kind in sorted(begun) if not fired.get(kind, 1) and kind not in SELDOM_MET]
    wrong.extend(f"{kind}: met no request" for kind in idle)
    for side in (world.sls, world.hec):
        wrong.extend(f"{type(side).__name__}: {error!r}" for error in side.server.app_errors)
    wrong.extend(world.log_defects())
    health = table(stood, world.health.sightings(), EXPECTED, QUIET)
    wrong.extend(f"not seen in the health of any relay: {row}" for row in health if row.unseen)
    return Verdict(
        seed=seed,
        profile=world.profile,
        begun=begun,
        fired=fired,
        result=result,
        planted=Counter(planted.values()),
        dead=dead,
        refused=len(refused),
        bytes_repeated=repeated,
        bytes_allowed=allowed,
        memory={relay.name: relay.peak for relay in world.relays.values()},
        health=health,
        seconds=0.0,
        wrong=wrong,
    )


def _gaps(world: World, absent: Collection[str]) -> list[str]:
    """Where the absent logs would be: runs of log groups, beside what the shard has and its checkpoint."""
    by_shard: dict[int, Counter[int]] = {}
    for name in absent:
        shard, cursor, _ = map(int, name.split("|"))
        by_shard.setdefault(shard, Counter())[cursor] += 1
    lines = []
    group = world.logstore.groups.get(GROUP)
    saved = {} if group is None else group.view(world.sls.clock.now())
    for shard, logs in sorted(by_shard.items()):
        runs: list[list[int]] = []
        for cursor in sorted(logs):
            if runs and runs[-1][1] + 1 == cursor:
                runs[-1][1] = cursor
            else:
                runs.append([cursor, cursor])
        there = world.logstore.shards[shard]
        checkpoint = cursors.decode(saved[shard].checkpoint) if shard in saved else None
        texts = [f"{first - there.first} to {last - there.first}" for first, last in runs[:10]]
        at = None if checkpoint is None else checkpoint - there.first
        lines.append(
            f"missing in shard {shard}: {sum(logs.values())} logs, log groups {', '.join(texts)} of "
            f"{there.next - there.first}; checkpoint {at}"
        )
    return lines
