"""Consumers against the stand-in: joining, leaving, handing over, and everything that goes wrong."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.errors import AuthFailed, GroupQuotaExceeded
from sls_hec_forwarder.sls.shard import reading
from sls_hec_forwarder.sls.shard.open_shard import Phase
from sls_hec_forwarder.wire.protobuf import WireError
from sls_hec_standins.http import Fault


def once(cloud: Any) -> bool:
    """Every log was delivered, exactly once."""
    delivered = cloud.delivered()
    return set(delivered) == cloud.truth and set(delivered.values()) <= {1}


def all_saved(cloud: Any) -> bool:
    """The server's checkpoints are at the ends of all shards that are not over."""
    return all(
        cursors.decode(record.checkpoint or cursors.encode(0)) == cloud.positions()[shard].next
        for shard, record in cloud.records.items()
    )


def test_lag_counts_what_is_read_and_not_delivered(cloud: Any, eventually: Any) -> None:
    """Everything is pulled, and nothing arrives: that is no lag of 0."""
    cloud.make(shards=1)
    member = cloud.member()
    member.sink.hold()
    cloud.put(0, groups=2)
    eventually(lambda: any((each.lag or 0.0) > 1.0 for each in member.consumer.shards()))
    (shard,) = member.consumer.facts().shards
    assert shard.lag is not None
    assert shard.lag > 1.0
    member.sink.go_on()
    eventually(lambda: [each.lag for each in member.consumer.shards()] == [0.0])


def test_one_member_reads_everything_and_saves_how_far(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=4)
    for shard in range(4):
        cloud.put(shard, groups=20)
    member = cloud.member()
    eventually(lambda: once(cloud))
    eventually(lambda: all_saved(cloud))
    assert member.shards == [0, 1, 2, 3]
    cloud.put(2, groups=3)
    eventually(lambda: once(cloud))
    eventually(lambda: all(each.lag == 0 and not each.pulls_in_flight for each in member.consumer.shards()))
    for each in member.consumer.shards():
        assert each.phase is Phase.READING
        assert each.cursor == each.committed == cursors.encode(cloud.positions()[each.shard].next)
        assert each.oldest is None
    assert member.consumer.alive
    assert member.consumer.last_heartbeat is not None
    assert not member.consumer.backfill_done
    assert member.stop()
    assert all_saved(cloud)
    assert not member.consumer.alive
    assert sorted(member.seen.ended) == [(shard, "released") for shard in range(4)]


def test_restart_under_the_same_name_goes_on_where_it_was(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=2)
    cloud.put(0, groups=30)
    first = cloud.member()
    eventually(lambda: once(cloud))
    assert first.stop()
    cloud.put(0, groups=5)
    cloud.put(1, groups=5)
    cloud.member()
    eventually(lambda: once(cloud))


def test_members_that_join_and_leave_share_without_loss_or_repetition(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=4)
    stop = threading.Event()

    def write() -> None:
        turn = 0
        while not stop.wait(0.005):
            cloud.put(turn % 4, groups=1)
            turn += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        first = cloud.member("a")
        eventually(lambda: len(first.shards) == 4)
        second = cloud.member("b")
        eventually(lambda: len(first.shards) == len(second.shards) == 2)
        third = cloud.member("c")
        eventually(lambda: sorted(len(each.shards) for each in (first, second, third)) == [1, 1, 2])
        time.sleep(0.5)
        assert second.stop()
        # Its shards stay its own until the group's time-out, unless it comes back.
        again = cloud.member("b")
        eventually(lambda: again.shards)
    finally:
        stop.set()
        writer.join()
    eventually(lambda: once(cloud), "every log exactly once")


