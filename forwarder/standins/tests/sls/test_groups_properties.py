"""What holds in a consumer group whatever happens, checked against consumers that follow the protocol."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sls_hec_standins.sls import cursors
from sls_hec_standins.sls.groups import (
    ALLOC,
    NOT_ALLOC,
    OVER,
    TRANSFER,
    WAIT,
    Group,
    ShardFacts,
    UnknownConsumer,
)

TIMEOUT = 10.0
END = 100
NAMES = "abc"


class GroupMachine(RuleBasedStateMachine):
    """Consumers with some delay between being told to give a shard up and doing it.

    `reading` is what each consumer really reads: it gains what an answer adds, at once, and loses what an
    answer leaves out, in a `give_up` of its own. A consumer whose last heartbeat is older than the timeout
    has to assume that its shards are gone, so only the others must not overlap.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.reading: dict[str, set[int]] = {}
        self.told: dict[str, set[int]] = {}
        self.last: dict[str, float] = {}

    @initialize(shards=st.integers(1, 4), order=st.booleans())
    def start(self, shards: int, order: bool) -> None:
        self.order = order
        self.facts = {n: ShardFacts(n, (), False, END) for n in range(shards)}
        self.group = Group("g", TIMEOUT, order, lambda: list(self.facts.values()), self.now)

    @rule(names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=6))
    def heartbeats(self, names: list[str]) -> None:
        for name in names:
            self.heartbeat(name)
            self.no_shard_is_read_by_two()

    def heartbeat(self, name: str) -> None:
        held = self.reading.setdefault(name, set())
        try:
            answer = set(self.group.heartbeat(name, held, self.now))
        except UnknownConsumer:
            assert self.now - self.last.get(name, -TIMEOUT - 1) > TIMEOUT
            held.clear()
            self.told[name] = set()
            return
        self.last[name] = self.now
        self.told[name] = answer
        held |= answer

    @rule(name=st.sampled_from(NAMES))
    def give_up(self, name: str) -> None:
        if name in self.reading:
            self.reading[name] &= self.told[name]

    @rule(name=st.sampled_from(NAMES))
    def restart(self, name: str) -> None:
        self.reading[name] = set()
        self.told[name] = set()

    @rule(seconds=st.floats(0.1, 6))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(name=st.sampled_from(NAMES), data=st.data())
    def finish_a_readonly_shard(self, name: str, data: st.DataObject) -> None:
        mine = sorted(n for n in self.reading.get(name, ()) if n in self.facts and self.facts[n].readonly)
        if mine and self.alive(name):
            self.group.checkpoint(
                data.draw(st.sampled_from(mine)), cursors.encode(END), name, self.now, force=True
            )

    @precondition(lambda self: len(self.facts) < 12)
    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(n for n, f in self.facts.items() if not f.readonly)))
        self.facts[number] = self.facts[number]._replace(readonly=True)
        for child in (max(self.facts) + 1, max(self.facts) + 2):
            self.facts[child] = ShardFacts(child, (number,), False, END)

    @precondition(lambda self: sum(not fact.readonly for fact in self.facts.values()) > 1)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        writable = sorted(n for n, fact in self.facts.items() if not fact.readonly)
        pair = data.draw(st.lists(st.sampled_from(writable), min_size=2, max_size=2, unique=True))
        for number in pair:
            self.facts[number] = self.facts[number]._replace(readonly=True)
        self.facts[max(self.facts) + 1] = ShardFacts(max(self.facts) + 1, tuple(sorted(pair)), False, END)

    @rule()
    def force_rebalance(self) -> None:
        self.group.force_rebalance(self.now)

    def alive(self, name: str) -> bool:
        return name in self.last and self.now - self.last[name] <= TIMEOUT

    @invariant()
    def no_shard_is_read_by_two(self) -> None:
        read = [n for name, shards in self.reading.items() if self.alive(name) for n in shards]
        assert len(read) == len(set(read))

    @invariant()
    def counts_differ_by_at_most_one(self) -> None:
        consumers = self.group.consumers(self.now)
        records = self.group.view(self.now).values()
        counts = [sum(r.owner == name for r in records) for name in consumers]
        assert not counts or max(counts) - min(counts) <= 1

    @invariant()
    def everything_free_is_assigned(self) -> None:
        if self.group.consumers(self.now):
            assert all(r.state != NOT_ALLOC for r in self.group.view(self.now).values())

    @invariant()
    def states_and_holders_agree(self) -> None:
        consumers = self.group.consumers(self.now)
        for record in self.group.view(self.now).values():
            assert (record.holder in consumers) == (record.state in (ALLOC, TRANSFER))
            assert (record.next in consumers) == (record.state == TRANSFER)
            assert record.next != record.holder or not record.next

    @invariant()
    def in_order_no_child_starts_before_its_ancestors_are_over(self) -> None:
        records = self.group.view(self.now)
        for number, fact in self.facts.items():
            open_parents = any(records[parent].state != OVER for parent in fact.parents)
            if self.order:
                assert (records[number].state == WAIT) == open_parents
            else:
                assert records[number].state != WAIT


GroupMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestGroupMachine = GroupMachine.TestCase
