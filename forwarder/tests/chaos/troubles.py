"""What can go wrong: every fault of both stand-ins, and what happens to processes, files and the cloud."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from sls_hec_standins.http import Fault, Faults
from sls_hec_standins.sls.errors import SlsError

from .admins import ADMINS
from .between import BETWEEN, PREPARED
from .faults import HEC_FAULTS, SLS_FAULTS, Draw
from .processes import PROCESSES, reload
from .trouble import Busy, Heal, Trouble
from .world import BODY_MAX, EVENT_MAX, FORBIDDEN_TOPIC, SPOOL, World

MAX_SHARDS = 24
# Service time may be this far (seconds) from that of the machine; 900 is where SLS refuses signatures.
MAX_SKEW = 600.0
SPOOL_BALLAST = "ballast.jsonl.gz"

_numbers = itertools.count()


# The service: group, shards, clock, keys.


def rebalance(world: World, rng: random.Random) -> None:
    with world.logstore.lock:
        world.group().force_rebalance(world.sls.clock.now())


def kick(world: World, rng: random.Random) -> None:
    world.kick(rng.choice(list(world.relays)))


def split_shard(world: World, rng: random.Random) -> None:
    with world.logstore.lock:
        shards = [number for number, shard in world.logstore.shards.items() if not shard.readonly]
        if len(world.logstore.shards) < MAX_SHARDS:
            world.logstore.split(rng.choice(shards))


def merge_shards(world: World, rng: random.Random) -> None:
    with world.logstore.lock:
        shards = [number for number, shard in world.logstore.shards.items() if not shard.readonly]
        rng.shuffle(shards)
        if len(shards) > 3 and len(world.logstore.shards) < MAX_SHARDS:
            for shard in shards:
                with contextlib.suppress(SlsError):  # the last one of the key space has no neighbour
                    world.logstore.merge(shard)
                    return


def sls_clock_jumps(world: World, rng: random.Random) -> Heal | None:
    """Forward by more than the group's time-out, then back by a little of it; at times all the way back."""
    by = rng.uniform(10, MAX_SKEW / 4)
    ahead = world.sls.clock.now() - time.time()
    if ahead + by > MAX_SKEW:
        clock_is_right(world)
        return None
    world.sls.clock.advance(by)

    def back() -> None:
        world.sls.clock.advance(-rng.uniform(0, 3))

    return back


def clock_is_right(world: World) -> None:
    for consumer in (*world.relays, "sdk-1"):  # else they would not time out for as long
        world.kick(consumer)
    world.sls.clock.advance(time.time() - world.sls.clock.now())


def sts_key_expires(world: World, rng: random.Random) -> Heal | None:
    """The new one is in its files before, or some time after."""
    old = world.key_id
    if rng.random() < 0.5:
        world.new_sts_key()
        world.expire_key(old)
        return None
    world.expire_key(old)
    return lambda: _renew_key(world, rng)


def _renew_key(world: World, rng: random.Random) -> None:
    world.new_sts_key()
    _maybe_hup(world, rng)


def burst(world: World, rng: random.Random) -> None:
    world.load(logs=rng.randint(1_000, 4_000), seed=rng.randrange(2**31), nasty=0.02)


# HEC: tokens, certificates, nodes, time.


def token_rotates(world: World, rng: random.Random) -> Heal | None:
    """The old one is void before the new one is in its file, or after."""
    names = [token.name for token in world.hec.tokens.all() if token.name != "sdk"]
    if rng.random() < 0.5:
        for name in names:
            world.hec.tokens.remove(name)
        return lambda: _renew_token(world, rng)
    world.new_hec_token()
    _maybe_hup(world, rng)

    def void() -> None:
        for name in names:
            world.hec.tokens.remove(name)

    return void


def _renew_token(world: World, rng: random.Random) -> None:
    world.new_hec_token()
    _maybe_hup(world, rng)


def token_disabled(world: World, rng: random.Random) -> Heal:
    names = [token.name for token in world.hec.tokens.all()]
    for name in names:
        world.hec.tokens.change(name, disabled=True)
    there = world.hec.tokens

    def enable() -> None:
        for token in there.all():
            there.change(token.name, disabled=False)

    return enable


def certificate_rotates(world: World, rng: random.Random) -> None:
    world.new_hec_certificate(ca=False)


def authority_rotates(world: World, rng: random.Random) -> None:
    """With connections cut, so that everybody meets the new certificate."""
    world.new_hec_certificate(ca=True)
    world.hec.faults.add(Fault("refuse", seconds=0.3))


def node_restarts(world: World, rng: random.Random) -> None:
    """Nothing is known any more of what was to be acknowledged."""
    rng.choice(world.hec.cluster.nodes).restart()
    world.forgotten()


def nodes_are_down(world: World, rng: random.Random) -> Heal:
    nodes = world.hec.cluster.nodes
    down = rng.sample(nodes, rng.randint(1, len(nodes)))
    for node in down:
        node.up = False
    world.forgotten()

    def up() -> None:
        for node in down:
            node.up = True

    return up


def hec_clock_jumps(world: World, rng: random.Random) -> None:
    """Far enough to have idle channels forgotten."""
    world.hec.clock.advance(rng.choice((30.0, 700.0)))
    world.forgotten()


# Dead letters.


def event_for_a_wrong_index(world: World, rng: random.Random) -> None:
    count = rng.randint(1, 4)
    world.plant("wrong index", [b"forbidden"] * count, set(range(count)), FORBIDDEN_TOPIC)