def test_shards_of_a_silent_member_are_taken_over(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=2)
    line = cloud.line()
    silent = cloud.member("a", group_timeout=6, proxy=line.url)
    eventually(lambda: silent.shards == [0, 1])
    other = cloud.member("b")
    eventually(lambda: len(silent.shards) == len(other.shards) == 1)
    line.cut()
    for shard in (0, 1):
        cloud.put(shard, groups=10)
    eventually(lambda: other.shards == [0, 1])
    # A pull that was under way at the cut may have been delivered without its checkpoint being saved.
    eventually(lambda: set(cloud.delivered()) == cloud.truth)
    line.mend()
    eventually(lambda: len(silent.shards) == len(other.shards) == 1)
    before = cloud.delivered()
    cloud.put(0)
    cloud.put(1)
    eventually(lambda: set(cloud.delivered()) == cloud.truth)
    assert set((cloud.delivered() - before).values()) == {1}


def test_zombie_sends_nothing_and_does_not_touch_the_checkpoint(cloud: Any, eventually: Any) -> None:
    """Heartbeats are cut, everything else works; meanwhile Splunk is down, so that much is in flight."""
    cloud.make(shards=1)
    line = cloud.line()
    zombie = cloud.member("a", group_timeout=6, proxy=line.url)
    cloud.put(0, groups=5)
    eventually(lambda: once(cloud) and all_saved(cloud))
    zombie.sink.hold()
    cloud.put(0, groups=50)
    eventually(lambda: zombie.outbox.bytes_in_flight > 0)
    line.cut(b"type=heartbeat")
    other = cloud.member("b")
    eventually(lambda: other.shards == [0])
    began = time.monotonic()
    zombie.sink.go_on()
    cloud.put(0, groups=20)
    eventually(lambda: once(cloud), "the other member delivers all, once")
    eventually(lambda: all_saved(cloud))
    assert zombie.sink.events_after(began) == []
    line.mend()
    eventually(lambda: ("heartbeat", "not_member") in zombie.seen.failures)
    eventually(lambda: zombie.outbox.bytes_in_flight == 0)
    assert zombie.sink.events_after(began) == []
    assert all_saved(cloud)
    assert ("checkpoint", "not_member") not in zombie.seen.failures  # it did not even try
    assert once(cloud)


def test_member_that_the_server_dropped_joins_again_at_once(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=2)
    member = cloud.member(group_timeout=40)
    eventually(lambda: member.shards == [0, 1])
    cloud.standin.faults.add(Fault("kick", times=1))
    eventually(lambda: ("heartbeat", "not_member") in member.seen.failures)
    cloud.put(0)
    cloud.put(1)
    eventually(lambda: set(cloud.delivered()) == cloud.truth)
    assert member.shards == [0, 1]
    assert sorted(member.seen.ended) == [(0, "revoked"), (1, "revoked")]


def test_reader_that_ends_late_ends_no_condition_of_the_next_one(cloud: Any, eventually: Any) -> None:
    """It is still busy with a pull while the shard was revoked, assigned anew, and is stopped there."""
    cloud.make(shards=1)
    good, busy, go_on = cloud.encoder(), threading.Event(), threading.Event()

    def encode(raw: bytes, shard: int, first: int | None) -> Any:
        busy.set()
        assert go_on.wait(60)
        return good(raw, shard, first)

    cloud.put(0, groups=10)
    member = cloud.member(encode=encode, expired="stop")
    assert busy.wait(60)
    with cloud.store.lock:
        shard = cloud.store.shards[0]
        shard.expire_to(shard.first + 8)
    cloud.standin.faults.add(Fault("kick", times=1))
    eventually(lambda: member.conditions.is_active("shard_stopped", "shard 0"))
    assert member.seen.ended == []
    go_on.set()
    eventually(lambda: member.seen.ended == [(0, "revoked")])
    eventually(lambda: sum(each.name == "sls-shard-0" for each in threading.enumerate()) == 1)
    assert member.conditions.is_active("shard_stopped", "shard 0")
    assert member.shards == [0]
    assert member.stop()
    assert not member.conditions.is_active("shard_stopped", "shard 0")


