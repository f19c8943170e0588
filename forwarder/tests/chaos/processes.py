"""What happens to the processes of the relays, and who else joins the group."""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence

from .member import Relay
from .trouble import Heal, Trouble, idle_relay, taken
from .world import World


def kill(world: World, rng: random.Random) -> None:
    """A relay is killed, and started again as systemd does."""
    relay = idle_relay(world, rng)
    relay.end()
    relay.start()


def kill_and_stay_away(world: World, rng: random.Random) -> Heal:
    """A relay is killed and its shards go to the others."""
    relay = idle_relay(world, rng)
    relay.end()
    return taken(relay, relay.start)


def freeze(world: World, rng: random.Random) -> Heal:
    """A relay stands still for longer than the group's time-out, and goes on as if nothing had been."""
    relay = idle_relay(world, rng)
    relay.running().signal(signal.SIGSTOP)
    return taken(relay, lambda: relay.running().signal(signal.SIGCONT))


def restart(world: World, rng: random.Random) -> Heal:
    """A relay is restarted in good order, whatever else goes on."""
    relay = idle_relay(world, rng)
    relay.running().signal(signal.SIGTERM)
    return taken(relay, _again(relay))


def _again(relay: Relay) -> Heal:
    def again() -> None:
        relay.stop()
        relay.end()
        relay.start()

    return again


def reload(world: World, rng: random.Random) -> None:
    """SIGHUP for no reason."""
    idle_relay(world, rng).running().signal(signal.SIGHUP)


def signals_in_bursts(world: World, rng: random.Random) -> Heal | None:
    """SIGHUP and SIGHUP again, faster than anybody can handle them; at times the end is among them."""
    relay = idle_relay(world, rng)
    process = relay.running()
    ends = rng.random() < 0.5
    for _ in range(rng.randint(3, 40)):
        process.signal(signal.SIGHUP)
    if not ends:
        return None
    for number in rng.choices((signal.SIGTERM, signal.SIGHUP, signal.SIGINT), k=6):
        process.signal(number)
    process.signal(signal.SIGTERM)
    return taken(relay, _again(relay))


def sdk_joins_and_leaves(world: World, rng: random.Random) -> Heal:
    if world.sdk is None:
        world.start_sdk()
    world.repeatable += world.sdk_pulls()
    return lambda: world.stop_sdk(signal.SIGTERM)


def sdk_joins_and_is_killed(world: World, rng: random.Random) -> Heal:
    if world.sdk is None:
        world.start_sdk()
    world.repeatable += world.sdk_pulls()
    return lambda: world.stop_sdk(signal.SIGKILL)


PROCESSES: Sequence[Trouble] = (
    kill,
    kill_and_stay_away,
    freeze,
    restart,
    reload,
    signals_in_bursts,
    sdk_joins_and_leaves,
    sdk_joins_and_is_killed,
)
