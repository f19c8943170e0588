"""Who reads which shard: the decisions alone, and several members against the server's state machine."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sls_hec_forwarder.delivery.lease import Fence, Lease
from sls_hec_forwarder.sls.group.membership import (
    Do,
    Membership,
    ShardAction,
    fence_timeout,
    heartbeat_interval,
)
from sls_hec_standins.sls.groups import Group, ShardFacts, UnknownConsumer


def test_a_shard_is_reported_until_it_is_given_up() -> None:
    member = Membership()
    assert member.report() == []
    assert member.answered([3, 1]) == [ShardAction(Do.START, 1, 1), ShardAction(Do.START, 3, 2)]
    assert member.answered([3, 1]) == []
    assert member.report() == [1, 3]
    assert member.answered([3]) == [ShardAction(Do.RELEASE, 1, 1)]
    assert member.answered([3]) == []  # once is enough
    assert member.report() == [1, 3]
    member.given_up(1, 1)
    assert member.report() == [3]


def test_a_shard_that_comes_back_while_it_is_released_is_started_anew_after_that() -> None:
    member = Membership()
    member.answered([1])
    member.answered([])
    assert member.answered([1]) == []
    member.given_up(1, 1)
    assert member.answered([1]) == [ShardAction(Do.START, 1, 2)]


def test_refused_member_drops_everything_and_joins_with_an_empty_report() -> None:
    member = Membership()
    member.answered([1, 2])
    member.answered([1])
    assert member.refused() == [ShardAction(Do.REVOKE, 1, 1), ShardAction(Do.REVOKE, 2, 2)]
    assert member.report() == []
    assert member.answered([2]) == [ShardAction(Do.START, 2, 3)]


def test_reader_that_ends_late_does_not_end_the_lease_of_the_next_one() -> None:
    """Refused and joined anew before the reader of the first lease could say that it has ended."""
    member = Membership()
    member.answered([1])
    assert member.refused() == [ShardAction(Do.REVOKE, 1, 1)]
    assert member.answered([1]) == [ShardAction(Do.START, 1, 2)]
    member.given_up(1, 1)
    assert member.report() == [1]
    assert member.answered([1]) == []
    member.given_up(1, 2)
    assert member.report() == []


def test_stopping_member_takes_nothing() -> None:
    member = Membership()
    member.answered([1, 2])
    assert member.stop() == [ShardAction(Do.RELEASE, 1, 1), ShardAction(Do.RELEASE, 2, 2)]
    assert member.answered([1, 2, 3]) == []
    assert member.report() == [1, 2]
    member.given_up(1, 1)
    member.given_up(2, 2)
    assert member.report() == []
    assert member.answered([1, 2, 3]) == []


def test_times() -> None:
    for timeout in (1, 2, 5, 10, 40, 600):
        assert 0.5 * timeout < fence_timeout(timeout) < timeout
        assert 4 * heartbeat_interval(5.0, timeout) <= timeout or heartbeat_interval(5.0, timeout) == 5.0
        assert heartbeat_interval(5.0, timeout) < fence_timeout(timeout)


class Readers(RuleBasedStateMachine):
    """Readers end at their own pace, whatever is answered, refused and started meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.membership = Membership()
        self.reading: dict[int, int] = {}  # shard -> term
        self.ended: list[tuple[int, int]] = []  # not told yet

    def perform(self, actions: list[ShardAction]) -> None:
        for action in actions:
            if action.do is Do.START:
                assert action.shard not in self.reading, "two readers of one shard"
                self.reading[action.shard] = action.term
            elif action.do is Do.REVOKE and self.reading.get(action.shard) == action.term:
                self.ended.append((action.shard, self.reading.pop(action.shard)))

    @rule(assigned=st.sets(st.integers(0, 2)))
    def answered(self, assigned: set[int]) -> None:
        self.perform(self.membership.answered(assigned))

    @rule()
    def refused(self) -> None:
        self.perform(self.membership.refused())

    @rule(shard=st.integers(0, 2))
    def reader_ends(self, shard: int) -> None:
        if shard in self.reading:
            self.ended.append((shard, self.reading.pop(shard)))

    @rule(which=st.integers(0, 9))
    def end_is_told(self, which: int) -> None:
        if which < len(self.ended):
            self.membership.given_up(*self.ended.pop(which))

    @invariant()
    def what_is_read_is_reported(self) -> None:
        assert set(self.reading) <= set(self.membership.report())


TestReaders = Readers.TestCase
TestReaders.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


GROUP_TIMEOUT = 40.0
SHARDS = 5
NAMES = ("a", "b", "c")


