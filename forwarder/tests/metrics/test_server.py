"""The thread that serves metrics: outlives errors, ends on `close`, keeps no process."""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sls_hec_forwarder.metrics.server import MetricsServer, Reply


def yes() -> Reply:
    return Reply(200, "text/plain", b"yes")


def test_the_thread_does_not_keep_a_process_that_fails_to_close_it() -> None:
    script = """
from sls_hec_forwarder.metrics.server import MetricsServer
MetricsServer("0", {}).start()
raise SystemExit(3)
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 3


def test_close_ends_though_an_answer_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sls_hec_forwarder.metrics.server._END", 0.5)
    asked, let_go = threading.Event(), threading.Event()

    def never() -> Reply:
        asked.set()
        let_go.wait(60)
        return yes()

    server = MetricsServer("0", {"/metrics": never})
    server.start()
    with socket.create_connection(server.address, timeout=10) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert asked.wait(10)
        closing = threading.Thread(target=server.close, daemon=True)
        closing.start()
        closing.join(30)
        ended = not closing.is_alive()
        let_go.set()
    assert ended


def test_an_error_in_the_thread_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = MetricsServer("0", {"/metrics": yes})
    left = [RuntimeError("boom")] * 2
    select = selectors.DefaultSelector.select

    def failing(self: selectors.DefaultSelector, timeout: float | None = None) -> object:
        if left:
            raise left.pop()
        return select(self, timeout)

    monkeypatch.setattr(selectors.DefaultSelector, "select", failing)
    server.start()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.address[1]}/metrics", timeout=30) as answer:
        assert answer.read() == b"yes"
    server.close()
    assert len([record for record in caplog.records if "boom" in record.getMessage()]) == 1


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    running = MetricsServer("0", {"/metrics": yes, "/broken": broken, "/large": large})
    running.start()
    yield running
    running.close()


def broken() -> Reply:
    raise RuntimeError("boom")


def large() -> Reply:
    return Reply(200, "text/plain", b"x" * LARGE)


LARGE = 16 * 1024 * 1024  # more than the buffers of two sockets


def ask(server: MetricsServer, request: bytes) -> bytes:
    """What comes back, up to the end; within the patience of `health`, or socket.timeout."""
    with socket.create_connection(server.address, timeout=5) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65536), b""))


def status(server: MetricsServer, request: bytes) -> int:
    return int(ask(server, request).split()[1])


def test_slow_clients_hold_up_nobody(server: MetricsServer) -> None:
    slow = [socket.create_connection(server.address, timeout=10) for _ in range(40)]
    for number, client in enumerate(slow):
        client.sendall(b"GET /large HTTP/1.0\r\n\r\n" if number % 2 else b"GET /met")
    for _ in range(20):
        assert ask(server, b"GET /metrics HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nyes")
    for client in slow:
        client.close()


def test_a_client_has_one_deadline_for_all_that_it_does(
    monkeypatch: pytest.MonkeyPatch, server: MetricsServer
) -> None:
    """Each byte comes in good time; the exchange does not."""
    monkeypatch.setattr("sls_hec_forwarder.metrics.exchange.DEADLINE", 0.5)
    with socket.create_connection(server.address, timeout=30) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\nX: ")
        ended = False
        until = time.monotonic() + 30
        while not ended and time.monotonic() < until:
            time.sleep(0.05)
            try:
                client.sendall(b"x")
                client.setblocking(False)
                ended = not client.recv(1)
            except BlockingIOError:
                client.setblocking(True)
            except ConnectionError:
                ended = True
    assert ended


def test_a_client_that_takes_slowly_gets_all_of_a_large_answer(server: MetricsServer) -> None:
    with socket.create_connection(server.address, timeout=10) as client:
        client.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        time.sleep(0.3)
        answer = b"".join(iter(lambda: client.recv(1 << 20), b""))
    assert answer.endswith(b"x" * LARGE)


def test_clients_at_once_are_bounded_and_no_thread_is_made_for_them(server: MetricsServer) -> None:
    threads = threading.active_count()
    clients = [socket.create_connection(server.address, timeout=10) for _ in range(60)]
    assert ask(server, b"GET /metrics HTTP/1.0\r\n\r\n").endswith(b"yes")
    assert threading.active_count() == threads
    # The first ones had to make room.
    assert clients[0].recv(1) == b""
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
        b"x" * 100_000,
    ],
    ids=["path", "headers", "no line"],
)
def test_a_long_request_is_not_kept(server: MetricsServer, head: bytes) -> None:
    with socket.create_connection(server.address, timeout=30) as client:
        client.sendall(head[:9000])
        assert client.recv(65536).startswith(b"HTTP/1.0 431 ")


@pytest.mark.parametrize("host", ["localhost", "LocalHost:9464", "127.0.0.1", "127.0.0.1:1", "[::1]:9464"])
def test_names_of_this_machine_are_answered(server: MetricsServer, host: str) -> None:
    assert status(server, f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()) == 200


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example",
            "evil.example:9464",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.2",
        ),
        *("evil.example@localhost", "localhost:80:80", "", "localhost\r\nhOST : evil.example"),
    ],
)
def test_a_page_whose_name_leads_here_learns_nothing(server: MetricsServer, host: str) -> None:
    assert status(server, f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()) == 421


def test_a_unix_socket_is_reached_by_no_page(tmp_path: Path) -> None:
    server = MetricsServer(f"unix:{tmp_path / 'm'}", {"/metrics": yes})
    server.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(server.address)
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: relay-1.example\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.0 200 ")
    server.close()


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
        (b"GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET http://localhost/metrics HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics\r\n\r\n", 400),
        (b"GET /metrics HTTP/2.0\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\n\n", 400),
        (b"GET /metrics HTTP/1.1\n\n", 200),
    ],
)
def test_requests_of_all_sorts(server: MetricsServer, request_: bytes, expected: int) -> None:
    assert status(server, request_) == expected


def test_a_path_that_fails_is_told_once_and_the_others_are_served(
    server: MetricsServer, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        assert status(server, b"GET /broken HTTP/1.0\r\n\r\n") == 500
    assert status(server, b"GET /metrics HTTP/1.0\r\n\r\n") == 200
    assert len([record for record in caplog.records if "/broken" in record.getMessage()]) == 1
