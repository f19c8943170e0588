"""Where reading starts and stops, and what an expired cursor means."""

from __future__ import annotations

from typing import Any

import pytest

from sls_hec_forwarder.delivery.lease import Fence, Lease
from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.errors import CursorInvalid, ServiceFault
from sls_hec_forwarder.sls.observer import Lost
from sls_hec_forwarder.sls.shard.memory import Memory
from sls_hec_forwarder.sls.shard.positions import Origin, Positions
from sls_hec_forwarder.times import parse_moment


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1700000000", 1_700_000_000),
        ("2023-11-14T22:13:20Z", 1_700_000_000),
        ("2023-11-15T06:13:20+08:00", 1_700_000_000),
    ],
)
def test_times(text: str, seconds: int) -> None:
    assert parse_moment(text) == seconds


def test_times_without_a_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        parse_moment("2023-11-14T22:13:20")


def positions(cloud: Any, **changes: Any) -> Positions:
    prepared = Positions(cloud.sls(**changes), cloud.client(), cloud.standin.clock.now)
    prepared.prepare()
    return prepared


def make_group(cloud: Any, shards: int = 2) -> Any:
    cloud.make(shards=shards)
    client = cloud.client("owner")
    client.create_group(40, False)
    client.heartbeat([])
    return client


def test_checkpoint_goes_before_the_start_position(cloud: Any) -> None:
    owner = make_group(cloud)
    owner.save_checkpoint(1, cursors.encode(12345))
    start = positions(cloud, start="end").first(1)
    assert (start.cursor, start.new) == (cursors.encode(12345), False)
    assert start.updated > 0


def test_begin_end_and_a_time(cloud: Any) -> None:
    make_group(cloud)
    now = cloud.standin.clock.now()
    cloud.put(0, groups=3, received=now + 100)
    cloud.put(0, groups=3, received=now + 200)
    first = cloud.positions()[0].first
    for start, position in (("begin", first), ("end", first + 6), (str(int(now + 150)), first + 3)):
        found = positions(cloud, start=start).first(0)
        assert found.new
        assert cursors.decode(found.cursor) == position


def test_end_is_where_the_end_was_when_this_process_joined(cloud: Any) -> None:
    make_group(cloud)
    prepared = positions(cloud, start="end")
    end = cloud.positions()[0].next
    cloud.put(0)
    assert prepared.first(0).cursor == cursors.encode(end)


def test_shard_that_a_split_made_is_read_from_its_beginning_with_start_end(cloud: Any) -> None:
    make_group(cloud)
    prepared = positions(cloud, start="end")
    with cloud.store.lock:
        cloud.store.split(0)
    cloud.put(2)
    assert prepared.first(2).cursor == cursors.encode(cloud.positions()[2].first)


def test_end_is_not_later_than_where_the_group_began(cloud: Any) -> None:
    """Another consumer started the group; what came to this shard since then must not be skipped."""
    owner = make_group(cloud)
    owner.save_checkpoint(1, owner.cursor(1, "end"))
    cloud.standin.clock.advance(60)
    cloud.put(0)
    first = cloud.positions()[0].first
    assert positions(cloud, start="end").first(0).cursor == cursors.encode(first)


def test_child_of_a_split_is_read_from_its_beginning_with_start_end_after_a_restart(cloud: Any) -> None:
    """Its parent, which has a backlog, was saved after the child was written to."""
    owner = make_group(cloud, shards=1)
    owner.save_checkpoint(0, owner.cursor(0, "end"))
    cloud.standin.clock.advance(10)
    with cloud.store.lock:
        cloud.store.split(0)
    cloud.put(1, groups=7)
    cloud.standin.clock.advance(10)
    owner.save_checkpoint(0, cloud.client().cursor(0, "begin"))
    assert positions(cloud, start="end").first(1).cursor == cursors.encode(cloud.positions()[1].first)


def test_who_finds_a_group_that_has_not_begun_saves_where_it_begins(cloud: Any) -> None:
    cloud.make(shards=2)
    client = cloud.client("me")
    client.create_group(40, False)
    cloud.put(0, groups=3)
    positions(cloud, start="end")
    ends = {shard: cursors.encode(spot.next) for shard, spot in cloud.positions().items()}
    assert {shard: each.cursor for shard, each in client.checkpoints().items()} == ends
    cloud.put(0, groups=3)
    positions(cloud, start="end")  # a second one changes nothing
    assert {shard: each.cursor for shard, each in client.checkpoints().items()} == ends


def test_nothing_is_saved_for_a_group_that_somebody_reads(cloud: Any) -> None:
    make_group(cloud)
    positions(cloud, start="end")
    assert not any(each.cursor for each in cloud.client().checkpoints().values())