class Process:
    """One member: its decisions, its fence and its leases. At most one heartbeat is under way."""

    def __init__(self, now: list[float]) -> None:
        self.membership = Membership()
        self.fence = Fence(fence_timeout(GROUP_TIMEOUT), lambda: now[0])
        self.leases: dict[int, Lease] = {}
        self.terms: dict[int, int] = {}
        #: Readers that have ended without having said so yet.
        self.ended: list[tuple[int, int]] = []
        self.draining: list[int] = []
        self.stopping = False
        #: When the heartbeat under way was sent, and the server's answer to it: None if refused.
        self.answer: tuple[float, list[int] | None] | None = None

    def perform(self, actions: list[ShardAction]) -> None:
        for action in actions:
            if action.do is Do.START:
                assert action.shard not in self.leases
                self.leases[action.shard] = Lease(action.shard, "c", self.fence)
                self.terms[action.shard] = action.term
            elif action.do is Do.RELEASE:
                self.draining.append(action.shard)
            else:
                assert self.terms[action.shard] == action.term
                if action.shard in self.leases:
                    self.end(action.shard)
                if action.shard in self.draining:
                    self.draining.remove(action.shard)

    def end(self, shard: int) -> None:
        """The reader of a shard ends; what it says of that arrives later."""
        self.leases.pop(shard).revoke()
        self.ended.append((shard, self.terms[shard]))

    def take_answer(self) -> None:
        assert self.answer is not None
        sent_at, assigned = self.answer
        self.answer = None
        if assigned is None:
            self.perform(self.membership.refused())
        else:
            self.fence.renew(sent_at)
            self.perform(self.membership.answered(assigned))

    def finish_draining(self) -> None:
        while self.draining:
            self.end(self.draining.pop())

    def tell_ended(self) -> None:
        while self.ended:
            self.membership.given_up(*self.ended.pop(0))


class GroupOfMembers(RuleBasedStateMachine):
    """Members that join, stop, crash, and whose heartbeats are lost or slow, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = [1000.0]
        facts = [ShardFacts(number, (), False, 100) for number in range(SHARDS)]
        self.server = Group("g", GROUP_TIMEOUT, False, lambda: facts, self.now[0])
        self.members: dict[str, Process] = {}

    @initialize()
    def first_member(self) -> None:
        self.members["a"] = Process(self.now)

    @rule(name=st.sampled_from(NAMES))
    def start(self, name: str) -> None:
        """A process starts, or the one of that name crashes and starts again: its leases are gone."""
        self.members[name] = Process(self.now)

    @rule(name=st.sampled_from(NAMES))
    def crash(self, name: str) -> None:
        self.members.pop(name, None)

    @rule(seconds=st.sampled_from((1.0, 5.0, 20.0, 34.0, 37.0, GROUP_TIMEOUT + 0.5)))
    def time_passes(self, seconds: float) -> None:
        self.now[0] += seconds

    @rule(name=st.sampled_from(NAMES), way_there=st.floats(0.0, 5.0))
    def beat(self, name: str, way_there: float) -> None:
        """A heartbeat that reaches the server; its answer is on its way."""
        member = self.members.get(name)
        if member is None or member.answer is not None:
            return
        sent_at, report = self.now[0], member.membership.report()
        self.now[0] += way_there
        try:
            member.answer = (sent_at, self.server.heartbeat(name, report, self.now[0]))
        except UnknownConsumer:
            member.answer = (sent_at, None)

    @rule(name=st.sampled_from(NAMES))
    def answer_arrives(self, name: str) -> None:
        member = self.members.get(name)
        if member is not None and member.answer is not None:
            member.take_answer()

    @rule(name=st.sampled_from(NAMES))
    def answer_is_lost(self, name: str) -> None:
        if name in self.members:
            self.members[name].answer = None

    @rule(name=st.sampled_from(NAMES))
    def drained(self, name: str) -> None:
        if name in self.members:
            self.members[name].finish_draining()

    @rule(name=st.sampled_from(NAMES), number=st.integers(0, SHARDS - 1))
    def checkpoint_is_refused(self, name: str, number: int) -> None:
        """A save finds that the shard is another consumer's; only then is it given up without draining."""
        member = self.members.get(name)
        holds = self.server.view(self.now[0])[number].holder == name
        if member is not None and number in member.leases and not holds:
            member.end(number)
            if number in member.draining:
                member.draining.remove(number)

    @rule(name=st.sampled_from(NAMES))
    def end_of_readers_is_told(self, name: str) -> None:
        if name in self.members:
            self.members[name].tell_ended()

    @rule(name=st.sampled_from(NAMES))
    def stop(self, name: str) -> None:
        if name in self.members:
            self.members[name].stopping = True
            self.members[name].perform(self.members[name].membership.stop())

    @invariant()
    def a_shard_is_read_by_its_holder_only(self) -> None:
        view = self.server.view(self.now[0])
        for name, member in self.members.items():
            for shard, lease in member.leases.items():
                if lease.active:
                    assert view[shard].holder == name, (name, shard, view)

    @invariant()
    def leases_and_report_agree(self) -> None:
        for member in self.members.values():
            ended = {shard for shard, _ in member.ended}
            report = set(member.membership.report())
            assert set(member.leases) <= report <= set(member.leases) | ended

    @precondition(lambda self: not any(each.stopping for each in self.members.values()))
    @rule()
    def calm(self) -> None:
        """Once heartbeats get through, every shard is read by one member."""
        for _ in range(8):
            self.now[0] += GROUP_TIMEOUT / 5  # those that crashed are timed out on the way
            for name, member in self.members.items():
                if member.answer is not None:
                    member.take_answer()
                self.beat(name, 0.0)
                member.take_answer()
                member.finish_draining()
                member.tell_ended()
        for shard in range(SHARDS if self.members else 0):
            readers = [n for n, m in self.members.items() if shard in m.leases and m.leases[shard].active]
            assert len(readers) == 1, (shard, readers)


TestGroupOfMembers = GroupOfMembers.TestCase
TestGroupOfMembers.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