def test_heartbeats_that_fail_for_less_than_the_time_out_change_nothing(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=2)
    member = cloud.member(group_timeout=30)
    eventually(lambda: member.shards == [0, 1])
    cloud.standin.faults.add(Fault("reset_before", "HeartBeat", times=3))
    cloud.standin.faults.add(Fault("heartbeat_lost", times=2, answer="error"))
    eventually(lambda: sum(member.seen.failures.values()) >= 4)
    cloud.put(0)
    eventually(lambda: once(cloud))
    assert member.seen.ended == []


def test_hand_over_waits_for_delivery(cloud: Any, eventually: Any) -> None:
    """Splunk is down when a second member joins: the shard changes hands when it is delivered, not before."""
    cloud.make(shards=2)
    first = cloud.member("a")
    eventually(lambda: first.shards == [0, 1])
    first.sink.hold()
    for shard in (0, 1):
        cloud.put(shard, groups=10)
    eventually(lambda: all(each.pulls_in_flight for each in first.consumer.shards()))
    second = cloud.member("b")
    eventually(lambda: any(each.phase is Phase.DRAINING for each in first.consumer.shards()))
    assert second.shards == []
    first.sink.go_on()
    eventually(lambda: len(first.shards) == len(second.shards) == 1)
    eventually(lambda: once(cloud))


def test_hand_over_that_cannot_be_delivered_in_time_is_repeated_elsewhere(
    cloud: Any, eventually: Any
) -> None:
    cloud.make(shards=2)
    first = cloud.member("a", relay={"stop_timeout": 1.0})
    eventually(lambda: first.shards == [0, 1])
    first.sink.hold()
    for shard in (0, 1):
        cloud.put(shard, groups=10)
    eventually(lambda: all(each.pulls_in_flight for each in first.consumer.shards()))
    second = cloud.member("b")
    eventually(lambda: len(first.shards) == len(second.shards) == 1)
    moved = second.shards[0]
    eventually(lambda: {each for each in cloud.truth if each[0] == moved} <= set(cloud.delivered()))
    first.sink.go_on()
    eventually(lambda: once(cloud), "what was handed over is not sent by its old owner")


def test_stop_saves_what_was_delivered_and_no_more(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=1)
    member = cloud.member()
    cloud.put(0, groups=5)
    eventually(lambda: once(cloud))
    member.sink.hold()
    cloud.put(0, groups=5)
    eventually(lambda: member.consumer.shards()[0].pulls_in_flight)
    assert not member.stop(timeout=1.0)
    assert cursors.decode(cloud.records[0].checkpoint) == cloud.positions()[0].next - 5
    cloud.member("a")
    eventually(lambda: once(cloud))


@pytest.mark.parametrize("in_order", [False, True])
def test_split(cloud: Any, eventually: Any, in_order: bool) -> None:
    cloud.make(shards=1)
    member = cloud.member(in_order=in_order)
    cloud.put(0, groups=5)
    eventually(lambda: once(cloud))
    member.sink.hold()
    cloud.put(0, groups=5)
    with cloud.store.lock:
        cloud.store.split(0)
    for shard in (1, 2):
        cloud.put(shard, groups=5)
    if in_order:
        time.sleep(2.5)  # more than two heartbeats
        assert member.shards == [0]
    else:
        eventually(lambda: {1, 2} <= set(member.shards))
    member.sink.go_on()
    eventually(lambda: once(cloud))
    eventually(lambda: member.shards == [1, 2], "the parent is over")
    if in_order:
        shards = [shard for shard, _, _ in member.sink.events]
        assert shards.index(1) > max(at for at, shard in enumerate(shards) if shard == 0)


@pytest.mark.parametrize("over_on_heartbeat", [True, False])
def test_empty_read_only_shard_lets_its_children_start(
    cloud: Any, eventually: Any, over_on_heartbeat: bool
) -> None:
    """Its checkpoint is saved although nothing was ever read from it; and again when it became read-only."""
    cloud.standin.switch(over_on_heartbeat=over_on_heartbeat)
    cloud.make(shards=1)
    member = cloud.member(in_order=True)
    eventually(lambda: member.shards == [0] and cloud.records[0].checkpoint)
    with cloud.store.lock:
        cloud.store.split(0)
    for shard in (1, 2):
        cloud.put(shard)
    eventually(lambda: once(cloud))
    eventually(lambda: member.shards == [1, 2])


