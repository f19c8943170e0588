"""The answer table: every row of the reference cases, then anything at all."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sls_hec_forwarder.hec.api.answers import CLOUD_BODY_BYTES, Action, Answer, advice, classify
from sls_hec_forwarder.hec.send.acks import parse_answers

HTML = b"<html><head><title>Bad</title></head><body>Bad</body></html>"


def body(code: int, text: str = "text", number: object = ..., ack_id: object = ...) -> bytes:
    more = {"code": code, "invalid-event-number": number, "ackId": ack_id}
    return json.dumps({"text": text, **{k: v for k, v in more.items() if v is not ...}}).encode()


@pytest.mark.parametrize(
    ("status", "answer", "action"),
    [
        (200, body(0), Action.DONE),
        (200, body(0, ack_id=3), Action.DONE),
        (200, body(24), Action.DONE_SLOW_DOWN),
        (200, body(25), Action.DONE_SLOW_DOWN),
        # Not a success unless the body says so.
        (200, b"", Action.HOLD),
        (200, HTML, Action.HOLD),
        (200, b'{"text":"Success"}', Action.HOLD),
        (200, b'{"text":"Success","code":"0"}', Action.HOLD),
        (200, b'{"text":"Success","code":false}', Action.HOLD),
        (200, body(5), Action.HOLD),
        (200, b"[0]", Action.HOLD),
        (201, body(0), Action.HOLD),
        (204, b"", Action.HOLD),
        (301, HTML, Action.HOLD),
        (302, b"", Action.HOLD),
        (307, b"", Action.HOLD),
        (403, body(1), Action.HOLD),
        (401, body(2), Action.HOLD),
        (401, body(3), Action.HOLD),
        (403, body(4), Action.HOLD),
        (400, body(10), Action.HOLD),
        (400, body(11), Action.HOLD),
        (400, body(14), Action.HOLD),
        (400, body(16), Action.HOLD),
        (400, body(28), Action.HOLD),
        (401, HTML, Action.HOLD),
        (403, HTML, Action.HOLD),
        (407, HTML, Action.HOLD),
        (400, HTML, Action.HOLD),
        (405, body(404), Action.HOLD),
        (415, HTML, Action.HOLD),
        (404, body(404), Action.RETRY_THEN_HOLD),
        (404, HTML, Action.RETRY_THEN_HOLD),
        (413, HTML, Action.SPLIT),
        (400, body(5), Action.ISOLATE),
        (400, body(6, number=1), Action.ISOLATE),
        (400, body(7, number=1), Action.ISOLATE),
        (400, body(12, number=1), Action.ISOLATE),
        (400, body(13, number=1), Action.ISOLATE),
        (400, body(15, number=1), Action.ISOLATE),
        (400, body(6), Action.ISOLATE),
        (408, HTML, Action.RETRY),
        (429, body(26), Action.RETRY),
        (429, body(27), Action.RETRY),
        (429, HTML, Action.RETRY),
        (500, body(8), Action.RETRY),
        (500, HTML, Action.RETRY),
        (502, HTML, Action.RETRY),
        (503, body(9), Action.RETRY),
        (503, body(18), Action.RETRY),
        (503, body(23), Action.RETRY),
        (503, HTML, Action.RETRY),
        (504, HTML, Action.RETRY),
        (599, b"", Action.RETRY),
    ],
)
def test_action(status: int, answer: bytes, action: Action) -> None:
    found = classify(status, {}, answer)
    assert found.action is action
    assert found.text
    assert advice(found)


@pytest.mark.parametrize(
    ("code", "number", "bad"),
    [(6, 0, 0), (6, 3, 3), (12, 3, 3), (13, 3, 3), (15, 3, 3), (7, 4, 3), (7, 1, 0), (7, 0, 0)],
)
def test_the_bad_event_and_what_was_taken_before_it(code: int, number: int, bad: int) -> None:
    found = classify(400, {}, body(code, number=number))
    assert found.invalid_event == bad
    assert found.accepted_prefix == bad


@pytest.mark.parametrize("number", [None, -1, 1.5, "1", True, [1]])
def test_a_number_that_is_none_names_no_event(number: object) -> None:
    found = classify(400, {}, body(6, number=number))
    assert found.action is Action.ISOLATE
    assert found.invalid_event is None
    assert found.accepted_prefix == 0


def test_cloud_refuses_a_large_body_as_if_its_first_event_were_broken() -> None:
    answer = body(6, number=0)
    assert classify(400, {}, answer, CLOUD_BODY_BYTES).action is Action.ISOLATE
    found = classify(400, {}, answer, CLOUD_BODY_BYTES + 1)
    assert found.action is Action.SPLIT
    assert found.invalid_event is None
    later = body(6, number=1)
    assert classify(400, {}, later, CLOUD_BODY_BYTES + 1).action is Action.ISOLATE


def test_busy_in_the_middle_of_a_batch_has_taken_the_events_before() -> None:
    found = classify(503, {}, body(9, number=4))
    assert found.action is Action.RETRY
    assert found.accepted_prefix == 4
    assert found.invalid_event is None


def test_ack_id_comes_with_success_and_with_a_partial_one() -> None:
    assert classify(200, {}, body(0, ack_id=0)).ack_id == 0
    assert classify(400, {}, body(13, ack_id=7, number=2)).ack_id == 7
    assert classify(200, {}, body(0, ack_id="7")).ack_id is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 59.0),
        ("Fri, 31 Dec 1999 23:58:00 GMT", 0.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("9" * 40, None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    found = classify(503, {"retry-after": value}, b"", now=946684740.0)
    assert found.retry_after == seconds


def test_outcomes_that_may_have_taken_the_events() -> None:
    assert classify(500, {}, body(8)).may_have_taken
    assert classify(502, {}, HTML).may_have_taken
    assert classify(504, {}, HTML).may_have_taken
    assert not classify(503, {}, body(9)).may_have_taken
    assert not classify(429, {}, body(26)).may_have_taken


def test_text_is_one_short_printable_line() -> None:
    found = classify(400, {}, body(6, text="a\nb\x1b[31m\u2028" + "x" * 5000))
    assert "\n" not in found.text
    assert found.text.isprintable()
    assert len(found.text) <= 200
    assert str(found).endswith("(HTTP 400, code 6)")
    assert str(Answer(Action.RETRY, 0, "timed out")) == "timed out"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
bodies = (
    st.binary(max_size=200)
    | st.text(max_size=200).map(str.encode)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries(
        {},
        optional={
            "text": json_values,
            "code": st.integers(-2, 30) | json_values,
            "invalid-event-number": st.integers(-2, 5) | json_values,
            "ackId": st.integers(-2, 5) | json_values,
        },
    ).map(lambda value: json.dumps(value).encode())
)


@given(
    status=st.integers(0, 999) | st.sampled_from([200, 400, 503]),
    headers=st.dictionaries(st.sampled_from(["retry-after", "x"]), st.text(max_size=40)),
    answer=bodies,
    sent=st.integers(0, 10**9),
)
def test_any_answer_has_a_meaning(status: int, headers: dict[str, str], answer: bytes, sent: int) -> None:
    found = classify(status, headers, answer, sent, now=0.0)
    assert found.status == status
    if found.action in (Action.DONE, Action.DONE_SLOW_DOWN):
        assert status == 200
        assert json.loads(answer)["code"] in (0, 24, 25)
    for number in (found.code, found.invalid_event, found.ack_id):
        assert number is None or number >= 0
    assert found.accepted_prefix >= 0
    assert found.retry_after is None or found.retry_after >= 0
    assert found.text.isprintable()
    assert advice(found)


def test_nesting_that_no_parser_survives_is_no_success() -> None:
    assert classify(200, {}, b"[" * 60_000).action is Action.HOLD


@pytest.mark.parametrize(
    "value",
    [
        "Infinity",
        "-Infinity",
        "NaN",
        "1e400",
        "9" * 400,
        "9" * 20_000,
        "-1",
        "1.5",
        "[" * 100_000,
        r'"\ud800"',
    ],
    ids=lambda value: value[:9],
)
def test_a_number_that_cannot_be_is_none(value: str) -> None:
    for name in ("code", "invalid-event-number", "ackId"):
        found = classify(503, {}, f'{{"text":"busy","{name}":{value}}}'.encode(), now=0.0)
        assert found.action is Action.RETRY
        assert (found.code, found.invalid_event, found.accepted_prefix, found.ack_id) == (None, None, 0, None)
        assert classify(200, {}, f'{{"text":"Success","code":{value}}}'.encode()).action is Action.HOLD
    assert not parse_answers(f'{{"acks":{{"{value}":true}}}}'.encode())
    assert not parse_answers(f'{{"acks":{{"1":true,"2":{value}}}}}'.encode()) or not value.startswith("[")


@pytest.mark.parametrize(
    "value",
    [
        "Fri, 31 Dec 99999999999 23:59:59 GMT",
        "9" * 400,
        "9" * 20_000,
        "Thu, 01 Jan 1960 00:00:00 GMT",
        "\ud800",
        "²",
    ],
    ids=lambda value: ascii(value[:9]),
)
def test_a_time_that_cannot_be_is_none(value: str) -> None:
    assert classify(503, {"retry-after": value}, b"", now=0.0).retry_after is None


def test_what_does_not_print_is_escaped() -> None:
    found = classify(503, {}, body(9, text="\ud800\x1b[2J\x9b \u202e\u200b"))
    assert found.text == "\\ud800\\x1b[2J\\x9b \\u202e\\u200b"


def test_any_other_error_of_an_answer_is_a_reason_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def absurd(_: bytes) -> None:
        raise OverflowError("cannot convert float infinity to integer")

    monkeypatch.setattr("sls_hec_forwarder.hec.api.answers.json_object", absurd)
    found = classify(200, {}, body(0))
    assert found.action is Action.RETRY
    assert found.may_have_taken
    assert "OverflowError" in str(found)