def test_checkpoint_older_than_its_shard_is_of_a_logstore_that_was_deleted(cloud: Any) -> None:
    owner = make_group(cloud)
    owner.save_checkpoint(0, cursors.encode(12345))
    with cloud.store.lock:
        cloud.store.shards[0].created += 60
    start = positions(cloud).first(0)
    assert (start.cursor, start.origin) == (cursors.encode(cloud.positions()[0].first), Origin.RECREATED)


def test_cursor_of_a_logstore_that_was_deleted_is_not_counted_from(cloud: Any) -> None:
    make_group(cloud)
    cloud.put(0)
    old = cloud.positions()[0].first
    prepared = positions(cloud, expired="end")
    cloud.standin.console.delete_logstore("proj", "store")
    cloud.standin.clock.advance(5)
    make_group(cloud)
    cloud.put(0)
    expiry = prepared.expired(0, cursors.encode(old), seen=1.0)
    assert expiry.recreated
    assert expiry.next_cursor == cursors.encode(cloud.positions()[0].first)  # nothing of it has been read
    assert expiry.lost.groups is None


def test_remembered_position_goes_before_the_start_position(cloud: Any) -> None:
    make_group(cloud)
    memory = Memory()
    prepared = Positions(cloud.sls(start="end"), cloud.client(), cloud.standin.clock.now, memory)
    prepared.prepare()
    memory.moved(Lease(0, cursors.encode(70), Fence(60)), cursors.encode(77))
    memory.hold(Lease(1, cursors.encode(88), Fence(60)))
    assert (prepared.first(0).cursor, prepared.first(0).origin) == (cursors.encode(77), Origin.SEEN)
    assert (prepared.first(1).cursor, prepared.first(1).origin) == (cursors.encode(88), Origin.OWN)


def test_shard_that_the_group_does_not_know_is_not_started(cloud: Any) -> None:
    make_group(cloud)
    with pytest.raises(ServiceFault):
        positions(cloud).first(77)


def test_stop_positions(cloud: Any) -> None:
    make_group(cloud)
    now = cloud.standin.clock.now()
    cloud.put(0, groups=3, received=now + 10)
    first = cloud.positions()[0].first
    assert positions(cloud).stop_cursor(0) is None
    assert not positions(cloud).bounded
    at_now = positions(cloud, stop="now")
    by_time = positions(cloud, stop=str(int(now + 20)))
    assert by_time.bounded
    assert by_time.stop_cursor(0) is None  # its time has not come
    cloud.put(0, groups=3, received=now + 30)
    cloud.standin.clock.advance(60)
    assert at_now.stop_cursor(0) == cursors.encode(first + 3)
    assert by_time.stop_cursor(0) == cursors.encode(first + 3)


@pytest.mark.parametrize(("policy", "target"), [("oldest", 4), ("end", 10), ("stop", None)])
def test_expired_cursor(cloud: Any, policy: str, target: int | None) -> None:
    make_group(cloud)
    now = cloud.standin.clock.now()
    for group in range(10):
        cloud.put(0, groups=1, received=now + 100 * group)
    first = cloud.positions()[0].first
    with cloud.store.lock:
        cloud.store.shards[0].expire_to(first + 4)
    expiry = positions(cloud, expired=policy).expired(0, cursors.encode(first + 1), seen=now + 100)
    assert expiry.next_cursor == (None if target is None else cursors.encode(first + target))
    assert expiry.lost.groups == (9 if policy == "end" else 3)
    assert expiry.lost.since == now + 100  # the time of an expired cursor is not known to SLS
    assert expiry.lost.until is not None
    if policy != "end":
        assert abs(expiry.lost.until - (now + 400)) < 2
    assert str(expiry.lost).startswith(f"{expiry.lost.groups} log groups received from 20")


def test_cursor_that_is_not_of_this_logstore(cloud: Any) -> None:
    """As when the logstore was deleted and made again."""
    make_group(cloud)
    cloud.put(0)
    spot = cloud.positions()[0]
    expiry = positions(cloud).expired(0, cursors.encode(spot.next + 1000), seen=None)
    assert expiry.next_cursor == cursors.encode(spot.first)
    assert expiry.lost.groups is None
    assert expiry.lost.since is None
    assert "unknown" in str(expiry.lost)
    assert positions(cloud).expired(0, "garbage", None).next_cursor == cursors.encode(spot.first)


def test_cursor_that_cannot_have_expired_is_not_jumped_over(cloud: Any) -> None:
    make_group(cloud)
    cloud.put(0)
    for position in (cloud.positions()[0].first, cloud.positions()[0].next):
        with pytest.raises(CursorInvalid):
            positions(cloud, expired="end").expired(0, cursors.encode(position), None)


def test_lost_says_what_is_known() -> None:
    assert str(Lost("c", None, None, None)) == (
        "an unknown number of log groups received from an unknown time to an unknown time"
    )
