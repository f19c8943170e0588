"""Cases W1 to W6: the raw endpoint."""

from __future__ import annotations

from typing import Any

RAW = "/services/collector/raw"
CHANNEL = "aaaaaaaa-0000-4000-8000-000000000001"


def test_w1_text_without_channel(hec: Any, client: Any, start: Any, connect: Any, texts: Any) -> None:
    """W1: Splunk 10.4.3, Splunk Cloud 10.5; documentation, vector and open-splunk want a channel."""
    assert client.post(b"a line", RAW).brief == (200, 0, None)
    assert client.post(b"another", RAW + "/1.0").brief == (200, 0, None)
    assert texts(hec) == ["a line", "another"]
    strict = connect(start(switches={"raw_channel": True}))
    assert strict.post(b"a line", RAW).brief == (400, 10, None)
    assert strict.post(b"a line", f"{RAW}?channel={CHANNEL}").brief == (200, 0, None)
    assert connect(hec, "ack").post(b"a line", RAW).brief == (400, 10, None)
    assert connect(hec, "ack").post(b"a line", f"{RAW}?channel={CHANNEL}").json["ackId"] == 0


def test_w2_blank(client: Any) -> None:
    """W2: local Splunk."""
    for body in (b"", b" \n\t\r\n"):
        assert client.post(body, RAW).brief == (400, 5, None)


def test_w3_query_parameters(client: Any, hec: Any) -> None:
    """W3: OpenTelemetry receiver, open-splunk."""
    client.post(b"a\nb\n", RAW + "?index=i&host=h&source=s%20s&sourcetype=t&time=1.5")
    got = [(e.index, e.host, e.source, e.sourcetype, e.time) for e in hec.store.events()]
    assert got == [("i", "h", "s s", "t", "1.5")] * 2


def test_w3_index_not_allowed(hec: Any, connect: Any) -> None:
    assert connect(hec, "limited").post(b"a", RAW + "?index=secret").brief == (400, 7, 1)
    assert hec.store.total == 0


def test_w4_lines(client: Any, hec: Any, texts: Any) -> None:
    """W4: local Splunk; the last line needs no LF."""
    client.post("one\r\n\n  two \u65e5\nthree".encode(), RAW)
    assert texts(hec) == ["one", "  two \u65e5", "three"]


def test_w5_gzip(client: Any, hec: Any, texts: Any) -> None:
    """W5: Splunk 10.4.3."""
    assert client.post_gzip(b"packed", RAW).brief == (200, 0, None)
    assert texts(hec) == ["packed"]


def test_w6_no_fields(client: Any, hec: Any) -> None:
    """W6: open-splunk; indexed fields cannot be given in the query."""
    client.post(b"a", RAW + "?fields=%7B%22a%22:1%7D")
    assert hec.store.events()[0].fields == {}
