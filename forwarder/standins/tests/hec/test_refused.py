"""Cases R1 to R18: requests that HEC refuses as a whole."""

from __future__ import annotations

import gzip
import socket
from typing import Any

import pytest

BODY = b'{"event":"a"}'


@pytest.fixture(autouse=True)
def nothing_is_indexed(hec: Any) -> Any:
    yield
    assert hec.store.total == 0


@pytest.mark.parametrize("authorization", [None, " "])
def test_r1_no_authorization(hec: Any, connect: Any, authorization: str | None) -> None:
    """R1: local Splunk, vector, Fluent Bit."""
    answer = connect(hec, authorization=authorization).post(BODY)
    assert (answer.status, answer.json) == (401, {"text": "Token is required", "code": 2})


@pytest.mark.parametrize("authorization", ["Bearer x", "Splunk", "Splunk a b", "x", "Basic %%%"])
def test_r2_malformed_authorization(hec: Any, start: Any, connect: Any, authorization: str) -> None:
    """R2: local Splunk, Fluent Bit; code 2 in mockdr."""
    answer = connect(hec, authorization=authorization).post(BODY)
    assert (answer.status, answer.json) == (401, {"text": "Invalid authorization", "code": 3})
    other = start(switches={"bad_authorization": 2})
    assert connect(other, authorization=authorization).post(BODY).brief == (401, 2, None)


@pytest.mark.parametrize("authorization", ["Splunk nobody", "Basic eDpub2JvZHk="])
def test_r3_unknown_token(hec: Any, start: Any, connect: Any, authorization: str) -> None:
    """R3: local Splunk, Fluent Bit; 401 code 3 in vector."""
    answer = connect(hec, authorization=authorization).post(BODY)
    assert (answer.status, answer.json) == (403, {"text": "Invalid token", "code": 4})
    other = start(switches={"unknown_token": 3})
    assert connect(other, authorization=authorization).post(BODY).brief == (401, 3, None)


def test_r4_disabled_token(hec: Any, connect: Any) -> None:
    """R4: local Splunk."""
    answer = connect(hec, "disabled").post(BODY)
    assert (answer.status, answer.json) == (403, {"text": "Token disabled", "code": 1})


def test_r5_token_in_the_query(start: Any, hec: Any, connect: Any) -> None:
    """R5: local Splunk, Splunk 10.4.2; it counts before the header (conf spec)."""
    values = {token.name: token.value for token in hec.tokens.all()}
    path = "/services/collector/event?token="
    answer = connect(hec).post(BODY, path + values["plain"])
    assert (answer.status, answer.json["code"]) == (400, 16)
    assert answer.json["text"] == "Query string authorization is not enabled"
    assert connect(hec).post(BODY, path + "nobody").brief == (400, 16, None)
    other = start()
    assert connect(other, authorization="Splunk wrong").post(BODY, path + values["query"]).status == 200


@pytest.mark.parametrize("body", [b"", b" \r\n\t "])
def test_r6_no_data(client: Any, body: bytes) -> None:
    """R6: local Splunk, Splunk 10.4.2, vector, OpenTelemetry receiver."""
    for answer in (client.post(body), client.post_gzip(body), client.post(b"", content_encoding="gzip")):
        assert (answer.status, answer.json) == (400, {"text": "No data", "code": 5})


@pytest.mark.parametrize("encoding", ["deflate", "zstd", "nonsense"])
def test_r7_unsupported_encoding(client: Any, encoding: str) -> None:
    """R7: Splunk 10.4.3, Splunk Cloud 10.5, local Splunk."""
    answer = client.post(BODY, content_encoding=encoding)
    assert answer.status == 415
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    "body",
    [BODY, gzip.compress(BODY)[:-4], gzip.compress(BODY) + b"junk"],
    ids=["plain", "cut off", "junk after"],
)
def test_r8_not_gzip(client: Any, start: Any, connect: Any, body: bytes) -> None:
    """R8: a page on a local Splunk, code 6 without a number in logit's own receiver."""
    answer = client.post(body, content_encoding="gzip")
    assert answer.status == 400
    assert answer.headers["Content-Type"].startswith("text/html")
    other = connect(start(switches={"bad_gzip": "json"}))
    assert other.post(body, content_encoding="gzip").brief == (400, 6, None)


def test_r9_too_large_for_enterprise(start: Any, connect: Any) -> None:
    """R9: local Splunk, conf spec. 800 MiB by default, here less."""
    hec = start(switches={"max_content_length": 1000})
    for body in (b'{"event":"' + b"x" * 1000 + b'"}', iter([b'{"event":"', b"x" * 1000, b'"}'])):
        answer = connect(hec).post(body)
        assert answer.status == 413
        assert answer.headers["Content-Type"].startswith("text/html")
    assert connect(hec).post(b'{"event":"' + b"x" * 988 + b'"}').status == 200
    assert hec.store.total == 1


