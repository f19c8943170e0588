"""The prefix rule for any batch, against a model written down independently of the parser."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sls_hec_standins.hec.acks import Acks
from sls_hec_standins.hec.answers import Refusal
from sls_hec_standins.hec.behaviour import Behaviour
from sls_hec_standins.hec.envelopes import Defaults, parse_events
from sls_hec_standins.hec.tokens import Token

DEFAULTS = Defaults(
    token=Token("value", indexes=("main",)),
    host="h",
    source="s",
    sourcetype="t",
    index="main",
    time="1",
    received=1.0,
    node=0,
    batch=1,
)
BEHAVIOUR = Behaviour()

# A busy machine or a cold JIT is no finding.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
events = json_values.filter(
    lambda value: value not in (None, {}, []) and not (isinstance(value, str) and not value.strip())
)
fields = st.dictionaries(st.text(), st.text() | st.integers() | st.booleans(), max_size=3)


class Outcome(str):
    """Marks what is no event."""

    def __new__(cls, what: object) -> Outcome:
        return super().__new__(cls, what)


# An object as text, and what becomes of it: the event, a code, or "skip" or "stop".
good = st.tuples(events, fields, st.booleans()).map(
    lambda made: (
        json.dumps({"fields": made[1], "time": 5, "event": made[0], "host": "x"}, ensure_ascii=made[2]),
        made[0],
    )
)
bad = st.sampled_from(
    [
        ('{"event":', 6),
        ("!", 6),
        ('{"event":"x","fields":[]}', 6),
        ("{}", 12),
        ('{"event":null}', 13),
        ('{"event":" "}', 13),
        ('{"event":"x","fields":{"a":{}}}', 15),
        ('{"event":"x","time":"x"}', 15),
        ('{"event":"x","index":"other"}', 7),
        ('{"event":"x","Event":1}', "stop"),
        ('{"fields":{"a":1}}', "skip"),
    ]
).map(lambda made: (made[0], Outcome(made[1])))
space = st.text(" \t\r\n", max_size=3)


def model(objects: list[tuple[str, Any]]) -> tuple[list[Any], tuple[int, int | None] | None]:
    """The indexed events, and code and number of the answer if it is an error."""
    indexed: list[Any] = []
    for number, (_, outcome) in enumerate(objects):
        if not isinstance(outcome, Outcome):
            indexed.append(outcome)
        elif outcome == "stop":
            return indexed, (5, None) if number == 0 else None
        elif outcome != "skip":
            return indexed, (int(outcome), number + (outcome == "7"))
    return indexed, None if objects else (5, None)


def outcome_of(body: bytes) -> tuple[list[Any], tuple[int, int | None] | None]:
    batch = parse_events(body, DEFAULTS, BEHAVIOUR)
    error = None if batch.refusal is None else (batch.refusal.code, batch.refusal.number)
    return [json.loads(event.event) for event in batch.events], error


@unhurried
@given(st.lists(good | bad, max_size=6), st.lists(space, min_size=7, max_size=7))
def test_prefix_rule(objects: list[tuple[str, Any]], gaps: list[str]) -> None:
    body = gaps[0] + "".join(text + gap for (text, _), gap in zip(objects, gaps[1:]))
    assert outcome_of(body.encode("utf-8", "replace")) == model(_as_sent(objects))


@unhurried
@given(st.lists(good, min_size=1, max_size=4))
def test_event_bytes_are_those_sent(objects: list[tuple[str, Any]]) -> None:
    body = "\n".join(text for text, _ in objects).encode("utf-8", "replace")
    batch = parse_events(body, DEFAULTS, BEHAVIOUR)
    assert all(event.event in event.envelope in body for event in batch.events)
    assert [event.fields for event in batch.events] == [
        json.loads(text.encode("utf-8", "replace"))["fields"] for text, _ in objects
    ]


@unhurried
@given(st.binary(max_size=60) | st.text('{}[]:,"ab1 event\\', max_size=60).map(str.encode))
def test_any_bytes_are_answered(body: bytes) -> None:
    batch = parse_events(body, DEFAULTS, BEHAVIOUR)
    assert batch.refusal is None or batch.refusal.code in range(5, 16)


@unhurried
@given(st.binary(max_size=200).map(lambda noise: b'{"event":"a"}' + noise))
def test_a_complete_object_is_indexed_whatever_follows(body: bytes) -> None:
    assert len(parse_events(body, DEFAULTS, BEHAVIOUR)) >= 1


def _as_sent(objects: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Lone surrogates cannot be sent in UTF-8 and arrive as question marks."""
    return [
        (text, outcome)
        if isinstance(outcome, Outcome)
        else (text, json.loads(text.encode("utf-8", "replace"))["event"])
        for text, outcome in objects
    ]


@unhurried
@given(
    st.lists(
        st.tuples(st.sampled_from(["post", "poll", "wait"]), st.integers(0, 1), st.integers(0, 400)),
        max_size=40,
    )
)
def test_ids_turn_true_once_and_only_when_due(steps: list[tuple[str, int, int]]) -> None:
    """Ids of each channel count from 0 again after it was idle, and each id is true at most once."""
    acks, now = Acks(BEHAVIOUR), 0.0
    issued: dict[int, dict[int, float]] = {0: {}, 1: {}}
    used = {0: 0.0, 1: 0.0}
    for step, channel, number in steps:
        if now - used[channel] > BEHAVIOUR.channel_idle:
            issued[channel] = {}
        known = issued[channel]
        if step == "wait":
            now += number
        elif step == "post":
            expected = max(known, default=-1) + 1
            assert acks.issue(str(channel), now, now + 100) == expected
            known[expected] = now + 100
            used[channel] = now
        else:
            number %= 8
            due = known.get(number, now + 1) <= now
            assert acks.query(str(channel), [number], now) == {number: due}
            if due:
                known[number] = float("inf")
            if known:
                used[channel] = now


def test_refusal_is_an_exception_with_a_code() -> None:
    assert Refusal(6, number=3).response(ack_id=1).body == (
        b'{"text":"Invalid data format","code":6,"invalid-event-number":3,"ackId":1}'
    )
