"""Cases A1 to A18: requests that HEC accepts."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

SUCCESS = {"text": "Success", "code": 0}


def test_a1_one_object_with_a_string(client: Any, hec: Any, texts: Any) -> None:
    """A1: Splunk 10.4.3, local Splunk, vector, OpenTelemetry receiver."""
    answer = client.post(b'{"event":"hello"}')
    assert (answer.status, answer.body) == (200, b'{"text":"Success","code":0}')
    assert answer.headers["Content-Type"].startswith("application/json")
    assert texts(hec) == ["hello"]


def test_a2_objects_without_separator(client: Any, hec: Any, texts: Any) -> None:
    """A2: Splunk 10.4.2, local Splunk, vector, OpenTelemetry receiver, Fluent Bit."""
    assert client.post(b'{"event":"a"}{"event":"b"}{"event":"c"}').json == SUCCESS
    assert texts(hec) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"event":"a"}\n{"event":"b"}',
        b'{"event":"a"}  {"event":"b"}',
        b'\n\r\n {"event":"a"}\r\n\t{"event":"b"}\n\n ',
    ],
)
def test_a3_objects_separated_by_white_space(client: Any, hec: Any, texts: Any, body: bytes) -> None:
    """A3: local Splunk, vector, open-splunk, Fluent Bit."""
    assert client.post(body).json == SUCCESS
    assert texts(hec) == ["a", "b"]


def test_a4_array_is_a_batch(client: Any, hec: Any, texts: Any) -> None:
    """A4: Splunk 10.4.2, local Splunk."""
    assert client.post(b' [{"event":"a"} , {"event":"b"}]\n').json == SUCCESS
    assert texts(hec) == ["a", "b"]
    assert client.post(b"[]").brief == (400, 5, None)
    assert client.post(b'[{"event":"a"}').brief == (400, 6, 1)


def test_a4_array_is_refused(start: Any, connect: Any) -> None:
    """A4: open-splunk; an old Splunk (fluent-plugin-splunk-http-eventcollector issue 32)."""
    hec = start(switches={"arrays": "refuse"})
    assert connect(hec).post(b'[{"event":"a"}]').brief == (400, 6, 0)
    assert hec.store.total == 0


@pytest.mark.parametrize("event", [{"a": 1}, ["a", {}], 7, -1.5e3, False, True])
def test_a5_event_of_any_json_type(client: Any, hec: Any, texts: Any, event: Any) -> None:
    """A5: several receivers; false: open-splunk."""
    assert client.post(json.dumps({"event": event})).json == SUCCESS
    assert texts(hec) == [event]


@pytest.mark.parametrize("event", [b"{}", b"[]"])
def test_a5_empty_container(start: Any, connect: Any, event: bytes) -> None:
    """A5: blank on Splunk 10.4.2, an event on open-splunk."""
    body = b'{"event":' + event + b"}"
    assert connect(start()).post(body).brief == (400, 13, 0)
    assert connect(start(switches={"empty_container": "accept"})).post(body).json == SUCCESS


@pytest.mark.parametrize("path", ["", "/event", "/event/1.0", "/1.0"])
def test_a6_paths(client: Any, hec: Any, path: str) -> None:
    """A6: all receivers; /1.0 in mockdr."""
    assert client.post(b'{"event":"a"}', "/services/collector" + path).json == SUCCESS
    assert client.post(b'{"event":"a"}{"event":""}', "/services/collector" + path).brief == (400, 13, 1)
    assert hec.store.total == 2


@pytest.mark.parametrize("path", ["/services/collector/event", "/services/collector/raw"])
def test_a7_gzip(client: Any, hec: Any, path: str) -> None:
    """A7: Splunk 10.4.3, Splunk Cloud 10.5, vector, OpenTelemetry receiver, Fluent Bit."""
    assert client.post_gzip(b'{"event":"packed"}\n', path).json == SUCCESS
    assert b"packed" in hec.store.events()[0].event


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "x"])
def test_a8_content_type_is_ignored(client: Any, hec: Any, content_type: str | None) -> None:
    """A8: OpenTelemetry receiver, open-splunk, Fluent Bit."""
    headers = {} if content_type is None else {"content_type": content_type}
    assert client.post(b'{"event":"a=b&c"}', **headers).json == SUCCESS
    assert hec.store.total == 1


def test_a9_indexed_fields(client: Any, hec: Any) -> None:
    """A9: local Splunk, OpenTelemetry receiver."""
    fields = {"s": "x", "n": 1.5, "b": True, "list": ["a", 1, False]}
    assert client.post(json.dumps({"event": "a", "fields": fields})).json == SUCCESS
    assert hec.store.events()[0].fields == fields


def test_a10_object_without_event_is_skipped(client: Any, hec: Any, texts: Any) -> None:
    """A10: Splunk 10.4.3, Splunk 10.4.2."""
    body = b'{"event":"a"}{"time":1,"fields":{"metric_name:cpu":1}}{"event":"b"}'
    assert client.post(body).json == SUCCESS
    assert texts(hec) == ["a", "b"]
    assert client.post(b'{"time":1,"fields":{"a":"b"}}').json == SUCCESS
    assert (hec.store.total, hec.store.skipped) == (2, 2)


@pytest.mark.parametrize(
    ("sent", "indexed"),
    [
        ("1700000000", "1700000000"),
        ("1700000000.123456789", "1700000000.123456789"),
        ('"1700000000.5"', "1700000000.5"),
        ("-1.5", "-1.5"),
        ("1.7e9", "1.7e9"),
    ],
)
def test_a11_time(client: Any, hec: Any, sent: str, indexed: str) -> None:
    """A11: Splunk 10.4.2, vector. Kept as sent: a float would lose the nanoseconds."""
    assert client.post(f'{{"time":{sent},"event":"a"}}').json == SUCCESS
    assert hec.store.events()[0].time == indexed


def test_a11_without_time_it_is_now(client: Any, hec: Any) -> None:
    client.post(b'{"event":"a"}')
    assert hec.store.events()[0].time == "1700000000.000"


@pytest.mark.parametrize(
    ("connection_host", "expected"),
    [("ip", "127.0.0.1"), ("proxied_ip", "10.9.8.7"), ("none", "of-the-token")],
)
def test_a12_host(hec: Any, connect: Any, connection_host: str, expected: str) -> None:
    """A12: vector, conf spec (connection_host)."""
    hec.tokens.change("plain", connection_host=connection_host, host="of-the-token")
    client = connect(hec)
    client.post(b'{"event":"a","host":"named"}{"event":"b"}', x_forwarded_for="10.9.8.7, 10.0.0.1")
    assert [event.host for event in hec.store.events()] == ["named", expected]


def test_a13_invalid_utf8_is_refused(client: Any, hec: Any, texts: Any) -> None:
    """A13: fluentd's Splunk plugin says that HEC errors on it."""
    body = b'{"event":"a"}{"event":"\xff"}{"event":"c"}'
    assert client.post(body).brief == (400, 6, 1)
    assert client.post(b'{"event":"b"}\xff').brief == (400, 6, 1)
    assert texts(hec) == ["a", "b"]


