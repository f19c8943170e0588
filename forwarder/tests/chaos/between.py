"""What stands between the relays and the collector: firewalls, paths that are blocked, sick nodes."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from sls_hec_forwarder.hec.send.acks import COPIES
from sls_hec_standins.http import Fault

from .trouble import Heal, Trouble
from .world import MARKER, World


def _blocked(rng: random.Random, route: str) -> Fault:
    """As different firewalls do it."""
    return rng.choice(
        (
            Fault("error", route, status=403),
            Fault("proxy", route, status=403),
            Fault("proxy", route, status=302, location="https://127.0.0.1:1/login"),
            Fault("reset_before", route),
            Fault("hang", route, delay=5.0),
        )
    )


def path_of_health_blocked(world: World, rng: random.Random) -> Heal:
    """Only who got no answer asks for the health."""
    faults = [Fault("reset_before", "event", times=4), _blocked(rng, "health")]
    return _until(world, faults)


def path_of_ack_blocked(world: World, rng: random.Random) -> Heal:
    for _ in range(COPIES):
        world.forgotten()
    return _until(world, [_blocked(rng, "ack")])


def one_batch_is_stopped(world: World, rng: random.Random) -> Heal:
    """A firewall forbids what one good event says; others pass. After minutes that is a dead letter."""
    marker = f"{MARKER}-{rng.getrandbits(40):x}"
    reset, status = rng.random() < 0.6, rng.choice((403, 406, 503))
    heal = _until(world, [Fault("firewall", "event", containing=marker, reset=reset, status=status)])
    world.plant_uncertain([b"good", marker.encode(), b"good"], "chaos")
    return heal


def sick_node(world: World, rng: random.Random) -> Heal:
    """One node answers nothing else, and the balancer does not notice."""
    node = rng.randrange(len(world.hec.cluster.nodes))
    page = rng.random() < 0.5
    return _until(world, [Fault("sick", node=node, status=rng.choice((429, 502, 503)), page=page)])


def _until(world: World, faults: Sequence[Fault]) -> Heal:
    numbers = [world.hec.faults.add(fault) for fault in faults]

    def end() -> None:
        for number in numbers:
            world.hec.faults.remove(number)

    return end


BETWEEN: Sequence[Trouble] = (path_of_health_blocked, path_of_ack_blocked)
#: Kinds of faults that need more than what can be drawn.
PREPARED: Mapping[str, Trouble] = {"hec: firewall": one_batch_is_stopped, "hec: sick": sick_node}