def test_filter_that_lets_nothing_through_saves_its_progress(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=2)
    for shard in (0, 1):
        cloud.put(shard, groups=30, topic="noise")
    options = {"encode": cloud.encoder("noise")}
    member = cloud.member(**options)
    eventually(lambda: all_saved(cloud))
    assert member.sink.events == []
    assert member.seen.filtered_logs == {"noise": 240}
    cloud.put(0, groups=2)
    eventually(lambda: len(member.sink.events) == 8)


def test_query_that_lets_nothing_through_saves_its_progress(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=1)
    cloud.put(0, groups=30)
    member = cloud.member(query="* | where k = 'nothing'")
    eventually(lambda: all_saved(cloud))
    assert member.sink.events == []
    cloud.put(0, groups=31)
    other = cloud.member("b", group="other", query="* | where k = '30.1'")
    eventually(lambda: other.sink.events == [(0, -1, 1 - 1)])


def expire_behind_the_checkpoint(cloud: Any, eventually: Any) -> None:
    """Of one shard 5 log groups are read; of 10 that follow while nobody reads, 3 are lost."""
    cloud.make(shards=1)
    first = cloud.member()
    cloud.put(0, groups=5)
    eventually(lambda: once(cloud) and all_saved(cloud))
    first.stop()
    cloud.put(0, groups=10)
    with cloud.store.lock:
        shard = cloud.store.shards[0]
        shard.expire_to(shard.first + 8)


@pytest.mark.parametrize("policy", ["oldest", "end", "stop"])
def test_expired_checkpoint(cloud: Any, eventually: Any, policy: str, caplog: Any) -> None:
    expire_behind_the_checkpoint(cloud, eventually)
    kept = cloud.truth
    second = cloud.member("a", expired=policy)
    eventually(lambda: second.seen.lost)
    ((number, lost),) = second.seen.lost
    assert number == 0
    assert lost.groups == (10 if policy == "end" else 3)
    assert lost.since is not None
    eventually(lambda: f"SLS_EXPIRED_CURSOR={policy}" in caplog.text)
    if policy == "oldest":
        eventually(lambda: set(second.sink.events) == kept)
    if policy == "stop":
        eventually(lambda: second.consumer.shards()[0].phase is Phase.EXPIRED)
        assert cursors.decode(cloud.records[0].checkpoint) == cloud.positions()[0].first - 3
        return
    eventually(lambda: all_saved(cloud))
    cloud.put(0, groups=2)
    fresh = cloud.truth - kept
    eventually(lambda: fresh <= set(second.sink.events))
    assert (set(second.sink.events) & kept == kept) == (policy == "oldest")
    assert len(second.seen.lost) == 1


def test_service_that_goes_on_silently_behind_an_expired_cursor(cloud: Any, eventually: Any) -> None:
    cloud.standin.switch(expired_cursor="oldest")
    expire_behind_the_checkpoint(cloud, eventually)
    second = cloud.member()
    eventually(lambda: second.seen.lost)
    assert second.seen.lost[0][1].groups == 3
    eventually(lambda: set(second.sink.events) == cloud.truth)


def test_quota_of_one_shard_does_not_stall_another(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=3)
    member = cloud.member(relay={"pulls": 1})
    eventually(lambda: member.shards == [0, 1, 2])
    cloud.standin.switch(reads_per_second=1)
    for _ in range(20):
        cloud.put(1, groups=1)
    eventually(lambda: ("pull", "throttled") in member.seen.failures)
    cloud.standin.switch(reads_per_second=0)
    cloud.standin.faults.add(Fault("read_quota", what="qps"))
    cloud.put(0)
    time.sleep(1)
    assert member.seen.ended == []
    cloud.standin.faults.clear()
    eventually(lambda: once(cloud))