def test_a13_invalid_utf8_is_replaced(start: Any, connect: Any, texts: Any) -> None:
    """A13: vector."""
    hec = start(switches={"invalid_utf8": "replace"})
    assert connect(hec).post(b'{"event":"a\xff"}{"event":"b"}').json == SUCCESS
    assert texts(hec) == ["a\ufffd", "b"]


def test_a13_invalid_utf8_on_raw(client: Any, hec: Any, texts: Any) -> None:
    """A13: Splunk answers 200 on the raw endpoint."""
    assert client.post(b"a\xff\n", "/services/collector/raw").json == SUCCESS
    assert texts(hec) == ["a\ufffd"]


def test_a14_basic_authentication(hec: Any, connect: Any) -> None:
    """A14: local Splunk; any user, the token as password."""
    [token] = [token.value for token in hec.tokens.all() if token.name == "plain"]
    basic = base64.b64encode(f"anybody:{token}".encode()).decode()
    assert connect(hec, authorization=f"Basic {basic}").post(b'{"event":"a"}').json == SUCCESS


def test_a15_chunked_and_keep_alive(client: Any, hec: Any, texts: Any) -> None:
    """A15: Fluent Bit as the receiver."""
    pieces = [b'{"event":"one"}{"ev', b'ent":"two"}']
    assert client.post(iter(pieces)).json == SUCCESS
    assert client.post(b'{"event":"three"}').json == SUCCESS
    assert texts(hec) == ["one", "two", "three"]
    assert hec.server.connects == 1


def test_a16_slow_body(start: Any, connect: Any) -> None:
    """A16: local Splunk takes a body sent over 35 s. Here: longer than the wait for a silent peer."""
    hec = start(timeout=1.0)

    def slowly() -> Any:
        for piece in (b'{"eve', b'nt":', b'"slow', b'"}'):
            time.sleep(0.4)
            yield piece

    assert connect(hec).post(slowly()).json == SUCCESS
    assert hec.store.total == 1


def test_a17_channel_without_ack(client: Any) -> None:
    """A17: Splunk 10.4.3."""
    assert client.post_acked(b'{"event":"a"}').json == SUCCESS


def test_a18_thousand_fields(client: Any, hec: Any) -> None:
    """A18: Splunk 10.4.3, Splunk Cloud 10.5."""
    fields = {f"field{n}": str(n) for n in range(1000)}
    assert client.post(json.dumps({"event": "a", "fields": fields})).json == SUCCESS
    assert hec.store.events()[0].fields == fields


def test_envelope_and_token_give_the_metadata(start: Any, connect: Any) -> None:
    """The object beats the query string, which beats the token's defaults (conf spec)."""
    hec = start()
    hec.tokens.change("plain", index="tokens", source="tokens", sourcetype="tokens")
    path = "/services/collector?index=queries&source=queries&host=queries&time=5"
    body = b'{"event":"a","index":"i","source":"s","sourcetype":"t","host":"h","time":1}{"event":"b"}'
    connect(hec).post(body, path)
    connect(hec).post(b'{"event":"c"}')
    got = [(e.index, e.source, e.sourcetype, e.host, e.time) for e in hec.store.events()]
    assert got == [
        ("i", "s", "t", "h", "1"),
        ("queries", "queries", "tokens", "queries", "5"),
        ("tokens", "tokens", "tokens", "127.0.0.1", "1700000000.000"),
    ]


def test_defaults_of_a_bare_token(client: Any, hec: Any) -> None:
    """Sourcetype httpevent without any other (conf spec)."""
    client.post(b'{"event":"a"}')
    [event] = hec.store.events()
    assert (event.index, event.source, event.sourcetype) == ("main", "http:plain", "httpevent")


def test_event_is_kept_as_it_was_sent(client: Any, hec: Any) -> None:
    event = '{ "b":1.50, "a" : "\\u00e9\u00e9\\ud800", "n":[1e400, 12345678901234567890] }'
    client.post(f'{{"source":"\u65e5","event":{event},"host":"\\u0041"}}'.encode())
    [stored] = hec.store.events()
    assert stored.event == event.encode()
    assert (stored.source, stored.host) == ("\u65e5", "A")
