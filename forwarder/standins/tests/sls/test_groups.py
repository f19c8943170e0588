"""The consumer group state machine; each rule is one of the README of aliyun-log-consumer-java."""

from __future__ import annotations

from typing import Any

import pytest

from sls_hec_standins.sls import cursors
from sls_hec_standins.sls.groups import (
    ALLOC,
    NOT_ALLOC,
    OVER,
    TRANSFER,
    WAIT,
    Group,
    NotHolder,
    ShardFacts,
    UnknownConsumer,
    UnknownShard,
)

TIMEOUT = 10.0
END = 1000


class Case:
    """A group over shards that the test changes, with a clock."""

    def __init__(self, shards: int, *, order: bool = False) -> None:
        self.now = 0.0
        self.facts = {n: ShardFacts(n, (), False, END) for n in range(shards)}
        self.group = Group("g", TIMEOUT, order, lambda: list(self.facts.values()), self.now)

    def beat(self, consumer: str, *held: int, **options: Any) -> list[int]:
        return self.group.heartbeat(consumer, held, self.now, **options)

    def save(self, shard: int, position: int, consumer: str = "", *, force: bool = True) -> None:
        self.group.checkpoint(shard, cursors.encode(position), consumer, self.now, force=force)

    def split(self, number: int) -> list[int]:
        new = len(self.facts)
        self.facts[number] = self.facts[number]._replace(readonly=True)
        for child in (new, new + 1):
            self.facts[child] = ShardFacts(child, (number,), False, END)
        return [new, new + 1]

    def states(self) -> dict[int, str]:
        return {number: record.state for number, record in self.group.view(self.now).items()}

    def holders(self) -> dict[int, str]:
        return {number: record.holder for number, record in self.group.view(self.now).items()}


def test_first_consumer_gets_everything() -> None:
    case = Case(3)
    assert set(case.states().values()) == {NOT_ALLOC}
    assert case.beat("a") == [0, 1, 2]
    assert set(case.states().values()) == {ALLOC}


def test_joining_takes_over_only_when_the_holder_lets_go() -> None:
    case = Case(4)
    case.beat("a")
    assert case.beat("b") == []
    assert case.beat("a", 0, 1, 2, 3) == [0, 1]  # asked to give up 2 and 3
    assert case.states() == {0: ALLOC, 1: ALLOC, 2: TRANSFER, 3: TRANSFER}
    assert case.beat("b") == []
    assert case.beat("a", 0, 1, 2) == [0, 1]  # 2 is still being read
    assert case.beat("b") == [3]
    assert case.beat("a", 0, 1) == [0, 1]
    assert case.beat("b", 3) == [2, 3]


def test_counts_differ_by_at_most_one() -> None:
    case = Case(10)
    for name in "abc":
        case.beat(name)
    held: dict[str, list[int]] = {name: [] for name in "abc"}
    for _ in range(3):
        for name in "abc":
            held[name] = case.beat(name, *held[name])
    assert sorted(len(shards) for shards in held.values()) == [3, 3, 4]
    assert sorted(shard for shards in held.values() for shard in shards) == list(range(10))


def test_more_consumers_than_shards() -> None:
    case = Case(1)
    assert case.beat("a") == [0]
    assert case.beat("b") == []
    case.now += TIMEOUT
    case.beat("b")
    case.now += 1
    assert case.beat("b") == [0]


def test_holder_keeps_the_shard_when_the_next_consumer_dies() -> None:
    case = Case(2)
    case.beat("a")
    case.beat("b")
    assert case.beat("a", 0, 1) == [0]
    case.now += TIMEOUT  # b has been silent for the timeout, not longer
    assert case.beat("a", 0, 1) == [0]
    case.now += 0.1
    assert case.beat("a", 0, 1) == [0, 1]


def test_shards_of_a_dead_holder_are_free_also_in_transfer() -> None:
    case = Case(2)
    case.beat("a")
    case.now += TIMEOUT
    case.beat("b")
    case.now += 1
    assert case.beat("b") == [0, 1]


def test_dead_consumer_is_told_so_and_joins_anew() -> None:
    case = Case(2)
    case.beat("a")
    case.now += TIMEOUT + 1
    with pytest.raises(UnknownConsumer):
        case.beat("a", 0, 1)
    assert case.beat("a") == [0, 1]


def test_stable_name_finds_its_shards_again() -> None:
    case = Case(2)
    case.beat("a")
    case.beat("a", 0, 1)
    assert case.beat("a") == [0, 1]


def test_shards_of_others_in_the_list_are_not_confirmed() -> None:
    case = Case(2)
    case.beat("a")
    case.beat("b")
    case.beat("a", 0)
    assert case.beat("b", 0, 1) == [1]


def test_checkpoint_needs_the_holder_unless_forced() -> None:
    case = Case(2)
    case.beat("a")
    case.save(0, 5, "a", force=False)
    with pytest.raises(UnknownConsumer):
        case.save(0, 6, "b", force=False)
    case.beat("b")
    with pytest.raises(NotHolder):
        case.save(0, 7, "b", force=False)
    case.save(0, 8, "b")
    record = case.group.view(case.now)[0]
    assert (record.checkpoint, record.writer, record.holder) == (cursors.encode(8), "b", "a")
    with pytest.raises(UnknownShard):
        case.save(9, 1)


def test_holder_saves_while_in_transfer() -> None:
    case = Case(2)
    case.beat("a")
    case.beat("b")
    assert case.states()[1] == TRANSFER
    case.save(1, 5, "a", force=False)
    with pytest.raises(NotHolder):
        case.save(1, 5, "b", force=False)


