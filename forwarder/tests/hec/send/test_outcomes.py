"""What an answer means for the events of a batch: a table; and no event is forgotten or decided on twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sls_hec_forwarder.delivery.batcher import Batch, Piece
from sls_hec_forwarder.delivery.lease import Fence, Lease
from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.hec.api.answers import Action, Answer, classify
from sls_hec_forwarder.hec.send.custody import Custody
from sls_hec_forwarder.hec.send.isolate import Share
from sls_hec_forwarder.hec.send.outcomes import (
    Again,
    AtOnce,
    AwaitAck,
    Dead,
    Delivered,
    NoAck,
    Policy,
    Reroute,
    Result,
    decide,
)
from sls_hec_forwarder.hec.send.refusals import Next

PREFIX, ATOMIC = Policy(), Policy(atomic=True)
OFF, SAVES, FALLBACK = Policy(acks=False), Policy(can_save=True), Policy(fallback_index="audit")

ACCEPTED = Answer(Action.DONE, 200, "accepted", 0)
FULL = Answer(Action.DONE_SLOW_DOWN, 200, "accepted; a queue is nearly full", 24)
NUMBERED = replace(ACCEPTED, ack_id=7)
BUSY = Answer(Action.RETRY, 503, "server error", 9)
BROKEN = Answer(Action.RETRY, 502, "a proxy got no answer", may_have_taken=True)
FORBIDDEN = Answer(Action.HOLD, 403, "access denied")
TOO_LARGE = Answer(Action.SPLIT, 413, "the body is too large")
REFUSED = Answer(Action.ISOLATE, 400, "no data", 12)
AT_3 = replace(REFUSED, invalid_event=3, accepted_prefix=3)
AT_0 = replace(REFUSED, invalid_event=0)
INDEX_AT_3 = replace(AT_3, code=7)


def span(start: int, stop: int) -> Share:
    return Share.of((start, stop))


def envelope(number: int) -> bytes:
    return b'{"index":"main","event":"%d"}' % number


def batch_of(events: int, per_piece: int = 4) -> Batch:
    numbers = [range(at, min(at + per_piece, events)) for at in range(0, events, per_piece)]
    pull = Lease(1, "c0", Fence(60)).begin("c1", len(numbers), 0.0)
    pieces = [Piece(pull, b"\n".join(envelope(each) for each in group), len(group), 0.0) for group in numbers]
    return Batch(pieces, attempts=2)


ALL = span(0, 10)
TABLE: list[tuple[Policy, Answer, Next | None, bool, list[Result]]] = [
    # policy, answer, fault, ids were given before
    (PREFIX, ACCEPTED, None, False, [Delivered(ALL)]),
    (PREFIX, ACCEPTED, None, True, [Delivered(ALL)]),
    (PREFIX, FULL, None, False, [Delivered(ALL)]),
    (PREFIX, NUMBERED, None, False, [AwaitAck(ALL, 7)]),
    (OFF, NUMBERED, None, False, [Delivered(ALL)]),
    (PREFIX, BUSY, None, False, [Again(ALL, 3, False)]),
    (PREFIX, BROKEN, None, False, [Again(ALL, 3, True)]),
    (PREFIX, FORBIDDEN, None, False, [Again(ALL, 3, False)]),
    # After a part was taken.
    (
        PREFIX,
        replace(BUSY, accepted_prefix=4),
        None,
        False,
        [Again(span(4, 10), 3, False), Delivered(span(0, 4))],
    ),
    (PREFIX, replace(BUSY, accepted_prefix=4), None, True, [Again(span(4, 10), 3, False), NoAck(span(0, 4))]),
    (PREFIX, replace(BUSY, accepted_prefix=99), None, False, [Again(ALL, 3, False)]),
    (ATOMIC, replace(BUSY, accepted_prefix=4), None, False, [Again(ALL, 3, False)]),
    (
        PREFIX,
        replace(AT_3, ack_id=1),
        None,
        True,
        [AtOnce(span(4, 10), 1), AwaitAck(span(0, 3), 1), Dead(span(3, 4), "refused")],
    ),
    # An event is refused.
    (
        PREFIX,
        AT_3,
        None,
        False,
        [AtOnce(span(4, 10), 1), Delivered(span(0, 3)), Dead(span(3, 4), "refused")],
    ),
    (PREFIX, AT_0, None, False, [AtOnce(span(1, 10), 1), Dead(span(0, 1), "refused")]),
    (ATOMIC, AT_3, None, False, [AtOnce(Share.of((0, 3), (4, 10)), 1), Dead(span(3, 4), "refused")]),
    (PREFIX, REFUSED, None, False, [AtOnce(span(0, 5), 0), AtOnce(span(5, 10), 0)]),
    (PREFIX, replace(AT_3, invalid_event=10), None, False, [AtOnce(span(0, 5), 0), AtOnce(span(5, 10), 0)]),
    (PREFIX, TOO_LARGE, None, False, [AtOnce(span(0, 5), 0), AtOnce(span(5, 10), 0)]),
    # Its index is refused.
    (
        FALLBACK,
        INDEX_AT_3,
        None,
        False,
        [
            AtOnce(span(4, 10), 1),
            Delivered(span(0, 3)),
            Reroute(span(3, 4), b'{"index":"audit","event":"3"}'),
        ],
    ),
    (
        Policy(fallback_index="main"),
        INDEX_AT_3,
        None,
        False,
        [AtOnce(span(4, 10), 1), Delivered(span(0, 3)), Dead(span(3, 4), "refused")],
    ),
    # It is refused because of itself.
    (PREFIX, FORBIDDEN, Next.AGAIN, False, [Again(ALL, 3, False)]),
    (PREFIX, BROKEN, Next.HALVE, False, [Again(span(0, 5), 1, True), Again(span(5, 10), 1, True)]),
    (PREFIX, FORBIDDEN, Next.BURY, False, [Again(ALL, 3, False)]),
]


@pytest.mark.parametrize(("policy", "answer", "fault", "acks_given", "expected"), TABLE)
def test_table(
    policy: Policy, answer: Answer, fault: Next | None, acks_given: bool, expected: list[Result]
) -> None:
    assert decide(batch_of(10), answer, policy, fault=fault, acks_given=acks_given) == expected


ONE = span(0, 1)


@pytest.mark.parametrize(
    ("policy", "answer", "fault", "expected"),
    [
        (PREFIX, TOO_LARGE, None, Dead(ONE, "oversize")),
        (PREFIX, REFUSED, None, Dead(ONE, "refused")),
        (PREFIX, AT_0, None, Dead(ONE, "refused")),
        (SAVES, FORBIDDEN, Next.BURY, Dead(ONE, "blocked")),
        (PREFIX, FORBIDDEN, Next.BURY, Again(ONE, 3, False)),
        (PREFIX, FORBIDDEN, Next.HALVE, Again(ONE, 1, False)),
        (FALLBACK, replace(AT_0, code=7), None, Reroute(ONE, b'{"index":"audit","event":"0"}')),
    ],
)
def test_a_single_event(policy: Policy, answer: Answer, fault: Next | None, expected: Result) -> None:
    assert decide(batch_of(1), answer, policy, fault=fault) == [expected]


def test_an_event_is_rerouted_once() -> None:
    batch = batch_of(1)
    batch.pieces[0].original = batch.pieces[0].body
    assert decide(batch, replace(AT_0, code=7), Policy(fallback_index="other")) == [Dead(ONE, "refused")]


def test_what_is_no_json_cannot_be_rerouted() -> None:
    batch = Batch([Piece(batch_of(1).pieces[0].pull, b"garbage", 1, 0.0)])
    assert decide(batch, replace(AT_0, code=7), FALLBACK) == [Dead(ONE, "refused")]


maybe = st.none() | st.integers(0, 30)
given_answers = st.builds(
    Answer,
    action=st.sampled_from(Action),
    status=st.sampled_from([0, 200, 400, 413, 500, 503]),
    text=st.just("x"),
    code=st.sampled_from([None, 0, 6, 7, 9]),
    invalid_event=maybe,
    accepted_prefix=st.integers(0, 30),
    ack_id=maybe,
    may_have_taken=st.booleans(),
)
classified = st.builds(
    lambda status, code, number, ack: classify(
        status, {}, b'{"code":%d,"invalid-event-number":%d,"ackId":%d}' % (code, number, ack)
    ),
    st.sampled_from([200, 400, 403, 404, 413, 500, 503]),
    st.integers(0, 28),
    st.integers(0, 30),
    st.integers(0, 5),
)


@given(
    events=st.integers(1, 25),
    per_piece=st.integers(1, 9),
    isolated=st.integers(0, 12),
    answer=given_answers | classified,
    policy=st.builds(
        Policy,
        atomic=st.booleans(),
        acks=st.booleans(),
        can_save=st.booleans(),
        fallback_index=st.sampled_from(["", "audit"]),
    ),
    fault=st.sampled_from([None, *Next]),
    acks_given=st.booleans(),
)
def test_every_event_is_in_one_result(
    events: int,
    per_piece: int,
    isolated: int,
    answer: Answer,
    policy: Policy,
    fault: Next | None,
    acks_given: bool,
) -> None:
    batch = batch_of(events, per_piece)
    batch.isolated = isolated
    size, body, pieces = batch.size, batch.body(), list(batch.pieces)
    results = decide(batch, answer, policy, fault=fault, acks_given=acks_given)

    numbers = [number for each in results for span in each.share.spans for number in range(*span)]
    assert sorted(numbers) == list(range(events))
    assert all(each.share.events for each in results)
    assert all(each.share.events == 1 for each in results if isinstance(each, (Dead, Reroute)))
    assert sum(isinstance(each, (Delivered, AwaitAck, NoAck)) for each in results) <= 1
    # It was only decided.
    assert (batch.pieces, batch.body(), batch.attempts, batch.isolated) == (pieces, body, 2, isolated)

    custody = Custody(Outbox(max_bytes=1, batch_bytes=1, batch_age=0.0))
    custody.adopt([batch])
    parts = custody.divide(batch, [each.share for each in results])
    assert {id(each) for each in custody.left()} == {id(each) for each in parts}
    assert len(custody.left()) == len(parts)
    assert sum(part.size for part in parts) == size
    for part, each in zip(parts, results):
        of_share = [envelope(number) for span in each.share.spans for number in range(*span)]
        assert part.body().split(b"\n") == of_share
        assert (part.events, part.attempts, part.isolated) == (len(of_share), 2, isolated)


@pytest.mark.parametrize(
    "spans",
    [[], [(0, 4)], [(1, 10)], [(0, 5), (6, 10)], [(0, 6), (5, 10)], [(0, 10), (0, 10)], [(0, 11)]],
)
def test_shares_that_do_not_fit_leave_every_event_in_custody(spans: list[tuple[int, int]]) -> None:
    batch = batch_of(10)
    custody = Custody(Outbox(max_bytes=1, batch_bytes=1, batch_age=0.0))
    custody.adopt([batch])
    with pytest.raises(ValueError, match="cannot be divided"):
        custody.divide(batch, [span(*each) for each in spans])
    left = b"\n".join(part.body() for part in custody.left()).split(b"\n")
    assert sorted(left) == sorted(envelope(number) for number in range(10))