def test_pull_that_hangs_does_not_stall_another_shard(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=3)
    member = cloud.member(relay={"pulls": 1}, timeout=4.0)
    eventually(lambda: member.shards == [0, 1, 2])
    cloud.standin.faults.add(Fault("hang", "PullLogs", times=2, delay=4))
    time.sleep(0.5)
    began = time.monotonic()
    for shard in range(3):
        cloud.put(shard)
    eventually(lambda: member.sink.events)
    took = time.monotonic() - began
    eventually(lambda: once(cloud))
    assert took < 3.0, "a shard waited for another's pull"


@pytest.mark.parametrize("fault", ["corrupt", "truncate", "reset_after", "error"])
def test_pulls_that_fail_are_repeated_and_nothing_is_skipped(cloud: Any, eventually: Any, fault: str) -> None:
    cloud.make(shards=1)
    more: dict[str, dict[str, Any]] = {
        "error": {"status": 500, "code": "InternalServerError", "text": "x"},
        "corrupt": {"flips": 500},
    }
    cloud.standin.faults.add(Fault(fault, "PullLogs", times=3, **more.get(fault, {})))
    cloud.put(0, groups=200)
    member = cloud.member()
    eventually(lambda: once(cloud))
    assert any(what == "pull" for what, _ in member.seen.failures)


def test_log_groups_that_cannot_be_read_hold_their_shard_only(
    cloud: Any, eventually: Any, caplog: Any
) -> None:
    cloud.make(shards=2)
    good = cloud.encoder()
    broken = threading.Event()
    broken.set()

    def encode(raw: bytes, shard: int, first: int | None) -> Any:
        if shard == 0 and broken.is_set():
            raise WireError(0, "a made up reason")
        return good(raw, shard, first)

    cloud.put(0)
    cloud.put(1)
    member = cloud.member(encode=encode)
    eventually(lambda: member.seen.failures["pull", "wire"] >= 2)
    eventually(lambda: {shard for shard, _, _ in member.sink.events} == {1})
    assert cursors.decode(cloud.records[0].checkpoint) == cloud.positions()[0].first
    assert caplog.text.count("cannot be decoded") == 1
    eventually(lambda: "this is not a transmission error" in caplog.text)
    broken.clear()
    eventually(lambda: once(cloud))


def test_bug_in_a_reader_gives_the_shard_back_and_starts_it_again(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=1)
    good = cloud.encoder()
    bugs = [ZeroDivisionError("a bug")]

    def encode(raw: bytes, shard: int, first: int | None) -> Any:
        if bugs:
            raise bugs.pop()
        return good(raw, shard, first)

    cloud.put(0)
    member = cloud.member(encode=encode)
    eventually(lambda: once(cloud))
    assert member.seen.ended == [(0, "failed")]
    assert [(each.name, each.text) for each in member.conditions.standing()] == [
        ("reader_failed", "ZeroDivisionError: a bug")
    ]


def test_token_that_expires_is_read_again_without_a_gap(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=1)
    cloud.standin.add_key("sts", "s1", token="t1", expires=cloud.standin.clock.now() + 3600)
    current = {"ak_id": "sts", "ak_key": "s1", "sts_token": "t1"}
    member = cloud.member(reread=lambda: cloud.sls(**current), group_timeout=60, **current)
    cloud.put(0)
    eventually(lambda: once(cloud))
    cloud.standin.add_key("sts", "s1", token="t1", expires=cloud.standin.clock.now() - 1)
    eventually(lambda: ("pull", "auth") in member.seen.failures)
    cloud.standin.add_key("sts2", "s2", token="t2")
    current.update(ak_id="sts2", ak_key="s2", sts_token="t2")
    cloud.put(0)
    eventually(lambda: once(cloud))
    assert member.seen.ended == []  # the shard was kept all the while
    assert "s2" not in repr(member.consumer)
    current.update(ak_id="ak", ak_key="sk", sts_token="")
    member.consumer.reload(cloud.sls(**current))
    cloud.standin.keys.remove("sts2")
    cloud.put(0)
    eventually(lambda: once(cloud))


