"""What others do to the group, its checkpoints, the logstore and the rights, while members read."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_standins.http import Fault

PLACE = ("proj", "store", "relay")


def console(cloud: Any) -> Any:
    return cloud.standin.console


def settled(cloud: Any) -> bool:
    """Everything is delivered and saved."""
    return set(cloud.delivered()) == cloud.truth and all(
        record.checkpoint == cursors.encode(cloud.positions()[shard].next)
        for shard, record in cloud.records.items()
    )


def repeated(cloud: Any) -> int:
    return sum(count - 1 for count in cloud.delivered().values())


def names(member: Any) -> set[str]:
    return {each.name for each in member.conditions.standing()}


def put_all(cloud: Any, groups: int = 5) -> None:
    for shard in cloud.positions():
        cloud.put(shard, groups=groups)


# The group


def test_deleted_group_is_created_again_and_nothing_is_repeated(
    cloud: Any, eventually: Any, caplog: Any
) -> None:
    cloud.make(shards=2)
    member = cloud.member(group_timeout=17, in_order=True)
    put_all(cloud, 50)
    eventually(lambda: settled(cloud))
    console(cloud).delete_group(*PLACE)
    eventually(lambda: member.conditions.total("group_deleted"))
    put_all(cloud)
    eventually(lambda: PLACE[2] in cloud.store.groups and settled(cloud))
    assert repeated(cloud) == 0
    (group,) = cloud.client().list_groups()
    assert (group.timeout, group.in_order) == (17, True)  # as it was
    eventually(lambda: "group_deleted" not in names(member))
    assert member.conditions.is_active("group_restored", "")
    told = [each for each in caplog.messages if "was deleted while the relay ran" in each]
    assert len(told) == 1
    assert "created again" in told[0]


def test_checkpoint_restored_is_what_was_delivered_not_what_was_saved(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=1)
    member = cloud.member()
    put_all(cloud)
    eventually(lambda: settled(cloud))
    cloud.standin.faults.add(
        Fault("error", "UpdateCheckPoint", times=None, status=500, code="InternalServerError", text="x")
    )
    put_all(cloud)
    eventually(lambda: set(cloud.delivered()) == cloud.truth)
    eventually(lambda: "checkpoint_failing" in names(member))
    console(cloud).delete_group(*PLACE)
    eventually(lambda: "group_deleted" in names(member))
    cloud.standin.faults.clear()
    eventually(lambda: PLACE[2] in cloud.store.groups and settled(cloud))
    assert repeated(cloud) == 0


def test_several_members_end_with_one_group_and_no_loss(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=6)
    members = [cloud.member(name, group_timeout=10) for name in "abc"]
    eventually(lambda: all(len(each.shards) == 2 for each in members))
    put_all(cloud, 100)
    eventually(lambda: settled(cloud))
    for _ in range(2):
        console(cloud).delete_group(*PLACE)
        put_all(cloud)
        eventually(lambda: PLACE[2] in cloud.store.groups and settled(cloud))
        eventually(lambda: all(len(each.shards) == 2 for each in members))
    assert len(cloud.client().list_groups()) == 1
    # What was on its way at the moment: far from the 2,400 logs from before.
    assert repeated(cloud) <= 2 * 6 * 20


def test_group_made_by_another_without_checkpoints_is_given_them(
    cloud: Any, eventually: Any, caplog: Any
) -> None:
    cloud.make(shards=2)
    member = cloud.member(group_timeout=20)
    put_all(cloud, 50)
    eventually(lambda: settled(cloud))
    with cloud.store.lock:  # in one moment, so that no heartbeat finds it missing
        console(cloud).delete_group(*PLACE)
        console(cloud).put_group(*PLACE, timeout=20)
    put_all(cloud)
    eventually(lambda: settled(cloud))
    assert repeated(cloud) == 0
    eventually(lambda: member.conditions.total("group_restored"))
    assert "new consumer group" in caplog.text or "created again by another" in caplog.text


def test_consumer_that_knew_nothing_does_not_make_the_group_skip_a_backlog(
    cloud: Any, eventually: Any
) -> None:
    """It creates the group again with SLS_START_POSITION=end while another member has a backlog."""
    cloud.make(shards=2)
    member = cloud.member(group_timeout=20)
    put_all(cloud)
    eventually(lambda: settled(cloud))
    member.sink.hold()
    put_all(cloud, 50)
    eventually(lambda: all(each.pulls_in_flight for each in member.consumer.shards()))
    console(cloud).delete_group(*PLACE)
    fresh = cloud.member("fresh", start="end")
    eventually(lambda: fresh.shards or member.conditions.total("group_restored"))
    member.sink.go_on()
    eventually(lambda: settled(cloud), "the backlog is delivered")


def test_hold_waits_for_a_decision(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=1)
    member = cloud.member(group_deleted="hold", group_timeout=6)
    put_all(cloud, 50)
    eventually(lambda: settled(cloud))
    console(cloud).delete_group(*PLACE)
    eventually(lambda: "group_deleted" in names(member))
    put_all(cloud)
    before = len(member.sink.events)
    time.sleep(3)
    assert PLACE[2] not in cloud.store.groups
    assert "group_deleted" in names(member)
    assert len(member.sink.events) == before
    console(cloud).put_group(*PLACE, timeout=6)
    eventually(lambda: settled(cloud))
    assert repeated(cloud) == 0
    eventually(lambda: "group_deleted" not in names(member))


def test_shard_of_another_member_is_waited_for_and_then_read_from_where_it_was_seen(
    cloud: Any, eventually: Any
) -> None:
    cloud.make(shards=2)
    line = cloud.line()
    first = cloud.member("a", group_timeout=5)
    other = cloud.member("b", proxy=line.url)
    eventually(lambda: len(first.shards) == len(other.shards) == 1)
    put_all(cloud, 50)
    eventually(lambda: settled(cloud))
    time.sleep(1.5)  # longer than the time between two looks at the checkpoints
    line.cut()
    console(cloud).delete_group(*PLACE)
    eventually(lambda: first.conditions.total("group_deleted"))  # from here on nothing is on its way
    put_all(cloud)
    eventually(lambda: first.conditions.total("checkpoint_awaited"), "it waits for the other")
    eventually(lambda: settled(cloud))
    assert repeated(cloud) == 0
    assert len(first.shards) == 2
    line.mend()
    eventually(lambda: len(other.shards) == 1)
    put_all(cloud)
    eventually(lambda: settled(cloud))
    assert repeated(cloud) <= 40


def joins_and_cannot_begin(cloud: Any, eventually: Any, first: Any) -> Any:
    """A second member that is assigned one of two shards, and gets no checkpoint to begin at."""
    cloud.standin.faults.add(
        Fault("error", "GetCheckPoint", times=None, status=500, code="InternalServerError", text="x")
    )
    other = cloud.member("b")
    eventually(lambda: len(first.shards) == len(other.shards) == 1)
    return other


def test_shard_that_was_handed_over_to_a_member_that_has_not_begun_it(cloud: Any, eventually: Any) -> None:
    """Whoever held it last knows it best, also when it was given up in good order."""
    cloud.make(shards=2)
    first = cloud.member("a", group_timeout=6)
    put_all(cloud, 50)
    eventually(lambda: settled(cloud))
    other = joins_and_cannot_begin(cloud, eventually, first)
    with cloud.store.lock:
        console(cloud).delete_group(*PLACE)
        cloud.standin.faults.clear()
    put_all(cloud)
    eventually(lambda: settled(cloud) and len(first.shards) == len(other.shards) == 1)
    assert repeated(cloud) <= 20


def test_shard_of_a_member_whose_checkpoint_was_never_seen_is_waited_for(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=2)
    line = cloud.line()
    first = cloud.member("a", proxy=line.url, group_timeout=30)
    put_all(cloud, 50)
    eventually(lambda: settled(cloud))
    other = joins_and_cannot_begin(cloud, eventually, first)
    line.cut()
    with cloud.store.lock:
        console(cloud).delete_group(*PLACE)
        cloud.standin.faults.clear()
    eventually(lambda: other.conditions.total("checkpoint_awaited"), "it waits for the other")
    line.mend()
    put_all(cloud)
    eventually(lambda: settled(cloud))
    assert repeated(cloud) <= 40


def test_group_quota_that_is_reached_meanwhile_is_told_and_tried_again(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=1)
    member = cloud.member()
    put_all(cloud)
    eventually(lambda: settled(cloud))
    with cloud.store.lock:
        console(cloud).delete_group(*PLACE)
        console(cloud).put_group("proj", "store", "intruder")
        cloud.standin.switch(group_quota=1)

    def told() -> bool:
        standing = [each for each in member.conditions.standing() if each.name == "group_deleted"]
        return any("intruder" in each.text for each in standing)

    eventually(told, "the groups that exist are named")
    console(cloud).delete_group("proj", "store", "intruder")
    put_all(cloud)
    eventually(lambda: PLACE[2] in cloud.store.groups and settled(cloud))
    assert repeated(cloud) == 0


def test_order_that_somebody_switches_off_is_a_condition_while_it_is(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=1)
    member = cloud.member(in_order=True)
    eventually(lambda: member.shards == [0])
    console(cloud).put_group(*PLACE, order=False)
    eventually(lambda: "group_order_differs" in names(member))
    console(cloud).put_group(*PLACE, order=True)
    eventually(lambda: "group_order_differs" not in names(member))


# Checkpoints


@pytest.mark.parametrize("busy", [False, True])
def test_checkpoint_that_somebody_sets_back_is_obeyed(
    cloud: Any, eventually: Any, busy: bool, caplog: Any
) -> None:
    """Of a shard where nothing happens, and of one whose next save would overwrite it."""
    cloud.make(shards=2)
    member = cloud.member(watch_interval=1.0 if not busy else 600.0, relay={"checkpoint_interval": 1.0})
    put_all(cloud, 10)
    eventually(lambda: settled(cloud))
    with cloud.store.lock:
        if busy:
            cloud.put(0, groups=1)
        console(cloud).set_checkpoint(*PLACE, to="begin", shard=0)
    eventually(lambda: repeated(cloud) >= 40, "the shard is read again from its begin")
    eventually(lambda: settled(cloud))
    again = Counter(shard for shard, _, _ in cloud.delivered().elements())
    assert again[1] == 40
    assert member.conditions.is_active("checkpoint_moved", "shard 0")
    assert "log groups are read again" in caplog.text
    assert cursors.encode(cloud.positions()[0].first) in caplog.text


def test_checkpoint_that_somebody_sets_forward_is_obeyed_and_told(
    cloud: Any, eventually: Any, caplog: Any
) -> None:
    cloud.make(shards=1)
    member = cloud.member()
    member.sink.hold()
    put_all(cloud, 10)
    eventually(lambda: member.consumer.shards() and member.consumer.shards()[0].pulls_in_flight)
    console(cloud).set_checkpoint(*PLACE, to="end", shard=0)
    eventually(lambda: "10 log groups are SKIPPED" in caplog.text)
    member.sink.go_on()
    eventually(lambda: member.conditions.total("checkpoint_moved"))
    fresh = cloud.truth
    cloud.put(0, groups=2)
    fresh = cloud.truth - fresh
    eventually(lambda: fresh <= set(cloud.delivered()))


def test_checkpoint_that_another_member_restores_is_not_called_skipped(
    cloud: Any, eventually: Any, caplog: Any
) -> None:
    cloud.make(shards=1)
    member = cloud.member(group_timeout=20)
    put_all(cloud, 10)
    eventually(lambda: settled(cloud))
    console(cloud).delete_group(*PLACE)
    eventually(lambda: PLACE[2] in cloud.store.groups and settled(cloud))
    member.sink.hold()
    put_all(cloud, 10)
    eventually(lambda: member.consumer.shards() and member.consumer.shards()[0].pulls_in_flight)
    console(cloud).set_checkpoint(*PLACE, to="end", shard=0)  # what another member does that delivered them
    eventually(lambda: "10 log groups that were delivered are not read again" in caplog.text)
    assert member.conditions.total("checkpoint_moved") == 0
    member.sink.go_on()


def test_two_members_of_one_name_lose_nothing_and_are_told(cloud: Any, eventually: Any, caplog: Any) -> None:
    """A mistake of whoever copies a machine: SLS takes the two for one, and both read everything."""
    cloud.make(shards=1)
    members = [cloud.member("relay-1", watch_interval=1.0) for _ in range(2)]
    eventually(lambda: all(each.consumer.shards() for each in members))
    slow = members[1]
    slow.sink.hold()  # so that the other one's checkpoints are ahead of what it delivers
    put_all(cloud, 10)
    eventually(lambda: cloud.truth <= set(cloud.delivered()))
    eventually(lambda: slow.conditions.total("checkpoint_moved"))
    slow.sink.go_on()
    eventually(lambda: "look for another relay with the same SLS_CONSUMER" in caplog.text)
    assert ": 0 log groups are read again" not in caplog.text


def test_own_save_whose_answer_was_lost_is_nobody_elses(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=1)
    member = cloud.member()
    for _ in range(5):
        cloud.standin.faults.add(Fault("reset_after", "UpdateCheckPoint", times=1))
        put_all(cloud, 3)
        eventually(lambda: settled(cloud))
    assert member.conditions.total("checkpoint_moved") == 0
    assert repeated(cloud) == 0


# Logstore and project


def test_logstore_that_is_created_again_is_read_from_its_begin(
    cloud: Any, eventually: Any, caplog: Any
) -> None:
    cloud.make(shards=2)
    member = cloud.member(group_timeout=10)
    put_all(cloud, 10)
    eventually(lambda: settled(cloud))
    console(cloud).delete_logstore("proj", "store")
    eventually(lambda: "logstore_missing" in names(member))
    cloud.standin.clock.advance(30)
    cloud.make(shards=2)
    put_all(cloud, 10)
    before = len(member.sink.events)
    eventually(lambda: cloud.truth <= set(cloud.delivered()))
    assert len(member.sink.events) - before <= 80 + 40
    assert "was deleted and created again" in caplog.text
    assert "log groups received" not in caplog.text  # no count from cursors of two logstores
    eventually(lambda: "logstore_missing" not in names(member))


def test_project_that_is_gone_is_one_condition(cloud: Any, eventually: Any, caplog: Any) -> None:
    cloud.make(shards=3)
    member = cloud.member()
    eventually(lambda: len(member.shards) == 3)
    console(cloud).delete_project("proj")
    eventually(lambda: "project_missing" in names(member))
    time.sleep(1)
    assert "pull_failing" not in names(member)
    assert "PROJECT" in caplog.text.upper()


# Rights


@pytest.mark.parametrize(
    ("call", "condition", "action"),
    [
        ("HeartBeat", "heartbeat_failing", "log:ConsumerGroupHeartBeat"),
        ("UpdateCheckPoint", "checkpoint_failing", "log:ConsumerGroupUpdateCheckPoint"),
        ("PullLogs", "pull_failing", "log:GetCursorOrData"),
        ("GetCheckPoint", "group_watch_failing", "log:GetConsumerGroupCheckPoint"),
        ("ListShards", "group_watch_failing", "log:ListShards"),
        ("ListConsumerGroup", "group_watch_failing", "log:ListConsumerGroup"),
    ],
)
def test_right_withdrawn_for_one_call(
    cloud: Any, eventually: Any, call: str, condition: str, action: str
) -> None:
    cloud.make(shards=1)
    member = cloud.member()
    put_all(cloud)
    eventually(lambda: settled(cloud))
    console(cloud).deny("ak", call)
    put_all(cloud)

    def told() -> bool:
        return any(each.name == condition and action in each.todo for each in member.conditions.standing())

    eventually(told, "the condition names the right")
    if call == "UpdateCheckPoint":
        eventually(lambda: set(cloud.delivered()) == cloud.truth)
    elif condition == "group_watch_failing":  # everything else goes on
        eventually(lambda: settled(cloud))
    console(cloud).deny("ak")
    eventually(lambda: settled(cloud))
    eventually(lambda: condition not in names(member))
    assert repeated(cloud) == 0


def test_restoring_that_is_denied_names_the_right(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=1)
    member = cloud.member()
    put_all(cloud)
    eventually(lambda: settled(cloud))
    console(cloud).deny("ak", "CreateConsumerGroup")
    console(cloud).delete_group(*PLACE)
    eventually(lambda: any("log:CreateConsumerGroup" in each.todo for each in member.conditions.standing()))
    console(cloud).deny("ak")
    eventually(lambda: PLACE[2] in cloud.store.groups and settled(cloud))
    assert repeated(cloud) == 0


# Start positions


def test_split_with_start_end_and_a_backlog_in_the_parent_skips_nothing(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=1)
    first = cloud.member(start="end", in_order=True, group_timeout=6)
    eventually(lambda: first.shards == [0] and cloud.records[0].checkpoint)
    first.sink.hold()
    cloud.put(0, groups=7)
    with cloud.store.lock:
        cloud.store.split(0)
    for shard in (1, 2):
        cloud.put(shard, groups=7)
    time.sleep(1.5)
    first.stop(timeout=1.0)
    cloud.put(1, groups=1)
    # Its parent is saved only now, after the children were written to.
    cloud.member("a", start="end", in_order=True)
    eventually(lambda: set(cloud.delivered()) == cloud.truth, timeout=90)


def test_facts_say_what_is_measured_and_unknown_is_unknown(cloud: Any, eventually: Any) -> None:
    cloud.make(shards=2)
    line = cloud.line()
    member = cloud.member(start=False, group_timeout=7, proxy=line.url)
    before = member.consumer.facts()
    assert not before.joined
    assert before.heartbeat_age is None
    assert before.shards == ()
    member.start()

    def measured() -> bool:
        shards = member.consumer.facts().shards
        if any(each.last_delivery is None for each in shards):
            put_all(cloud)  # a shard that was taken away for a moment delivers nothing that is already there
        return len(shards) == 2 and all(
            each.lag == 0 and None not in (each.last_delivery, each.last_checkpoint) for each in shards
        )

    eventually(measured)
    eventually(lambda: member.consumer.facts().unowned == (), "the watch looks after the shards are taken")
    facts = member.consumer.facts()
    assert facts.joined
    assert facts.group_timeout == 7
    assert facts.heartbeat_age is not None
    assert facts.clock_skew is not None
    for shard in facts.shards:
        assert shard.phase == "reading"
        assert None not in (shard.last_pull, shard.last_delivery)
    line.cut()
    eventually(lambda: member.conditions.is_active("pull_failing", "shard 0"))
    assert member.consumer.facts().shards[0].lag is None, "unknown from the first failure on"
    eventually(lambda: all(each.lag is None for each in member.consumer.facts().shards), "unknown by now")
    eventually(lambda: not any(each.pulling for each in member.consumer.facts().shards), "fenced")


@pytest.mark.parametrize("stops", [True, False])
def test_no_save_overwrites_a_checkpoint_that_somebody_set(cloud: Any, eventually: Any, stops: bool) -> None:
    """Nor when a shard is given up or much is unsaved, which comes before the regular saves."""
    cloud.make(shards=1)
    relay = {"checkpoint_interval": 600.0, "bytes_unsaved": 1_000_000 if stops else 2_000}
    member = cloud.member(watch_interval=600.0, relay=relay)
    cloud.put(0, groups=10)
    eventually(lambda: set(cloud.delivered()) == cloud.truth)
    target = cloud.positions()[0].first + 2
    console(cloud).set_checkpoint(*PLACE, to=cursors.encode(target), shard=0)
    if stops:
        member.stop()
        assert cursors.decode(cloud.records[0].checkpoint) == target
        return
    cloud.put(0, groups=40)
    eventually(lambda: member.conditions.total("checkpoint_moved"))
    again = {(0, position, index) for position in range(target, target + 8) for index in range(4)}
    eventually(lambda: all(cloud.delivered()[each] == 2 for each in again), "what lies behind it is repeated")
