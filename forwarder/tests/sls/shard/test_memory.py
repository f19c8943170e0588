"""What a member remembers of the group's checkpoints."""

from __future__ import annotations

from sls_hec_forwarder.delivery.lease import Fence, Lease
from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.client import Checkpoint, Shard
from sls_hec_forwarder.sls.shard.memory import Memory, behind


def lease(shard: int, position: int, term: int = 1) -> Lease:
    return Lease(shard, cursors.encode(position), Fence(60), term=term)


def entry(shard: int, position: int | None, owner: str) -> Checkpoint:
    return Checkpoint(shard, "" if position is None else cursors.encode(position), owner, 1.0)


def known(memory: Memory, shard: int) -> tuple[int, bool] | None:
    position = memory.position(shard)
    return None if position is None else (cursors.decode(position.cursor), position.own)


def test_shard_that_is_held_is_known_by_its_lease() -> None:
    memory = Memory()
    held = lease(0, 10)
    memory.hold(held)
    memory.looked([entry(0, 7, "me")], "me")
    held.begin(cursors.encode(15), 0, 0.0)
    assert known(memory, 0) == (15, True)
    assert known(memory, 1) is None


def test_shards_of_others_are_known_as_they_were_seen_and_empty_ones_say_nothing() -> None:
    memory = Memory()
    memory.looked([entry(1, 20, "b")], "me")
    memory.looked([entry(1, None, "b")], "me")
    assert known(memory, 1) == (20, False)
    assert memory.own() == {}


def test_shard_that_was_taken_away_is_its_own_until_another_is_seen_with_it() -> None:
    memory = Memory()
    held = lease(0, 10)
    memory.hold(held)
    held.revoke()
    held.begin(cursors.encode(12), 0, 0.0)  # an acknowledgement that came late
    memory.looked([entry(0, None, "")], "me")
    memory.looked([entry(0, 9, "me")], "me")
    assert known(memory, 0) == (12, True)
    memory.looked([entry(0, 11, "b")], "me")
    assert known(memory, 0) == (11, False)


def test_shard_that_was_handed_over_is_left_until_another_is_seen_with_it() -> None:
    memory = Memory()
    held = lease(0, 10)
    memory.hold(held)
    memory.handed_over(lease(0, 99))  # a stranger's
    assert known(memory, 0) == (10, True)
    memory.handed_over(held)
    held.revoke()
    memory.looked([entry(0, 10, "me")], "me")
    assert known(memory, 0) == (10, False)
    assert (list(memory.own()), list(memory.left())) == ([], [0])
    memory.looked([entry(0, 11, "b")], "me")
    assert known(memory, 0) == (11, False)
    assert memory.left() == {}


def test_shards_of_a_logstore_that_was_created_again_are_forgotten() -> None:
    memory = Memory()
    memory.hold(lease(0, 10))
    memory.looked([entry(1, 20, "b")], "me")
    assert memory.listed([Shard(0, False, 100), Shard(1, False, 100)]) == []
    assert memory.listed([Shard(0, False, 200), Shard(1, False, 200)]) == [0, 1]
    assert known(memory, 0) is None
    assert known(memory, 1) is None
    assert memory.renewed(0)
    assert memory.listed([Shard(0, False, 200), Shard(1, False, 200)]) == []


def test_nothing_is_kept_of_shards_that_are_gone_but_what_is_held() -> None:
    memory = Memory()
    memory.hold(lease(0, 10))
    memory.listed([Shard(0, False, 100), Shard(1, False, 100)])
    memory.looked([entry(1, 20, "b")], "me")
    assert memory.listed([]) == []  # says nothing
    assert known(memory, 1) == (20, False)
    assert memory.listed([Shard(2, False, 300)]) == []
    assert known(memory, 0) == (10, True)
    assert known(memory, 1) is None
    assert memory.created(1) is None


def test_checkpoint_that_somebody_set_replaces_what_was_delivered() -> None:
    memory = Memory()
    held = lease(0, 10)
    memory.hold(held)
    memory.moved(held, cursors.encode(3))
    assert known(memory, 0) == (3, False)


def test_reader_that_is_late_does_not_take_the_place_of_the_next_one() -> None:
    """Its shard was revoked between the begin of its lease and this, and assigned anew."""
    memory = Memory()
    early, late = lease(0, 10, term=1), lease(0, 20, term=2)
    early.revoke()
    memory.hold(late)
    memory.hold(early)
    assert known(memory, 0) == (20, True)
    memory.moved(early, cursors.encode(3))
    assert known(memory, 0) == (20, True)
    memory.handed_over(early)
    assert list(memory.own()) == [0]
    late.revoke()
    memory.hold(early)
    assert known(memory, 0) == (20, True)


def test_behind() -> None:
    assert behind("", "x")
    assert behind(cursors.encode(1), cursors.encode(2))
    assert not behind(cursors.encode(2), cursors.encode(2))
    assert not behind("no cursor", cursors.encode(2))
