"""What people do to the consumer group, to rights and to tokens while the relays run."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence

from sls_hec_standins.sls.errors import SlsError

from ..e2e.site import GROUP, LOGSTORE, PROJECT
from .trouble import Busy, Heal, Trouble, taken
from .world import GROUP_TIMEOUT, INDEX, INDEX_TOPIC, World

_WHERE = (PROJECT, LOGSTORE, GROUP)
_CALLS = ("HeartBeat", "PullLogs", "UpdateCheckPoint", "ListConsumerGroup")


def group_deleted(world: World, rng: random.Random) -> Heal:
    """And at times nobody may create it, or somebody else does before it is over."""
    heal = _without_group(world)
    world.sls.console.deny(world.key_id, "CreateConsumerGroup")
    anew = rng.random() < 0.3

    def allow() -> None:
        if anew:
            _create(world)
        world.sls.console.deny(world.key_id)
        heal()

    return allow


def group_deleted_and_created_by_another(world: World, rng: random.Random) -> Heal:
    """At once, or so that the relays may have been quicker; without any checkpoint."""
    heal = _without_group(world)
    if rng.random() < 0.5:
        _create(world)
        return heal

    def create() -> None:
        _create(world)
        heal()

    return create


def _without_group(world: World) -> Heal:
    """Delete it. Whoever is killed then takes with it how far it was, so all relays are left alone."""
    relays = list(world.relays.values())
    if any(relay.taken or not relay.running().ready for relay in relays) or world.sdk is not None:
        raise Busy
    try:
        world.sls.console.delete_group(*_WHERE)
    except SlsError as error:
        raise Busy from error
    world.forgotten()
    heal: Heal = lambda: None  # noqa: E731 - the innermost of those around it
    for relay in relays:
        heal = taken(relay, heal)
    return heal


def _create(world: World) -> None:
    with contextlib.suppress(SlsError):  # such as one that exists
        world.sls.console.put_group(*_WHERE, timeout=GROUP_TIMEOUT, order=False)


def settings_of_the_group_changed(world: World, rng: random.Random) -> Heal:
    """Its time-out, and at times its order, as another member or somebody at the console does."""
    _ = world.group()
    world.sls.console.put_group(*_WHERE, timeout=rng.randint(12, 30), order=rng.random() < 0.5)

    def back() -> None:
        world.sls.console.put_group(*_WHERE, timeout=GROUP_TIMEOUT, order=False)

    return back


def right_withdrawn_for_one_call(world: World, rng: random.Random) -> Heal:
    key = world.key_id
    world.sls.console.deny(key, rng.choice(_CALLS))

    def give_back() -> None:
        world.sls.console.deny(key)

    return give_back


def index_refused(world: World, rng: random.Random) -> Heal:
    """The token may not write to an index for a while: dead letters, but for what comes after that."""
    for token in world.hec.tokens.all():
        world.hec.tokens.change(token.name, indexes=["main"])
    count = rng.randint(1, 30)
    world.plant_uncertain([b"for another index"] * count, INDEX_TOPIC)

    def allow() -> None:
        for token in world.hec.tokens.all():
            world.hec.tokens.change(token.name, indexes=["main", INDEX])

    return allow


ADMINS: Sequence[Trouble] = (
    group_deleted,
    group_deleted_and_created_by_another,
    settings_of_the_group_changed,
    right_withdrawn_for_one_call,
    index_refused,
)