def test_backfill_ends_at_the_stop_position(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=3)
    for shard in (0, 1):
        cloud.put(shard, groups=20)
    wanted = cloud.truth
    first = cloud.member("a", stop="now")
    second = cloud.member("b", stop="now")
    cloud.put(0, groups=5)
    cloud.put(2, groups=5)
    eventually(lambda: first.consumer.backfill_done and second.consumer.backfill_done)
    delivered = cloud.delivered()
    assert wanted <= set(delivered)
    assert set(delivered.values()) == {1}
    assert first.stop()
    assert second.stop()


def test_backfill_up_to_a_time_stops_there(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=1)
    now = cloud.standin.clock.now()
    cloud.put(0, groups=20, received=now + 10)
    wanted = cloud.truth
    cloud.put(0, groups=20, received=now + 30)
    member = cloud.member(stop=str(int(now + 20)), wall=lambda: time.time() + 60)
    eventually(lambda: member.consumer.backfill_done)
    assert set(member.sink.events) == wanted


def test_time_out_that_another_member_changes_is_followed(cloud: Any, eventually: Any, caplog: Any) -> None:
    cloud.make(shards=1)
    member = cloud.member(group_timeout=60)
    eventually(lambda: member.shards == [0])
    cloud.client().update_group(6, False)
    eventually(lambda: "by another member" in caplog.text)
    time.sleep(7.5)
    cloud.put(0)
    eventually(lambda: once(cloud))
    assert member.seen.ended == []


def test_bytes_in_flight_are_bounded_and_shared_fairly(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=3)
    for shard in range(3):
        cloud.put(shard, groups=400, logs=20)
    member = cloud.member(relay={"bytes_in_flight": 20_000, "pulls": 1}, fetch_count=10, start=False)
    member.sink.hold()
    member.start()
    eventually(lambda: member.outbox.bytes_in_flight >= 20_000)
    time.sleep(1)
    assert member.outbox.bytes_in_flight < 40_000
    pulls = dict(member.seen.pulls)
    time.sleep(1)
    assert dict(member.seen.pulls) == pulls, "who cannot put does not pull"
    member.sink.go_on()
    eventually(lambda: once(cloud))


def _held_back(member: Any, shard: int) -> bool:
    """The shard is not pulled at all."""
    before = member.seen.pulls[shard]
    time.sleep(1)
    return bool(before == member.seen.pulls[shard])


#: RELAY_BYTES_UNSAVED, where an event, which is its identity, has about 24 bytes and a pull 40 events.
UNSAVED, EVENT, PULLED = 20_000, 24, 40 * 30