def test_r9_default_limit(hec: Any, connect: Any) -> None:
    """R9: conf spec since 7.0.5. The answer comes before the body is sent."""
    with socket.create_connection(("127.0.0.1", hec.server.port), timeout=20) as sock:
        sock.sendall(b"POST /services/collector HTTP/1.1\r\nHost: x\r\nContent-Length: 838860801\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("packed", [False, True])
def test_r10_too_large_for_cloud(start: Any, connect: Any, packed: bool) -> None:
    """R10: Splunk Cloud 10.5: 5,242,881 bytes accepted, 6,000,000 not; uncompressed size."""
    hec = start(profile="cloud")
    for size, expected in ((5_242_881, (200, 0, None)), (6_000_000, (400, 6, 0))):
        event = b'{"event":"' + b"x" * 100_000 + b'"}\n'
        body = event * (size // len(event)) + b" " * (size % len(event))
        client = connect(hec)
        answer = client.post_gzip(body) if packed else client.post(body)
        assert answer.brief == expected
    assert hec.store.total == 52


def test_r11_oversized_event(start: Any, connect: Any, texts: Any) -> None:
    """R11: conf spec: "disregarded", and a parsing error; the answer itself was never published."""
    large = b'{"event":"%s"}' % (b"x" * 1000)
    body = b'{"event":"a"}' + large + b'{"event":"c"}'
    hec = start(switches={"max_event_size": len(large) - 1})
    assert connect(hec).post(body).brief == (400, 6, 1)
    assert texts(hec) == ["a"]
    hec = start(switches={"max_event_size": len(large) - 1, "oversized_event": "skip"})
    assert connect(hec).post(body).status == 200
    assert texts(hec) == ["a", "c"]
    assert connect(start(switches={"max_event_size": len(large)})).post(body).status == 200


def test_r12_unknown_path(client: Any) -> None:
    """R12: Splunk 10.4.3, Splunk Cloud 10.5, local Splunk."""
    for path in ("/services/collector/nothing", "/services/collector/event/2.0", "/", "/services/collectors"):
        answer = client.post(BODY, path)
        text = "The requested URL was not found on this server."
        assert (answer.status, answer.json) == (404, {"text": text, "code": 404})


@pytest.mark.parametrize("path", ["/event", "", "/raw", "/ack"])
def test_r13_wrong_method(client: Any, path: str) -> None:
    """R13: Splunk 10.4.3, Splunk Cloud 10.5."""
    for method in ("GET", "PUT", "DELETE"):
        assert client.send(method, "/services/collector" + path).brief == (405, 404, None)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("", "POST,OPTIONS"),
        ("/raw", "POST,OPTIONS"),
        ("/ack", "POST,OPTIONS"),
        ("/health", "GET,HEAD,OPTIONS"),
    ],
)
def test_r14_options(hec: Any, connect: Any, path: str, methods: str) -> None:
    """R14: Splunk 10.4.3; no token needed."""
    answer = connect(hec, authorization=None).send("OPTIONS", "/services/collector" + path)
    assert (answer.status, answer.body, answer.headers["Allow"]) == (200, b"", methods)


def test_r15_body_never_comes(start: Any) -> None:
    """R15: local Splunk: no answer. Here the connection ends without one when the wait is over."""
    hec = start(timeout=0.5)
    with socket.create_connection(("127.0.0.1", hec.server.port), timeout=20) as sock:
        sock.sendall(b"POST /services/collector HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        assert sock.recv(100) == b""


@pytest.mark.parametrize("scheme", ["splunk ", "SPLUNK ", "Splunk  "])
def test_r16_spelling_of_the_scheme(start: Any, connect: Any, hec: Any, scheme: str) -> None:
    """R16: open-splunk 401 code 3; Fluent Bit and others lax."""
    [value] = [token.value for token in hec.tokens.all() if token.name == "plain"]
    strict = start(switches={"strict_scheme": True})
    assert connect(strict, authorization=scheme + value).post(BODY).brief == (401, 3, None)
    assert connect(strict).post(BODY).status == 200
    assert connect(start(), authorization=scheme + value).post(BODY).status == 200


def test_r17_several_gzip_members(start: Any, connect: Any) -> None:
    """R17: open-splunk 400."""
    body = gzip.compress(BODY) + gzip.compress(BODY)
    lax, strict = start(), start(switches={"gzip_members": "one"})
    assert connect(lax).post(body, content_encoding="gzip").status == 200
    assert lax.store.total == 2
    assert connect(strict).post(body, content_encoding="gzip").brief == (400, 6, None)
    assert connect(strict).post_gzip(BODY).status == 200


def test_r18_gzip_that_expands_too_far(start: Any, connect: Any) -> None:
    """R18: open-splunk, hecpoc; whether Splunk compares the size on the wire is not verified."""
    body = b'{"event":"' + b"x" * 100_000 + b'"}'
    hec = start(switches={"max_content_length": 50_000})
    answer = connect(hec).post_gzip(body)
    assert (answer.status, hec.store.total) == (413, 0)
    lax = start(switches={"max_content_length": 50_000, "gzip_limit": "wire"})
    assert connect(lax).post_gzip(body).status == 200