def test_readonly_shard_read_to_its_end_is_over_and_the_rest_rebalanced() -> None:
    case = Case(2)
    case.beat("a")
    children = case.split(0)
    case.save(0, END - 1, "a", force=False)
    assert case.states()[0] == ALLOC
    case.save(0, END, "a", force=False)
    assert case.states()[0] == OVER
    assert case.beat("a", 0, 1) == [1, *children]


def test_readwrite_shard_at_its_end_is_not_over() -> None:
    case = Case(1)
    case.beat("a")
    case.save(0, END, "a")
    assert case.states()[0] == ALLOC


def test_shard_that_becomes_readonly_after_its_last_checkpoint() -> None:
    case = Case(1)
    case.beat("a")
    case.save(0, END, "a")
    children = case.split(0)
    assert case.beat("a", 0, over_on_heartbeat=False) == [0, *children]
    assert case.beat("a", 0, *children) == children


def test_empty_checkpoint_is_never_the_end() -> None:
    """Python SDK issue 126: an empty readonly shard is never committed by its worker."""
    case = Case(1)
    case.facts[0] = ShardFacts(0, (), True, END)
    assert case.beat("a") == [0]
    assert case.beat("a", 0) == [0]


def test_checkpoint_that_is_no_cursor_is_never_the_end() -> None:
    case = Case(1)
    case.facts[0] = ShardFacts(0, (), True, END)
    case.beat("a")
    case.group.checkpoint(0, "bm90IGEgbnVtYmVy", "a", case.now, force=False)
    assert case.states()[0] == ALLOC


def test_in_order_children_wait_for_all_ancestors() -> None:
    case = Case(1, order=True)
    case.beat("a")
    left, right = case.split(0)
    grandchildren = case.split(left)
    assert case.states() == {0: ALLOC, left: WAIT, right: WAIT, **dict.fromkeys(grandchildren, WAIT)}
    assert case.beat("a", 0) == [0]
    case.save(0, END, "a")
    assert case.beat("a") == [left, right]
    assert case.states()[grandchildren[0]] == WAIT
    case.save(left, END, "a")
    assert case.beat("a", left, right) == [right, *grandchildren]


def test_all_ancestors_count_not_only_parents() -> None:
    case = Case(1, order=True)
    case.beat("a")
    left, right = case.split(0)
    case.save(0, END, "a")
    case.save(0, 1)  # revived: its children have been started already
    grandchildren = case.split(left)
    case.save(left, END, "a")
    assert case.states() == {0: ALLOC, left: OVER, right: ALLOC, **dict.fromkeys(grandchildren, WAIT)}


def test_merged_shard_waits_for_both_parents() -> None:
    case = Case(2, order=True)
    case.beat("a")
    for number in (0, 1):
        case.facts[number] = case.facts[number]._replace(readonly=True)
    case.facts[2] = ShardFacts(2, (0, 1), False, END)
    case.save(0, END, "a")
    assert case.states()[2] == WAIT
    case.save(1, END, "a")
    assert case.states()[2] == ALLOC


def test_removed_ancestor_counts_as_finished() -> None:
    case = Case(1, order=True)
    case.beat("a")
    children = case.split(0)
    assert case.states()[children[0]] == WAIT
    del case.facts[0]
    assert case.beat("a") == children


def test_without_order_nothing_waits() -> None:
    case = Case(1)
    case.beat("a")
    children = case.split(0)
    assert case.beat("a", 0) == [0, *children]


def test_order_switched_off_frees_what_waits() -> None:
    case = Case(1, order=True)
    case.beat("a")
    children = case.split(0)
    case.group.update(case.now, order=False)
    assert case.beat("a", 0) == [0, *children]


def test_order_switched_on_holds_only_for_new_shards() -> None:
    case = Case(1)
    case.beat("a")
    left, right = case.split(0)
    case.beat("a", 0)
    case.group.update(case.now, order=True)
    assert case.beat("a", 0, left, right) == [0, left, right]
    grandchildren = case.split(left)
    assert case.beat("a", 0, left, right) == [0, left, right]
    assert case.states()[grandchildren[0]] == WAIT


def test_over_shard_is_revived_by_a_forced_checkpoint_below_its_end() -> None:
    case = Case(1)
    case.beat("a")
    case.facts[0] = ShardFacts(0, (), True, END)
    case.save(0, END, "a")
    assert case.beat("a") == []
    with pytest.raises(NotHolder):
        case.save(0, 5, "a", force=False)
    case.save(0, 5)
    assert case.beat("a") == [0]


def test_timeout_can_be_changed() -> None:
    case = Case(1)
    case.beat("a")
    case.group.update(case.now, timeout=100)
    case.now += 50
    assert case.beat("a", 0) == [0]


def test_forced_rebalance_moves_every_held_shard() -> None:
    case = Case(4)
    for name in "ab":
        case.beat(name)
    case.beat("a", 0, 1)
    case.beat("b")
    before = case.holders()
    assert case.group.force_rebalance(case.now) == 4
    assert case.beat("a", 0, 1) == []
    case.beat("b")
    case.beat("a")
    after = case.holders()
    assert all(before[number] != after[number] for number in before)


def test_forced_rebalance_of_a_single_consumer_does_nothing() -> None:
    case = Case(2)
    case.beat("a")
    assert case.group.force_rebalance(case.now) == 0
    assert case.beat("a", 0, 1) == [0, 1]


def test_kicked_consumer_has_to_join_anew() -> None:
    case = Case(1)
    case.beat("a")
    assert case.group.kick("a", case.now)
    assert not case.group.kick("a", case.now)
    with pytest.raises(UnknownConsumer):
        case.beat("a", 0)