def test_an_event_that_is_never_delivered_holds_its_shard_at_the_bound_and_no_other(
    cloud: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_STUCK_AFTER", 1.0)
    cloud.make(shards=2)
    for shard in range(2):
        cloud.put(shard, groups=300)
    member = cloud.member(relay={"bytes_unsaved": UNSAVED}, fetch_count=10, start=False)
    member.sink.keep_back(min(cloud.truth))
    member.start()
    eventually(lambda: member.conditions.is_active("checkpoint_stuck", "shard 0"))
    eventually(lambda: {event for event in cloud.truth if event[0] == 1} <= set(cloud.delivered()))
    assert _held_back(member, 0)
    mine = [event for event in cloud.delivered() if event[0] == 0]
    assert len(mine) * EVENT <= UNSAVED / 2 + PULLED
    assert [each.subject for each in member.conditions.standing()] == ["shard 0"]
    member.sink.go_on()
    eventually(lambda: once(cloud))
    eventually(lambda: all_saved(cloud))
    eventually(lambda: not member.conditions.standing())


@pytest.mark.parametrize("bound", [{"bytes_unsaved": UNSAVED}, {"time_unsaved": 2.0}], ids=["bytes", "time"])
def test_checkpoints_that_cannot_be_saved_hold_their_shards_at_the_bound(
    cloud: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch, bound: dict[str, float]
) -> None:
    monkeypatch.setattr(reading, "_STUCK_AFTER", 1.0)
    cloud.make(shards=1)
    cloud.put(0)
    member = cloud.member(relay=bound, fetch_count=10)
    eventually(lambda: all_saved(cloud))
    fault = cloud.standin.faults.add(
        Fault("error", "UpdateCheckPoint", status=403, code="ProjectForbidden", text="x")
    )
    cloud.put(0, groups=400)
    eventually(lambda: member.conditions.is_active("checkpoint_stuck", "shard 0"))
    cloud.put(0, groups=10)
    assert _held_back(member, 0)
    if "bytes_unsaved" in bound:
        assert len(cloud.delivered()) * EVENT <= 20 * EVENT + UNSAVED + PULLED
    cloud.standin.faults.remove(fault)
    eventually(lambda: once(cloud))
    eventually(lambda: all_saved(cloud))
    eventually(lambda: not member.conditions.is_active("checkpoint_stuck", "shard 0"))


def test_the_checkpoint_is_saved_ahead_of_time_where_the_bound_is_near(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=2)
    for shard in range(2):
        cloud.put(shard, groups=1000)
    started = time.monotonic()
    member = cloud.member(relay={"bytes_unsaved": UNSAVED, "checkpoint_interval": 3600.0}, fetch_count=10)
    eventually(lambda: once(cloud))
    assert time.monotonic() - started < 3600 / 2
    assert not member.conditions.standing()


def test_start_says_what_is_wrong(cloud: Any) -> None:
    cloud.make(shards=1)
    with pytest.raises(AuthFailed):
        cloud.member(ak_key="wrong")
    cloud.standin.switch(group_quota=1)
    cloud.client(group="only").create_group(20, False)
    with pytest.raises(GroupQuotaExceeded, match="only"):
        cloud.member()


def test_start_can_be_tried_again(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=1)
    cloud.put(0)
    cloud.standin.faults.add(Fault("reset_before", times=1))
    member = cloud.member(start=False)
    with pytest.raises(Exception, match="no answer"):
        member.start()
    member.start()
    eventually(lambda: once(cloud))


def test_stop_is_clean_while_the_service_is_down(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=2)
    line = cloud.line()
    member = cloud.member(proxy=line.url)
    eventually(lambda: member.shards == [0, 1])
    line.cut()
    began = time.monotonic()
    member.stop(timeout=2.0)
    assert time.monotonic() - began < 40
    assert not [each for each in threading.enumerate() if each.name.startswith("sls-")]


def test_stop_before_start_and_twice(cloud: Any) -> None:
    cloud.make(shards=1)
    member = cloud.member(start=False)
    assert member.stop()
    assert member.stop()


def test_splunk_down_for_longer_than_the_time_out_loses_no_shard(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=2)
    member = cloud.member(group_timeout=6, relay={"bytes_in_flight": 2_000})
    eventually(lambda: member.shards == [0, 1])
    member.sink.hold()
    for shard in (0, 1):
        cloud.put(shard, groups=100, logs=20)
    time.sleep(9)
    assert {record.holder for record in cloud.records.values()} == {"a"}
    member.sink.go_on()
    eventually(lambda: once(cloud))
    assert member.seen.ended == []


def test_backfill_in_order_does_not_wait_for_children_that_hold_nothing(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=1)
    cloud.put(0, groups=5)
    wanted = cloud.truth
    member = cloud.member(stop="now", in_order=True)
    cloud.put(0, groups=5)
    with cloud.store.lock:
        cloud.store.split(0)
    cloud.put(1)
    eventually(lambda: member.consumer.backfill_done)
    assert set(member.sink.events) == wanted
