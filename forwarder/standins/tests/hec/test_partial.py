"""Cases P1 to P13: one bad object in a batch. What stands before it is indexed, nothing from it on."""

from __future__ import annotations

from typing import Any

import pytest

from sls_hec_standins.http import Fault

GOOD = b'{"event":"good"}'
ARRAY_IN_ARRAY = b'{"event":"x","fields":{"a":[["b"]]}}'
OBJECT_IN_ARRAY = b'{"event":"x","fields":{"a":[{"b":1}]}}'


def check(start: Any, connect: Any, bad: bytes, code: int, text: str, *, one_too_high: bool = False) -> None:
    """The bad object alone, in the middle and at the end, on a receiver like Splunk and on an atomic one."""
    for before, after in ((0, 0), (2, 1), (1, 0)):
        body = b"\n".join([GOOD] * before + [bad] + [GOOD] * after)
        expected = {"text": text, "code": code, "invalid-event-number": before + one_too_high}
        for profile, indexed in (("enterprise", before), ("atomic", 0)):
            hec = start(profile=profile)
            answer = connect(hec, "limited").post(body)
            assert (answer.status, answer.json) == (400, expected)
            assert hec.store.total == indexed


@pytest.mark.parametrize(
    "bad",
    [
        b'{"event":"x",}',
        b'{"event" "x"}',
        b"{event:1}",
        b"nonsense",
        b'{"event":"\x01"}',
        b'{"event":NaN}',
        b'{"event":Infinity}',
        b'{"event":01}',
        b'"event"',
        b'{"event":"x"',
        b'{"event":"x","a"}',
        b'{"event":' + b"[" * 100_000,
        b'{"event":"x","host":5}',
    ],
    ids=lambda bad: repr(bad[:30]),
)
def test_p1_syntax_error(start: Any, connect: Any, bad: bytes) -> None:
    """P1: Splunk 10.4.3, Splunk Cloud 10.5, local Splunk, Splunk 10.4.2."""
    check(start, connect, bad, 6, "Invalid data format")


@pytest.mark.parametrize("tail", [b'{"event":"second"', b'{"event":"seco', b'{"event":', b'{"eve', b"{"])
def test_p2_truncated_last_object(start: Any, connect: Any, texts: Any, tail: bytes) -> None:
    """P2: Splunk 10.4.3, and vector's test; Fluent Bit answers 200 and loses the tail."""
    hec = start()
    assert connect(hec).post(b'{"event":"first"}' + tail).brief == (400, 6, 1)
    assert texts(hec) == ["first"]
    lax = start(switches={"truncated_tail": "drop"})
    assert connect(lax).post(b'{"event":"first"}' + tail).brief == (200, 0, None)
    assert texts(lax) == ["first"]
    assert connect(lax).post(b'{"event":"first",}{"event":"second"}').brief == (400, 6, 0)


@pytest.mark.parametrize("garbage", [b"x", b"}", b",", b"null", b"]"])
def test_p3_trailing_garbage(client: Any, hec: Any, texts: Any, garbage: bytes) -> None:
    """P3: local Splunk."""
    assert client.post(b'{"event":"first"}' + garbage).brief == (400, 6, 1)
    assert texts(hec) == ["first"]


@pytest.mark.parametrize("bad", [b'{"time":1}', b"{}", b'{"host":"h","index":"main"}'])
def test_p4_neither_event_nor_fields(start: Any, connect: Any, bad: bytes) -> None:
    """P4: Splunk 10.4.3, local Splunk."""
    check(start, connect, bad, 12, "Event field is required")


@pytest.mark.parametrize("blank", [b'""', b'" \\t\\n"', b"null"])
def test_p5_blank_event(start: Any, connect: Any, blank: bytes) -> None:
    """P5: Splunk 10.4.3, Splunk 10.4.2."""
    check(start, connect, b'{"event":' + blank + b"}", 13, "Event field cannot be blank")


@pytest.mark.parametrize("code", [6, 12])
def test_p5_null_elsewhere(start: Any, connect: Any, code: int) -> None:
    """P5: code 6 on Splunk 9.0.5 (splunk-otel-collector-chart issue 1002), 12 on vector."""
    hec = start(switches={"null_event": code})
    assert connect(hec).post(GOOD + b'{"event":null}').brief == (400, code, 1)


@pytest.mark.parametrize("bad", [b'{"event":"x","fields":{"a":{"b":1}}}', ARRAY_IN_ARRAY, OBJECT_IN_ARRAY])
def test_p6_nested_fields(start: Any, connect: Any, bad: bytes) -> None:
    """P6: Splunk 10.4.3, OpenTelemetry receiver, local Splunk."""
    check(start, connect, bad, 15, "Error in handling indexed fields")


def test_p7_fields_is_an_array(start: Any, connect: Any) -> None:
    """P7: local Splunk."""
    check(start, connect, b'{"event":"x","fields":["a"]}', 6, "Invalid data format")


