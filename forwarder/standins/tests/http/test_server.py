"""HTTP/1.1 as the server speaks it, and how it begins and ends."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sls_hec_standins.http import BadRequest, Server
from sls_hec_standins.http.message import parse_head


def get(server: Any, path: str = "/", method: str = "GET", body: Any = None, **headers: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text) if text else None


def test_request_is_decoded(server: Any, app: Any) -> None:
    status, told = get(
        server, "/a%20b/%E6%97%A5?x=1&y=%41+b&x=2&empty=", "POST", b"body", Cookie="a=b; c=d=e; f"
    )
    assert status == 200
    assert (told["path"], told["query"]) == ("/a b/\u65e5", {"x": "2", "y": "A b", "empty": ""})
    assert told["body"] == "body"
    [request] = app.handled
    assert (request.raw_path, request.raw_query) == ("/a%20b/%E6%97%A5", "x=1&y=%41+b&x=2&empty=")
    assert request.cookies() == {"a": "b", "c": "d=e"}
    assert (request.peer, request.secure) == ("127.0.0.1", False)


def test_repeated_headers_are_joined(server: Any, app: Any, raw: Any) -> None:
    raw(server).send(
        b"GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\nCookie: a=1\r\nCookie: b=2\r\n"
        b"Connection: close\r\n\r\n"
    ).all()
    assert app.handled[0].headers["x-a"] == "1, 2"
    assert app.handled[0].cookies() == {"a": "1", "b": "2"}


@pytest.mark.parametrize("scheme", [b"http", b"HTTP", b"https"])
def test_absolute_form(server: Any, app: Any, raw: Any, scheme: bytes) -> None:
    """As a forward proxy gets it; the target's authority wins over Host (RFC 9112 3.2.2)."""
    target = scheme + b"://user@project.example:80/path?a=b"
    raw(server).send(b"GET " + target + b" HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n").all()
    [request] = app.handled
    assert request.headers["host"] == "project.example:80"
    assert (request.path, request.query) == ("/path", {"a": "b"})


def test_absolute_form_without_path() -> None:
    assert parse_head(b"GET", b"http://h", [], peer="", secure=False).path == "/"


def test_options_asterisk(server: Any, raw: Any) -> None:
    answer = raw(server).send(b"OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").all()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_chunked_request(server: Any) -> None:
    assert get(server, "/", "POST", iter([b"one ", b"two"]))[1]["body"] == "one two"


def test_expect_continue(server: Any, raw: Any) -> None:
    peer = raw(server).send(
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n"
        b"Connection: close\r\n\r\n"
    )
    assert peer.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    assert b'"body":"late"' in peer.send(b"late").all()


def test_pipelining(server: Any, raw: Any, app: Any) -> None:
    one = b"POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n%s\r\nx"
    requests = [one % (n, b"Connection: close\r\n" if n == 9 else b"") for n in range(10)]
    answers = raw(server).send(b"".join(requests)).all()
    assert answers.count(b"HTTP/1.1 200 OK") == 10
    assert [request.path for request in app.handled] == [f"/{n}" for n in range(10)]


def test_keep_alive_and_http_10(server: Any, raw: Any) -> None:
    peer = raw(server)
    for _ in range(3):
        peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").until(b"}")
    assert server.connects == 1
    assert raw(server).send(b"GET / HTTP/1.0\r\n\r\n").all().endswith(b"}")


