"""What a trouble is: a function that begins it and returns what ends it, or None if it is over at once."""

from __future__ import annotations

import random
from typing import Callable, Optional

from .member import Relay
from .world import Busy, World

Heal = Callable[[], None]
Trouble = Callable[[World, random.Random], Optional[Heal]]


def idle_relay(world: World, rng: random.Random) -> Relay:
    """One that no other trouble has, and that is up."""
    idle = [relay for relay in world.relays.values() if not relay.taken and relay.running().ready]
    if not idle:
        raise Busy
    return rng.choice(idle)


def taken(relay: Relay, then: Heal) -> Heal:
    """Have `relay` to itself until `then` is done."""
    relay.taken = True

    def end() -> None:
        then()
        relay.taken = False

    return end


__all__ = ["Busy", "Heal", "Trouble", "idle_relay", "taken"]