@pytest.mark.parametrize("time", [b'"yesterday"', b'""', b"true", b"null", b"[]", b'"1,5"', b'"NaN"'])
def test_p8_time_is_no_number(start: Any, connect: Any, time: bytes) -> None:
    """P8: Splunk 10.4.2; code 6 in vector."""
    bad = b'{"event":"x","time":' + time + b"}"
    check(start, connect, bad, 15, "Error in handling indexed fields")
    assert connect(start(switches={"bad_time": 6})).post(GOOD + bad).brief == (400, 6, 1)


def test_p9_index_not_allowed(start: Any, connect: Any) -> None:
    """P9: Splunk 10.4.3, Splunk Cloud 10.5, Splunk 10.4.2, local Splunk: the number is one too high."""
    check(start, connect, b'{"event":"x","index":"secret"}', 7, "Incorrect index", one_too_high=True)


def test_p9_allowed_and_default_index(hec: Any, connect: Any) -> None:
    client = connect(hec, "limited")
    assert client.post(b'{"event":"x","index":"audit"}{"event":"x"}').status == 200
    assert client.post(b'{"event":"x"}', "/services/collector?index=secret").brief == (400, 7, 1)
    assert connect(hec).post(b'{"event":"x","index":"anything"}').status == 200


@pytest.mark.parametrize("key", [b"sourceType", b"foo", b"", b"event\\u0041"])
def test_p10_unknown_key(client: Any, hec: Any, texts: Any, key: bytes) -> None:
    """P10: Splunk 10.4.3, Splunk Cloud 10.5: 200, and silently nothing from there on."""
    bad = b'{"event":"b","' + key + b'":1}'
    assert client.post(b'{"event":"a"}' + bad + b'{"event":"c"}').brief == (200, 0, None)
    assert texts(hec) == ["a"]
    assert client.post(bad).json == {"text": "No data", "code": 5}
    assert client.post(bad + b'{"event":"c"}').brief == (400, 5, None)
    assert hec.store.total == 1


def test_p10_escaped_spelling_of_a_known_key(client: Any, hec: Any, texts: Any) -> None:
    client.post(b'{"\\u0065vent" : "a" , "time":1 }')
    assert texts(hec) == ["a"]


@pytest.mark.parametrize(
    ("bad", "code", "number"),
    [
        (b"nonsense", 6, 1),
        (b'{"time":1}', 12, 1),
        (b'{"event":""}', 13, 1),
        (b'{"event":"x","fields":{"a":{}}}', 15, 1),
        (b'{"event":"x","index":"secret"}', 7, 2),
    ],
)
def test_p11_ack_id_for_the_prefix(hec: Any, connect: Any, bad: bytes, code: int, number: int) -> None:
    """P11: Splunk 10.4.3; kafka-connect-splunk issue 200 shows it with code 13."""
    hec.tokens.change("ack", indexes=["main"])
    client = connect(hec, "ack")
    assert "ackId" not in client.post_acked(bad).json
    answer = client.post_acked(GOOD + bad)
    assert list(answer.json.items())[1:] == [("code", code), ("invalid-event-number", number), ("ackId", 0)]
    hec.clock.advance(1)
    assert client.acks([0]) == {"0": True}


def test_p11_atomic_has_no_ack_id(start: Any, connect: Any) -> None:
    hec = start(profile="atomic")
    assert "ackId" not in connect(hec, "ack").post_acked(GOOD + b"x").json


@pytest.mark.parametrize("after", [0, 2])
def test_p12_queue_fills_in_the_middle(client: Any, hec: Any, texts: Any, after: int) -> None:
    """P12: splunk-connect-for-kubernetes issues 555 and 474."""
    hec.faults.add(Fault("busy", after=after, times=1))
    answer = client.post(b'{"event":0}{"event":1}{"event":2}')
    expected = {"text": "Server is busy", "code": 9, "invalid-event-number": after}
    assert (answer.status, answer.json) == (503, expected)
    assert texts(hec) == list(range(after))


def test_p12_has_no_ack_id(ack_client: Any, hec: Any) -> None:
    """No 503 with an ackId was ever seen, so the prefix stays unacknowledged."""
    hec.faults.add(Fault("busy", after=1, times=1))
    assert "ackId" not in ack_client.post_acked(GOOD + GOOD).json
    assert hec.store.total == 1
    assert ack_client.post_acked(GOOD).json["ackId"] == 0


def test_p12_batch_that_just_fits(client: Any, hec: Any) -> None:
    hec.faults.add(Fault("busy", after=2))
    assert client.post(GOOD + GOOD).brief == (200, 0, None)
    assert client.post(GOOD + b"nonsense").brief == (400, 6, 1)
    assert hec.store.total == 3


def test_p13_two_bad_objects(client: Any, hec: Any, texts: Any) -> None:
    """P13: follows from P1 to P9; the second shows when the rest is sent again."""
    body = [b'{"event":0}', b'{"event":""}', b'{"event":2}', b'{"time":1}', b'{"event":4}']
    assert client.post(b"".join(body)).brief == (400, 13, 1)
    assert client.post(b"".join(body[2:])).brief == (400, 12, 1)
    assert client.post(b"".join(body[4:])).brief == (200, 0, None)
    assert texts(hec) == [0, 2, 4]