def test_head_has_no_body(server: Any, raw: Any) -> None:
    answer = raw(server).send(b"HEAD /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").all()
    assert b"Content-Length: 3000000\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_large_bodies(server: Any) -> None:
    body = b"x" * 5_000_000
    assert get(server, "/", "POST", body)[1]["body"] == len(body)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/big")
    assert connection.getresponse().read() == b"0123456789" * 300_000
    connection.close()


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET nopath HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET http:///nohost HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET http://[bad/ HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nbad header\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nnohex\r\n",
    ],
)
def test_malformed_requests(server: Any, raw: Any, app: Any, data: bytes) -> None:
    answer = raw(server).send(data).all()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"Connection: close" in head
    assert set(json.loads(body)) == {"error"}
    assert app.handled == []
    assert list(server.app_errors) == []


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 100_000, 431),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 501),
    ],
)
def test_other_refusals(server: Any, raw: Any, data: bytes, status: int) -> None:
    assert raw(server).send(data).all().startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("chunked", [False, True])
def test_body_above_the_limit(serve: Any, app: Any, chunked: bool) -> None:
    """The answer reaches a client that is still sending."""
    server = serve(max_body=1000)
    body: Any = b"x" * 10_000_000
    status, told = get(server, "/", "POST", iter([body[:999], body]) if chunked else body)
    assert status == 413
    assert "limit of 1000" in told["error"]
    assert app.handled == []
    assert get(server, "/", "POST", b"x" * 1000)[0] == 200


def test_unfinished_requests_end(serve: Any, raw: Any) -> None:
    server = serve(timeout=0.3)
    for begun in (b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nxx"):
        assert raw(server).send(begun).all() == b""


def test_defects_of_the_service(server: Any, raw: Any) -> None:
    for path in ("/boom", "/bad-route"):
        assert get(server, path) == (500, {"error": "internal server error"})
    assert raw(server).send(b"GET /bad-header HTTP/1.1\r\nHost: h\r\n\r\n").all() == b""
    assert [type(error).__name__ for error in server.app_errors] == ["KeyError"] * 2 + ["LocalProtocolError"]
    assert get(server)[0] == 200


def test_a_defect_in_telling_of_defects(server: Any, app: Any) -> None:
    app.error_response = None
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/boom")
    assert connection.getresponse().status == 500
    connection.close()
    assert len(server.app_errors) == 2


def test_stop_ends_everything(serve: Any, raw: Any) -> None:
    before = threading.active_count()
    server = serve()
    idle = raw(server)
    idle.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").until(b"}")
    midway = raw(server)
    midway.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    midway.until(b"100 ")
    server.stop()
    assert idle.all() == b""
    assert b"200" not in midway.all()
    with pytest.raises(ConnectionRefusedError):
        raw(server)
    _wait_for(lambda: threading.active_count() <= before)
    server.stop()


def test_a_port_in_use(serve: Any, server: Any) -> None:
    with pytest.raises(OSError, match="in use"):
        serve(port=server.port)


def test_restart_on_the_same_port(serve: Any) -> None:
    port = serve().port
    for _ in range(3):
        first = serve(port=0)
        port = first.port
        assert get(first)[0] == 200
        first.stop()
        assert get(serve(port=port))[0] == 200


def test_more_connections_than_slots(serve: Any) -> None:
    server = serve(max_connections=2)
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(get(server)[0])) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [200] * 12


def test_urls(app: Any) -> None:
    for host, shown in (("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("localhost", "localhost")):
        with Server(app, host=host) as server:
            assert server.url == f"http://{shown}:{server.port}"


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_get_an_answer_or_an_end(server: Any, noise: bytes, begun: bool) -> None:
    """No input stops the server, makes it fail, or leaves the client without an end."""
    data = (b"GET / HTTP/1.1\r\nHost: h\r\n" if begun else b"") + noise
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while True:
            more = sock.recv(65536)
            if not more:
                break
            answer += more
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
    assert list(server.app_errors) == []


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=40), st.lists(st.tuples(st.binary(max_size=5), st.binary(max_size=5)), max_size=3))
def test_any_target_is_understood_or_refused(target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    try:
        head = parse_head(b"GET", target, headers, peer="p", secure=False)
    except BadRequest:
        assert not target.startswith(b"/")
    else:
        assert head.path
        assert isinstance(head.cookies(), dict)


def _wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
