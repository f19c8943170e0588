"""Acknowledgements: what an id means and when it means nothing any more."""

from __future__ import annotations

import itertools
import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sls_hec_forwarder.delivery.batcher import Batch, Piece
from sls_hec_forwarder.delivery.lease import Fence, Lease
from sls_hec_forwarder.hec.send.acks import (
    CHANNEL_IDLE,
    CHANNEL_IDS,
    COPIES,
    LONGEST_FAILING,
    LONGEST_POLL,
    SHORTEST_POLL,
    Acks,
    Poll,
    parse_answers,
)


def acks(timeout: float = 300.0) -> Acks:
    names = itertools.count()
    return Acks(timeout, lambda: f"channel-{next(names)}")


def batch() -> Batch:
    return Batch([])


def test_ids_are_asked_for_in_one_question_and_done_when_true() -> None:
    this = acks()
    batches = [batch() for _ in range(3)]
    for number, each in enumerate(batches):
        assert this.accepted(each, number, 10.0) == []
    assert this.polls(11.0) == [Poll("channel-0", [0, 1, 2])]
    done = this.answered("channel-0", {0: True, 1: False, 2: True, 99: True}, 12.0)
    assert [each.batch for each in done] == [batches[0], batches[2]]
    assert this.polls(13.0) == [Poll("channel-0", [1])]  # what was true is never asked for again
    assert this.answered("channel-0", {0: True}, 13.0) == []
    assert this.answered("channel-9", {1: True}, 13.0) == []
    assert len(this) == 1


def test_late_ones_are_given_up() -> None:
    this = acks(timeout=30.0)
    first, second = batch(), batch()
    this.accepted(first, 0, 100.0)
    this.accepted(second, 1, 110.0)
    assert this.answered("channel-0", {0: False, 1: False}, 129.9) == []
    assert this.overdue() == []
    assert this.answered("channel-0", {0: False, 1: False}, 130.0) == []
    assert this.overdue() == [first]
    assert this.answered("channel-0", {0: True, 1: True}, 131.0)[0].batch is second
    assert this.overdue() == []


def test_nothing_is_given_up_while_the_question_is_not_answered() -> None:
    this = acks(timeout=30.0)
    first = batch()
    this.accepted(first, 0, 100.0)
    this.unanswered("channel-0", 5000.0)
    assert this.overdue() == []
    assert this.late(5000.0)
    this.answered("channel-0", {0: False}, 5060.0)
    assert this.overdue() == [first]


def test_what_cannot_be_reached_at_all_is_given_up() -> None:
    this = acks(timeout=30.0)
    first = batch()
    this.accepted(first, 0, 100.0)
    assert this.overdue(unreachable_at=129.0) == []
    assert this.overdue(unreachable_at=130.0) == [first]


def test_copies_of_a_batch_are_bounded_and_come_ever_later() -> None:
    this = acks(timeout=30.0)
    one, now = batch(), 0.0
    waits = []
    for number in range(COPIES):
        this.accepted(one, number, now)
        sent = now
        while not this.overdue():
            now += 1.0
            this.answered("channel-0", {number: False}, now)
        waits.append(now - sent)
        one.unacked += 1
    assert waits == [30.0 * 2**number for number in range(COPIES)]
    this.accepted(one, COPIES, now)
    this.answered("channel-0", {COPIES: False}, now + 1e6)
    assert this.overdue() == []
    assert this.stuck() == 1
    assert this.polls(now + 1e6) == [Poll("channel-0", [COPIES])]  # asked for all the same
    assert this.overdue(copies=math.inf) == [one]


def test_a_channel_that_gets_no_answer_does_not_keep_the_others_from_being_asked() -> None:
    this = acks()
    for _ in range(3):
        this.accepted(batch(), 0, 10.0)
        this.renew()
    assert [each.channel for each in this.polls(11.0)] == ["channel-0", "channel-1", "channel-2"]
    this.unanswered("channel-0", 11.0)
    assert [each.channel for each in this.polls(12.0)] == ["channel-1", "channel-2", "channel-0"]


def test_what_is_revoked_is_forgotten() -> None:
    this = acks()
    lease = Lease(0, "c0", Fence(60))
    held = Batch([Piece(lease.begin("c1", 1, 0.0), b"x", 1, 0.0)])
    this.accepted(held, 0, 10.0)
    assert this.revoked() == []
    lease.revoke()
    assert this.revoked() == [held]
    assert len(this) == 0


def test_an_id_for_the_second_time_is_of_another_life() -> None:
    """The node was restarted: its memory is gone, and 3 may soon be the name of another batch."""
    this = acks()
    old = [batch() for _ in range(4)]
    for number, each in enumerate(old):
        this.accepted(each, number, 10.0)
    new = batch()
    assert this.accepted(new, 0, 11.0) == old
    assert this.channel == "channel-1"
    assert this.polls(12.0) == [Poll("channel-0", [0])]
    assert [each.batch for each in this.answered("channel-0", {0: True, 3: True}, 13.0)] == [new]


def test_a_new_connection_gets_a_new_channel_and_old_ids_keep_their_name() -> None:
    this = acks()
    old, new = batch(), batch()
    this.accepted(old, 0, 10.0)
    this.renew()
    assert this.accepted(new, 0, 11.0) == []
    assert this.polls(12.0) == [Poll("channel-0", [0]), Poll("channel-1", [0])]
    assert [each.batch for each in this.answered("channel-1", {0: True}, 12.0)] == [new]
    assert [each.batch for each in this.answered("channel-0", {0: True}, 12.0)] == [old]
    assert this.next_poll(13.0) is None


