"""Which of the shards that SLS assigns are opened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.sls.group.assigned import MOST_SHARDS, Assigned


class Watched(Assigned):
    def __init__(self, most: int = MOST_SHARDS) -> None:
        self.asked = 0
        self.conditions = Conditions()
        super().__init__(self.conditions, self._ask, most)

    def _ask(self) -> None:
        self.asked += 1

    def stands(self) -> list[str]:
        return [each.name for each in self.conditions.standing()]


def test_shards_that_are_listed_are_opened() -> None:
    assigned = Watched()
    assert not assigned.listed([0, 1, 2])
    assert assigned.admit([2, 0, 2], held=()) == [0, 2]
    assert assigned.asked == 0
    assert assigned.stands() == []


def test_a_shard_that_a_split_has_just_made_is_opened_when_it_is_listed() -> None:
    assigned = Watched()
    assigned.listed([0])
    assert assigned.admit([0, 1], held=[0]) == [0]
    assert assigned.asked == 1
    assigned.listed([0])  # was on its way when the shard was named
    assert assigned.admit([0, 1], held=[0]) == [0]
    assert assigned.stands() == []
    assert assigned.listed([0, 1])  # whoever beats is told to do so again
    assert assigned.admit([0, 1], held=[0]) == [0, 1]
    assert assigned.asked == 1
    assert not assigned.listed([0, 1])


def test_shards_that_do_not_exist_are_not_opened_and_told() -> None:
    assigned = Watched()
    assigned.listed([0, 1])
    named = [0, 1, -5, *range(1000, 2500)]
    for _ in range(3):
        assert assigned.admit(named, held=[0, 1]) == [0, 1]
        assigned.listed([0, 1])
    assert assigned.asked == 1  # for the same ones the usual listings will do
    [condition] = assigned.conditions.standing()
    assert condition.name == "shards_not_listed"
    assert condition.text.endswith(
        "names shards -5, 1000, 1001, 1002, 1003 and 1496 more, which ListShards does not list"
    )
    assert assigned.admit([0, 1], held=[0, 1]) == [0, 1]
    assert assigned.stands() == []


def test_a_shard_that_is_held_stays_when_it_is_not_listed_any_more() -> None:
    """Only SLS says who holds it: its last logs are still read."""
    assigned = Watched()
    assigned.listed([0, 1])
    assigned.listed([1])
    assert assigned.admit([0, 1], held=[0]) == [0, 1]
    assert assigned.admit([0, 1], held=[]) == [1]


def test_more_than_one_process_reads_are_told_and_those_that_are_held_stay() -> None:
    assigned = Watched(most=3)
    assigned.listed(range(10))
    assert assigned.admit(range(10), held=[8, 9]) == [0, 8, 9]
    [condition] = assigned.conditions.standing()
    assert condition.name == "shards_too_many"
    assert condition.severity.value == "critical"
    assert condition.text.startswith(
        "SLS assigns 10 shards to this consumer; not read: shards 1, 2, 3, 4, 5 and 2 m"
    )
    assert assigned.admit([7, 8, 9], held=[0, 8, 9]) == [7, 8, 9]
    assert assigned.stands() == []


@given(
    listed=st.sets(st.integers(0, 30)),
    named=st.lists(st.integers(-5, 40)),
    held=st.sets(st.integers(0, 30), max_size=5),
)
def test_whatever_is_named(listed: set[int], named: list[int], held: set[int]) -> None:
    assigned = Watched(most=5)
    assigned.listed(listed)
    admitted = assigned.admit(named, held)
    assert admitted == sorted(set(admitted))
    assert set(admitted) <= set(named) & (listed | held)
    assert len(admitted) <= 5
    assert held & set(named) <= set(admitted)