def event_too_large(world: World, rng: random.Random) -> None:
    """Among good ones: HEC says which it is."""
    large = bytes(rng.choices(b'abcdef \\"\n', k=64)) * (EVENT_MAX // 64 + 1)
    world.plant("too large an event", [b"good", large, b"good"], {1})


def body_too_large(world: World, rng: random.Random) -> None:
    """Alone too much for a request: it is the server in front of HEC that says so."""
    world.plant("too large a body", [b"good", b"x" * (BODY_MAX + 1), b"good"], {1})


def spool_is_full(world: World, rng: random.Random) -> Heal:
    world.spool.mkdir(exist_ok=True)
    ballast = world.spool / SPOOL_BALLAST
    ballast.write_bytes(b"")
    with ballast.open("r+b") as file:
        file.truncate(SPOOL)
    event_for_a_wrong_index(world, rng)
    return lambda: ballast.unlink(missing_ok=True)


def spool_is_unusable(world: World, rng: random.Random) -> Heal:
    """As after a disk error or a wrong mount."""
    aside = world.folder / f"spool-aside-{next(_numbers)}"
    aside.mkdir()
    while not world.spool.is_file():
        # A relay may make the folder anew at any moment.
        world.spool.mkdir(exist_ok=True)
        _move_files(world.spool, aside)
        with contextlib.suppress(OSError):
            world.spool.rmdir()
            world.spool.open("x").close()
    event_too_large(world, rng)

    def mend() -> None:
        world.spool.unlink()
        world.spool.mkdir(exist_ok=True)
        _move_files(aside, world.spool)

    return mend


def _move_files(old: Path, new: Path) -> None:
    for path in old.iterdir():
        path.rename(new / path.name)


OTHERS: Sequence[Trouble] = (
    *PROCESSES,
    rebalance,
    kick,
    split_shard,
    merge_shards,
    sls_clock_jumps,
    sts_key_expires,
    burst,
    token_rotates,
    token_disabled,
    certificate_rotates,
    authority_rotates,
    node_restarts,
    nodes_are_down,
    hec_clock_jumps,
    event_for_a_wrong_index,
    event_too_large,
    body_too_large,
    spool_is_full,
    spool_is_unusable,
    *ADMINS,
    *BETWEEN,
)

# Two at a time of the same group would undo each other.
ALONE: Mapping[str, tuple[str, ...]] = {
    "spool is full": ("spool",),
    # The SDK's consumer would take the event, and has no health to show.
    "spool is unusable": ("spool", "sdk"),
    "hec: firewall": ("sdk",),
    # The SDK's consumer believes what an answer says of itself.
    "sls: miscount": ("sdk",),
    "sdk joins and leaves": ("sdk",),
    "sdk joins and is killed": ("sdk",),
    "token rotates": ("token",),
    "token disabled": ("token",),
    "index refused": ("token", "sdk"),
    "sts key expires": ("key",),
    "right withdrawn for one call": ("key",),
    "sls clock jumps": ("clock",),
    "settings of the group changed": ("group",),
    # The SDK's consumer would create the group.
    "group deleted": ("group", "key", "sdk"),
    "group deleted and created by another": ("group", "sdk"),
}

# Faults of HEC after which a batch may be indexed and is sent again all the same.
MAY_HAVE_TAKEN = frozenset(
    ("reset_after", "truncate", "corrupt", "hang", "drip", "latency", "answer", "busy")
)

# Seconds, where the usual few are not enough to have an effect.
LASTS: Mapping[str, tuple[float, float]] = {
    "freeze": (8.0, 12.0),
    "kill and stay away": (8.0, 12.0),
    "restart": (1.0, 1.0),
    "signals in bursts": (1.0, 1.0),
    "index refused": (6.0, 12.0),
    "settings of the group changed": (4.0, 20.0),  # the relays look every 15 s
    "sdk joins and leaves": (8.0, 14.0),
    "sdk joins and is killed": (8.0, 14.0),
}


def kinds(world: World) -> dict[str, Trouble]:
    """All troubles by name. AssertionError if the stand-ins have a kind of fault that chaos does not know."""
    found: dict[str, Trouble] = {trouble.__name__.replace("_", " "): trouble for trouble in OTHERS}
    for side, faults, draws in (("sls", world.sls.faults, SLS_FAULTS), ("hec", world.hec.faults, HEC_FAULTS)):
        prepared = {name.split()[1] for name in PREPARED if name.startswith(f"{side}: ")}
        unlike = (draws.keys() | prepared) ^ faults.kinds.keys()
        assert not unlike, f"chaos and the stand-in of {side} know other faults: {sorted(unlike)}"
        found.update({f"{side}: {kind}": _fault(faults, kind, draw) for kind, draw in draws.items()})
    found.update(PREPARED)
    return found


def _fault(faults: Faults, kind: str, draw: Draw) -> Trouble:
    def begin(world: World, rng: random.Random) -> Heal:
        numbers = [faults.add(fault) for fault in draw(rng)]

        def end() -> None:
            for number in numbers:
                faults.remove(number)
            if faults is world.hec.faults and kind in MAY_HAVE_TAKEN:
                world.lost_answers += sum(faults.fired(number) for number in numbers)
            elif faults is world.hec.faults and kind == "ack":
                world.forgotten()

        return end

    return begin


def _maybe_hup(world: World, rng: random.Random) -> None:
    if rng.random() < 0.5:
        with contextlib.suppress(Busy):
            reload(world, rng)
