"""Faults as they are planned, and as a client meets them."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from typing import Any

import pytest

from sls_hec_standins.http import Fault, Faults, ServerTls


def ask(server: Any, path: str = "/x", body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request("GET" if body is None else "POST", path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


# The plan.


def hits(faults: Faults, kind: str, count: int) -> list[bool]:
    return [faults.take(kind, "r") is not None for _ in range(count)]


def test_what_fired_counts_however_many_faults_have_ended() -> None:
    faults = Faults()
    for _ in range(400):
        number = faults.add(Fault("error"))
        assert faults.take("error", "r") is not None
        faults.remove(number)
    assert faults.fired(kind="error") == faults.fired() == 400
    assert len(faults.as_json()) == 256


def test_times() -> None:
    faults = Faults()
    number = faults.add(Fault("error", times=2))
    assert hits(faults, "error", 4) == [True, True, False, False]
    assert faults.fired(number) == faults.fired() == faults.fired(kind="error") == 2
    assert faults.fired(kind="hang") == 0


def test_seconds() -> None:
    now = [0.0]
    faults = Faults(timer=lambda: now[0])
    fault = Fault("error", seconds=5)
    faults.add(fault)
    assert faults.take("error") is fault
    assert faults.in_force(fault)
    now[0] = 5.0
    assert faults.take("error") is None
    assert not faults.in_force(fault)
    assert faults.as_json()[0]["active"] is False


def test_route_glob() -> None:
    faults = Faults()
    faults.add(Fault("error", "Pull*"))
    assert [faults.take("error", route) is not None for route in ("PullLogs", "pulllogs", "HeartBeat")] == [
        True,
        False,
        False,
    ]


def test_probability_is_replayable() -> None:
    """The decisions of a fault depend on the seed and its number, not on what other faults do."""

    def run(seed: int, *, disturbed: bool = False) -> list[bool]:
        faults = Faults(seed)
        faults.add(Fault("error", probability=0.5))
        faults.add(Fault("latency", probability=0.5))
        return [
            (disturbed and faults.take("latency") is not None and False) or faults.take("error") is not None
            for _ in range(200)
        ]

    assert run(1) == run(1) == run(1, disturbed=True) != run(2)
    assert 60 < sum(run(1)) < 140
    assert not any(hits_of(0.0))
    assert all(hits_of(1.0))


def hits_of(probability: float) -> list[bool]:
    faults = Faults()
    faults.add(Fault("error", probability=probability))
    return hits(faults, "error", 50)


def test_the_first_matching_fault_counts() -> None:
    faults = Faults()
    first, second = Fault("error", times=1, status=500), Fault("error", status=503)
    faults.add(first)
    faults.add(second)
    assert [faults.take("error"), faults.take("error")] == [first, second]


def test_remove_and_clear() -> None:
    faults = Faults()
    numbers = [faults.add(Fault("error")), faults.add(Fault("hang"))]
    assert faults.remove(numbers[0])
    assert not faults.remove(numbers[0])
    assert faults.take("error") is None
    assert faults.peek("hang") is not None
    faults.clear()
    assert faults.take("hang") is None
    assert [row["active"] for row in faults.as_json()] == [False, False]


def test_history_is_bounded() -> None:
    faults = Faults()
    for _ in range(1000):
        faults.add(Fault("error", times=1))
        assert faults.take("error")
    assert len(faults.as_json()) <= 257


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "nonsense"}, "unknown fault kind 'nonsense'; known: corrupt, drip, error,"),
        ({"kind": "error", "colour": 1}, "unknown parameter 'colour' of fault 'error'; known: code, headers"),
        ({"kind": "error", "status": "500"}, "'status' must be int, not '500'"),
        ({"kind": "error", "status": True}, "'status' must be int, not True"),
        ({"kind": "error", "status": 99}, "'status' must be between 200 and 599"),
        ({"kind": "truncate", "at": 2}, "'at' must be between 0 and 1"),
        ({"kind": "latency", "delay": -1}, "'delay' must be between"),
        ({"kind": "latency", "delay": float("nan")}, "'delay' must be between"),
        ({"kind": "reset_after", "at": 1}, "known: none"),
        ({"kind": "error", "probability": 1.5}, "probability must be between 0 and 1"),
        ({"kind": "error", "probability": "1"}, "'probability' must be float or int"),
        ({"kind": "error", "times": 0}, "times must be at least 1"),
        ({"kind": "error", "times": 1.5}, "'times' must be int"),
        ({"kind": "error", "seconds": 0}, "seconds must be above 0"),
        ({"kind": "error", "seconds": float("nan")}, "seconds must be above 0"),
        ({"kind": "error", "route": 5}, "'route' must be str"),
        ({"kind": "refuse", "times": 1}, "neither times nor probability"),
        ({"kind": "tls", "route": "x"}, "takes no route"),
        ({}, '"kind" is missing'),
        ([], "a fault is a JSON object"),
    ],
)
def test_wrong_faults(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        Faults().add(Fault.from_json(given))
    assert message in str(caught.value)


def test_json_round_trip() -> None:
    fault = Fault("error", "a*", probability=0.5, times=3, seconds=9, status=500, headers={"a": "b"})
    assert Fault.from_json(fault.as_json()).as_json() == fault.as_json()
    assert repr(Fault("hang", delay=1)) == "Fault(kind='hang', route='*', probability=1.0, delay=1)"


def test_kinds_of_an_application() -> None:
    faults = Faults(kinds={"quota": {"code": str}})
    faults.add(Fault("quota", code="x"))
    found = faults.take("quota")
    assert found is not None
    assert found.get("code", "") == "x"


# What a client meets.


def test_error(server: Any, app: Any) -> None:
    server.faults.add(Fault("error", "x", status=429, text="slow", times=1))
    assert ask(server, "/y")[0] == 200
    assert ask(server, body=b"body") == (429, b'{"fault":"x","text":"slow"}')
    assert ask(server)[0] == 200
    assert len(app.handled) == 2


def test_latency_and_error_together(server: Any, app: Any) -> None:
    server.faults.add(Fault("latency", delay=0.3))
    server.faults.add(Fault("error"))
    begun = time.monotonic()
    assert ask(server)[0] == 503
    assert time.monotonic() - begun >= 0.3


@pytest.mark.parametrize(("kind", "handled"), [("reset_before", 0), ("reset_during", 0), ("reset_after", 1)])
def test_resets(server: Any, app: Any, kind: str, handled: int) -> None:
    server.faults.add(Fault(kind, times=1))
    with pytest.raises(ConnectionError):
        ask(server, body=b"x" * 1000)
    assert len(app.handled) == handled
    assert ask(server, body=b"x")[0] == 200


def test_reset_before_the_body_is_read(server: Any, raw: Any) -> None:
    server.faults.add(Fault("reset_before"))
    peer = raw(server).send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        peer.all()


def test_reset_in_the_middle_of_the_body(server: Any, raw: Any, app: Any) -> None:
    server.faults.add(Fault("reset_during", at=0.5))
    peer = raw(server).send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n1234")
    peer.sock.settimeout(0.3)
    with pytest.raises(socket.timeout):
        peer.all()
    peer.sock.settimeout(20)
    with pytest.raises(ConnectionResetError):
        peer.send(b"5").all()
    assert app.handled == []


def test_reset_in_the_middle_of_the_answer(server: Any, raw: Any, app: Any) -> None:
    server.faults.add(Fault("reset_during", at=0.9))
    peer = raw(server).send(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
    assert b"Content-Length: 3000000" in peer.until(b"\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        peer.all()
    assert len(app.handled) == 1


@pytest.mark.parametrize("at", [0, 0.5, 0.999])
def test_truncate(server: Any, app: Any, at: float) -> None:
    server.faults.add(Fault("truncate", at=at))
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(server, "/big")
    assert len(caught.value.partial) == int(3_000_000 * at)


def test_corrupt_is_seeded(serve: Any) -> None:
    bodies = []
    for seed in (1, 1, 2):
        server = serve(faults=Faults(seed))
        server.faults.add(Fault("corrupt", flips=4))
        bodies.append(ask(server, "/big")[1])
    assert bodies[0] == bodies[1] != bodies[2]
    plain = b"0123456789" * 300_000
    assert len(bodies[0]) == len(plain)
    assert 1 <= sum(a != b for a, b in zip(bodies[0], plain)) <= 4


def test_drip(server: Any) -> None:
    server.faults.add(Fault("drip", size=40, delay=0.02))
    begun = time.monotonic()
    status, body = ask(server)
    assert (status, json.loads(body)["path"]) == (200, "/x")
    assert time.monotonic() - begun >= 0.08


def test_hang_until_removed(server: Any, app: Any, raw: Any) -> None:
    number = server.faults.add(Fault("hang", times=1))
    peer = raw(server).send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    peer.sock.settimeout(0.3)
    with pytest.raises(socket.timeout):
        peer.all()
    peer.sock.settimeout(20)
    server.faults.remove(number)
    server.faults.clear()
    assert peer.all() == b""
    assert app.handled == []


def test_hang_for_a_time_and_handled(server: Any, app: Any) -> None:
    server.faults.add(Fault("hang", delay=0.2, handled=True))
    with pytest.raises(http.client.RemoteDisconnected):
        ask(server)
    assert len(app.handled) == 1


def test_hang_ends_with_the_client(server: Any, raw: Any) -> None:
    server.faults.add(Fault("hang"))
    peer = raw(server).send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    _wait_for(lambda: server.faults.fired() == 1)
    peer.sock.close()
    _wait_for(lambda: not [t for t in threading.enumerate() if t.name.startswith("connection-")])


@pytest.mark.parametrize("kind", ["hang", "latency", "drip"])
def test_stop_does_not_wait_for_faults(serve: Any, raw: Any, kind: str) -> None:
    server = serve()
    server.faults.add(Fault(kind, delay=3600))
    peer = raw(server).send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    _wait_for(lambda: server.faults.fired() == 1)
    server.stop()
    assert b"}" not in peer.all()


def test_refuse(server: Any, raw: Any) -> None:
    """Refused by the time `add` returns, served by the time `remove` does, on the same port."""
    peer = raw(server)
    peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").until(b"}")
    for _ in range(3):
        number = server.faults.add(Fault("refuse"))
        with pytest.raises(ConnectionRefusedError):
            raw(server)
        server.faults.remove(number)
        assert ask(server)[0] == 200
    assert server.faults.fired(kind="refuse") == 3
    assert peer.all() == b""


def test_refuse_for_a_time_keeping_connections(server: Any, raw: Any) -> None:
    peer = raw(server)
    peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").until(b"}")
    server.faults.add(Fault("refuse", seconds=0.5, keep_open=True))
    with pytest.raises(ConnectionRefusedError):
        raw(server)
    assert b"}" in peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").until(b"}")
    _wait_for(lambda: server.faults.peek("refuse") is None)
    _wait_for(lambda: _connects(server))
    assert ask(server)[0] == 200


def test_refuse_from_the_start(serve: Any, raw: Any) -> None:
    faults = Faults()
    faults.add(Fault("refuse"))
    server = serve(faults=faults)
    with pytest.raises(ConnectionRefusedError):
        raw(server)
    faults.clear()
    assert ask(server)[0] == 200


def test_tls_handshake_fails(serve: Any, raw: Any, ca: Any) -> None:
    made = ca.server()
    server = serve(tls=ServerTls(made.cert, made.key))
    server.faults.add(Fault("tls", times=1))
    context = ssl.create_default_context(cafile=str(ca.cert))
    with pytest.raises(ssl.SSLError, match=r"(?i)handshake.failure"):
        raw(server).tls(context, "localhost")
    peer = raw(server).tls(context, "localhost")
    assert peer.send(b"GET / HTTP/1.0\r\n\r\n").until(b"}").startswith(b"HTTP/1.1 200 ")


@pytest.fixture
def tls_peer(serve: Any, raw: Any, ca: Any) -> Any:
    """Sends a request over TLS to a server with these faults."""

    def connect(*faults: Fault) -> Any:
        made = ca.server()
        server = serve(tls=ServerTls(made.cert, made.key))
        for fault in faults:
            server.faults.add(fault)
        peer = raw(server).tls(ssl.create_default_context(cafile=str(ca.cert)), "localhost")
        return peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody")

    return connect


@pytest.mark.parametrize("kind", ["reset_before", "reset_during", "reset_after"])
def test_resets_over_tls(tls_peer: Any, kind: str) -> None:
    """Seen below the TLS layer, which may show a reset as an ordinary end."""
    peer = tls_peer(Fault(kind))

    def drain() -> None:
        while socket.socket.recv(peer.sock, 65536):
            pass

    with pytest.raises(ConnectionResetError):
        drain()


def test_truncate_and_hang_over_tls(tls_peer: Any) -> None:
    answer = tls_peer(Fault("truncate")).all()
    assert b"Content-Length" in answer
    assert b"secure" not in answer
    assert tls_peer(Fault("hang", delay=0.2)).all() == b""


def _connects(server: Any) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=20).close()
    except ConnectionRefusedError:
        return False
    return True


def _wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