def test_after_eleven_idle_minutes_ids_from_0_are_not_confused() -> None:
    this = acks()
    this.renew_if_idle(1000.0)
    assert this.channel == "channel-0"  # nothing was posted on it yet
    this.accepted(batch(), 0, 1000.0)
    this.answered("channel-0", {0: True}, 1001.0)
    this.renew_if_idle(1000.0 + CHANNEL_IDLE)
    assert this.channel == "channel-0"
    this.renew_if_idle(1660.0)
    assert this.channel == "channel-1"
    assert this.accepted(batch(), 0, 1660.0) == []


def test_a_channel_is_left_before_its_ids_fill_the_memory() -> None:
    this = acks()
    for number in range(CHANNEL_IDS):
        this.accepted(batch(), number, 10.0)
        this.answered("channel-0", {number: True}, 10.0)
    assert this.channel == "channel-1"


def test_another_node_voids_everything() -> None:
    this = acks()
    old = [batch(), batch()]
    this.accepted(old[0], 0, 10.0)
    this.renew()
    this.accepted(old[1], 0, 10.0)
    assert this.give_up() == old
    kept = batch()
    assert this.accepted(kept, 0, 11.0) == []  # was on its way on the channel of this name
    this.renew()
    assert this.channel == "channel-2"
    assert this.polls(12.0) == [Poll("channel-1", [0])]


def test_questions_come_at_a_share_of_the_usual_latency() -> None:
    this = acks()
    assert this.next_poll(0.0) is None
    now = 100.0
    this.accepted(batch(), 0, now)
    assert this.next_poll(now) == SHORTEST_POLL
    gaps = []
    while now < 200.0:
        this.polls(now)
        gap = this.next_poll(now)
        assert gap is not None
        gaps.append(gap)
        now += gap
    assert gaps[0] == SHORTEST_POLL
    assert gaps == sorted(gaps)  # the longer it takes, the less often
    assert gaps[-1] == LONGEST_POLL
    pauses = []
    for _ in range(9):
        this.unanswered("channel-0", now)
        pauses.append(this.next_poll(now))
    assert pauses == [min(SHORTEST_POLL * 2.0**number, LONGEST_FAILING) for number in range(9)]


values = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers())


@given(
    st.binary()
    | st.dictionaries(st.text(), values).map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.text() | st.integers().map(str), values).map(
        lambda value: json.dumps({"acks": value}).encode()
    )
)
def test_any_body_is_an_answer_or_none(body: bytes) -> None:
    found = parse_answers(body)
    assert found is None or all(
        isinstance(key, int) and isinstance(value, bool) for key, value in found.items()
    )


def test_only_true_is_true() -> None:
    body = b'{"acks":{"0":true,"1":false,"2":"true","3":1,"x":true,"-1":true,"99999999999999999999":true}}'
    assert parse_answers(body) == {0: True, 1: False, 2: False, 3: False}


class Node:
    """An indexer: ids by channel, acknowledged when it says so, all forgotten when it restarts."""

    def __init__(self) -> None:
        self.next: dict[str, int] = {}
        self.held: dict[tuple[str, int], Batch] = {}
        self.indexed: set[tuple[str, int]] = set()

    def post(self, channel: str, batch: Batch) -> int:
        number = self.next.get(channel, 0)
        self.next[channel] = number + 1
        self.held[channel, number] = batch
        return number


class Acknowledging(RuleBasedStateMachine):
    """A node that restarts and forgets at any time: never is a batch taken for indexed that was not."""

    def __init__(self) -> None:
        super().__init__()
        self.node = Node()
        self.acks = acks(timeout=60.0)
        self.now = 0.0
        self.posted: list[Batch] = []
        self.indexed: list[Batch] = []
        self.done: list[Batch] = []
        self.back: list[Batch] = []
        self.suspicious = False

    @rule(reconnected=st.booleans())
    def post(self, reconnected: bool) -> None:
        if reconnected or self.suspicious:
            self.acks.renew()
            self.suspicious = False
        self.acks.renew_if_idle(self.now)
        each = batch()
        self.posted.append(each)
        self.back += self.acks.accepted(each, self.node.post(self.acks.channel, each), self.now)

    @rule()
    def post_and_lose_the_answer(self) -> None:
        each = batch()
        self.posted.append(each)
        self.node.post(self.acks.channel, each)
        self.back += [each, *self.acks.answer_lost()]

    @precondition(lambda self: self.node.held)
    @rule(data=st.data())
    def index(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.node.held)))
        self.node.indexed.add(key)
        self.indexed.append(self.node.held.pop(key))

    @rule(noticed=st.booleans())
    def restart(self, noticed: bool) -> None:
        """Its connections break with it, unless a load balancer keeps ours."""
        self.node = Node()
        self.suspicious = self.suspicious or noticed

    @rule(seconds=st.floats(0, 100))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.back += self.acks.overdue()

    @rule()
    def ask(self) -> None:
        for poll in self.acks.polls(self.now):
            told = {number: (poll.channel, number) in self.node.indexed for number in poll.ids}
            self.node.indexed.difference_update((poll.channel, number) for number in poll.ids)
            self.done += [each.batch for each in self.acks.answered(poll.channel, told, self.now)]

    @rule()
    def move(self) -> None:
        self.back += self.acks.give_up()
        self.acks.renew()

    @invariant()
    def every_batch_is_somewhere_once(self) -> None:
        assert len(self.done) + len(self.back) + len(self.acks) == len(self.posted)
        assert len({id(each) for each in [*self.done, *self.back]}) == len(self.done) + len(self.back)

    @invariant()
    def done_means_indexed(self) -> None:
        indexed = {id(each) for each in self.indexed}
        assert all(id(each) in indexed for each in self.done)


Acknowledging.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestAcknowledging = Acknowledging.TestCase
