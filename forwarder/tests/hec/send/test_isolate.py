"""Bad events in a batch, against a collector in a few lines: nothing lost, nothing twice, bounded work."""

from __future__ import annotations

from collections import Counter, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sls_hec_forwarder.delivery.batcher import Batch, Piece
from sls_hec_forwarder.delivery.lease import Fence, Lease
from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.hec.api.answers import INCORRECT_INDEX, Action, Answer, classify
from sls_hec_forwarder.hec.send.custody import Custody
from sls_hec_forwarder.hec.send.isolate import judge


def batch_of(names: list[bytes], per_piece: int = 3) -> Batch:
    groups = [names[at : at + per_piece] for at in range(0, len(names), per_piece)]
    pull = Lease(1, "c0", Fence(60)).begin("c1", len(groups), 0.0)
    return Batch([Piece(pull, b"\n".join(group), len(group), 0.0) for group in groups])


class Collector:
    """Prefix-indexing as Splunk, or atomic. Refuses `bad` events by `code`, bodies above `limit` by 413."""

    def __init__(
        self, bad: set[bytes], *, atomic: bool = False, code: int = 6, named: bool = True, limit: int = 10**9
    ) -> None:
        self.bad, self.atomic, self.code, self.named, self.limit = bad, atomic, code, named, limit
        self.stored: Counter[bytes] = Counter()
        self.posts = 0
        self.bytes = 0

    def post(self, body: bytes) -> Answer:
        self.posts += 1
        self.bytes += len(body)
        if len(body) > self.limit:
            return classify(413, {}, b"<html>")
        names = body.split(b"\n")
        first = next((n for n, name in enumerate(names) if name in self.bad), None)
        if first is None:
            self.stored.update(names)
            return classify(200, {}, b'{"text":"Success","code":0}')
        if not self.atomic and self.named:
            self.stored.update(names[:first])
        number = first + 1 if self.code == INCORRECT_INDEX else first
        where = f',"invalid-event-number":{number}' if self.named else ""
        return classify(400, {}, f'{{"text":"x","code":{self.code}{where}}}'.encode())


def deliver(batch: Batch, collector: Collector) -> list[bytes]:
    """Send until nothing is left; the dead letters."""
    queue, dead = deque([batch]), []
    custody = Custody(Outbox(max_bytes=1, batch_bytes=1, batch_age=0.0))
    while queue:
        current = queue.popleft()
        size = current.size
        answer = collector.post(current.body())
        if answer.action is Action.DONE:
            continue
        verdict = judge(current.events, current.isolated, answer, collector.atomic)
        shares = [share for share in (verdict.taken, verdict.dead, *verdict.again) if share is not None]
        custody.adopt([current])
        parts = custody.divide(current, shares)
        assert len(custody.left()) == len(parts)
        assert {id(part) for part in custody.left()} == {id(part) for part in parts}
        assert sum(part.size for part in parts) == size
        assert all(part.pieces for part in parts)
        if verdict.dead is not None:
            assert verdict.dead.events == 1
            dead.append(parts[shares.index(verdict.dead)].body())
        again = parts[len(parts) - len(verdict.again) :]
        for part in again:
            part.isolated = verdict.isolated
        queue.extendleft(reversed(again))
        for part in parts:
            custody.release(part)
    return dead


def names_of(count: int) -> list[bytes]:
    return [b'{"event":"%05d"}' % number for number in range(count)]


@given(
    count=st.integers(1, 60),
    bad=st.sets(st.integers(0, 59)),
    per_piece=st.integers(1, 7),
    atomic=st.booleans(),
    code=st.sampled_from([6, 7, 12, 13, 15]),
    named=st.booleans(),
    limit=st.sampled_from([40, 200, 10**6]),
)
def test_exactly_the_bad_events_die_and_the_others_arrive_once(
    count: int, bad: set[int], per_piece: int, atomic: bool, code: int, named: bool, limit: int
) -> None:
    names = names_of(count)
    poison = {names[number] for number in bad if number < count}
    collector = Collector(poison, atomic=atomic, code=code, named=named, limit=limit)
    dead = deliver(batch_of(names, per_piece), collector)
    assert sorted(dead) == sorted(poison)
    assert collector.stored == Counter(name for name in names if name not in poison)


@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize("k", [0, 1, 5, 8])
def test_a_few_bad_events_cost_one_request_each(k: int, atomic: bool) -> None:
    names = names_of(1000)
    collector = Collector(set(names[100 : 100 + 90 * k : 90]), atomic=atomic)
    deliver(batch_of(names), collector)
    assert collector.posts <= k + 1


@pytest.mark.parametrize("atomic", [False, True])
def test_nothing_but_bad_events_is_not_quadratic(atomic: bool) -> None:
    names = names_of(2000)
    collector = Collector(set(names), atomic=atomic)
    batch = batch_of(names)
    size = batch.size
    assert len(deliver(batch, collector)) == 2000
    assert collector.posts <= 2000 * 1.3
    assert collector.bytes <= size * 60


@pytest.mark.parametrize("number", [5, 6, 10**9])
def test_a_number_beyond_the_batch_is_no_number(number: int) -> None:
    answer = classify(400, {}, b'{"code":6,"invalid-event-number":%d}' % number)
    verdict = judge(5, 0, answer, atomic=False)
    assert verdict.taken is None
    assert verdict.dead is None
    assert [part.events for part in verdict.again] == [2, 3]


def test_incorrect_index_of_a_batch_of_one() -> None:
    answer = classify(400, {}, b'{"code":7,"invalid-event-number":1}')
    verdict = judge(1, 0, answer, atomic=False)
    assert verdict.dead is not None
    assert verdict.again == []


@pytest.mark.parametrize(
    ("atomic", "number", "taken", "again"),
    [
        (False, 2, 2, 3),
        (False, 0, 0, 5),
        (False, 5, 0, 5),
        (False, 9, 0, 5),
        (True, 2, 0, 5),
    ],
)
def test_busy_after_a_prefix(atomic: bool, number: int, taken: int, again: int) -> None:
    answer = classify(503, {}, b'{"code":9,"invalid-event-number":%d}' % number)
    verdict = judge(5, 0, answer, atomic)
    assert (verdict.taken.events if verdict.taken else 0) == taken
    assert verdict.dead is None
    assert [part.events for part in verdict.again] == [again]
