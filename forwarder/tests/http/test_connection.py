"""One connection against servers that behave badly on the wire."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from sls_hec_forwarder.http.address import Address, Proxy
from sls_hec_forwarder.http.connection import IDLE_SECONDS, Connection, NoAnswer
from sls_hec_forwarder.http.tls import TlsFiles

from .scripted import answer, read_request, scripted

TLS = TlsFiles()
OK = answer()


def keep_answering(sock: socket.socket) -> None:
    while read_request(sock)[0]:
        sock.sendall(OK)


def connection(port: int, timeout: float = 20.0, **more: object) -> Connection:
    return Connection(Address(False, "127.0.0.1", port), TLS, timeout, **more)  # type: ignore[arg-type]


def test_requests_share_a_connection() -> None:
    with scripted(keep_answering) as port, connection(port) as conn:
        for _ in range(3):
            assert conn.exchange("POST", "/x", {}, b"body").body == b'{"text":"Success","code":0}'
        assert conn.opened == 1


def test_request_as_sent() -> None:
    seen: list[tuple[bytes, bytes]] = []

    def record(sock: socket.socket) -> None:
        seen.append(read_request(sock))
        sock.sendall(OK)

    with scripted(record) as port, connection(port) as conn:
        conn.exchange("POST", "/services/collector/event", {"Authorization": "Splunk t"}, b"{}")
    head, body = seen[0]
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /services/collector/event HTTP/1.1"
    assert b"Authorization: Splunk t" in lines
    assert b"Host: 127.0.0.1:%d" % port in lines
    assert b"Content-Length: 2" in lines
    assert body == b"{}"


def test_a_connection_that_the_server_closed_is_replaced_without_a_failure() -> None:
    closed = threading.Event()

    def once(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(OK)
        sock.shutdown(socket.SHUT_RDWR)
        closed.set()

    with scripted(once) as port, connection(port) as conn:
        for number in range(1, 4):
            closed.clear()
            conn.exchange("POST", "/x", {}, b"body")
            assert conn.opened == number
            assert closed.wait(20)
            time.sleep(0.05)  # for the FIN to arrive


@pytest.mark.parametrize(("pause", "opened"), [(IDLE_SECONDS - 1, 1), (IDLE_SECONDS + 1, 2), (400.0, 2)])
def test_an_idle_connection_is_not_trusted(pause: float, opened: int) -> None:
    now = 100.0
    with scripted(keep_answering) as port, connection(port, clock=lambda: now) as conn:
        conn.exchange("POST", "/x", {}, b"body")
        now += pause
        conn.exchange("POST", "/x", {}, b"body")
        assert conn.opened == opened


def test_a_busy_connection_is_left_after_minutes_so_that_balancers_spread() -> None:
    now = 100.0
    with scripted(keep_answering) as port, connection(port, clock=lambda: now) as conn:
        for _ in range(400):
            conn.exchange("POST", "/x", {}, b"body")
            now += 1.0
        assert conn.opened == 2


def test_an_answer_given_before_the_body_was_read_is_heard() -> None:
    """A proxy refuses a large body by its length, and closes."""

    def refuse(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(answer(b"<html>", "413 Too Large", "Connection: close"))
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass

    def refuse_and_reset(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(answer(b"<html>", "413 Too Large", "Connection: close"))
        time.sleep(0.3)  # the answer is there before the reset, while the client is still sending

    for script in (refuse, refuse_and_reset):
        with scripted(script) as port, connection(port) as conn:
            assert conn.exchange("POST", "/x", {}, b"x" * 30_000_000).status == 413


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"", "closed without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n{", "IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", "IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "ncomplete"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "too long"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, "headers"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2", "within the head"),
        (b"HTTP/1.1 200 OK\r\n", "within the head"),
        (b"HTTP/1.1 200 OK", "within the head"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "closed without an answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "BadStatusLine"),
        (b"\x00\xff\xfe\r\n\r\n", "BadStatusLine"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "BadStatusLine"),
    ],
)
def test_what_is_no_complete_answer(reply: bytes, message: str) -> None:
    def script(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(reply)

    with scripted(script) as port, connection(port) as conn:
        with pytest.raises(NoAnswer, match=message) as caught:
            conn.exchange("POST", "/x", {}, b"body")
        assert caught.value.sent
        assert not caught.value.operator
        assert conn.opened == 1


def test_endless_answer_is_cut() -> None:
    def flood(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sock.sendall(b"x" * 65536)

    with scripted(flood) as port, connection(port) as conn:
        assert len(conn.exchange("POST", "/x", {}, b"body").body) < 1_000_000


def test_silence_ends_with_the_timeout() -> None:
    def silent(sock: socket.socket) -> None:
        while sock.recv(65536):
            pass

    with scripted(silent) as port:
        with pytest.raises(NoAnswer, match="timed out") as caught:
            connection(port, timeout=0.2).exchange("POST", "/x", {}, b"body")
        assert caught.value.sent


def test_refused_and_unknown_name_send_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NoAnswer, match="refused") as caught:
        connection(port).exchange("POST", "/x", {}, b"body")
    assert not caught.value.sent
    nowhere = Connection(Address(False, "no-such-host.invalid", 1), TLS, 5.0)
    with pytest.raises(NoAnswer, match="name not resolved") as caught:
        nowhere.exchange("POST", "/x", {}, b"body")
    assert not caught.value.sent


@pytest.mark.parametrize(("status", "operator"), [("407 Who", True), ("403 No", True), ("502 Bad", False)])
def test_a_proxy_is_asked_for_a_tunnel_and_refuses(status: str, operator: bool) -> None:
    heads: list[bytes] = []

    def refuse(sock: socket.socket) -> None:
        heads.append(read_request(sock)[0])
        sock.sendall(answer(b"<html>", status))

    target = Address(True, "splunk.invalid", 8088)
    with scripted(refuse) as port:
        proxy = Proxy.parse(f"http://user:pass@127.0.0.1:{port}")
        conn = Connection(target, TLS, 20.0, proxy)
        with pytest.raises(NoAnswer, match=f"refused the tunnel .HTTP {status[:3]}.") as caught:
            conn.exchange("POST", "/x", {}, b"body")
    assert caught.value.operator is operator
    assert not caught.value.sent
    assert heads[0].split(b"\r\n") == [
        b"CONNECT splunk.invalid:8088 HTTP/1.1",
        b"Host: splunk.invalid:8088",
        b"Proxy-Authorization: Basic dXNlcjpwYXNz",
    ]


def test_abort_ends_a_wait_for_an_answer_a_handshake_and_a_connect() -> None:
    def silent(sock: socket.socket) -> None:
        while sock.recv(65536):
            pass

    with scripted(silent) as port, FullListener() as full:
        plain = connection(port, timeout=300)
        handshake = Connection(Address(True, "127.0.0.1", port), TLS, 300)
        connecting = connection(full, timeout=300)
        for conn in (plain, handshake, connecting):
            failures: list[NoAnswer] = []

            def exchange(conn: Connection = conn, failures: list[NoAnswer] = failures) -> None:
                try:
                    conn.exchange("POST", "/x", {}, b"body")
                except NoAnswer as error:
                    failures.append(error)

            thread = threading.Thread(target=exchange)
            thread.start()
            time.sleep(0.3)
            assert thread.is_alive()
            conn.abort()
            thread.join(5)
            assert not thread.is_alive()
            assert len(failures) == 1
            with pytest.raises(NoAnswer):
                conn.exchange("POST", "/x", {}, b"body")


class FullListener:
    """A port whose queue is full, so that a connect gets no answer at all."""

    def __enter__(self) -> int:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self._clients = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(self._listener.getsockname())
            self._clients.append(client)
        return int(self._listener.getsockname()[1])

    def __exit__(self, *exc: object) -> None:
        for client in [*self._clients, self._listener]:
            client.close()
