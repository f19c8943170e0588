"""One exchange against ends that drip, flood or say absurd things: it ends in time, and stays small."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from sls_hec_forwarder.http.address import Address, Proxy
from sls_hec_forwarder.http.answer import Response
from sls_hec_forwarder.http.connection import ANSWER_BYTES, Connection, NoAnswer
from sls_hec_forwarder.http.pool import Pool
from sls_hec_forwarder.http.tls import TlsFiles
from sls_hec_standins.http import ThrowawayCa

from .hostile import DRIPS, FLOODS, HEAD, PAUSE, UNCLEAR, after_request, drip, says
from .scripted import Script, answer, read_request, scripted
from .test_connection import FullListener, connection

SHORT = 0.4
#: Nobody is that slow; what is tested here would go on for ever.
PATIENCE = 30.0


@contextlib.contextmanager
def ends_soon() -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < PATIENCE


def fails(conn: Connection, match: str, body: bytes = b"body") -> NoAnswer:
    """The exchange fails, in time."""
    with ends_soon(), conn, pytest.raises(NoAnswer, match=match) as caught:
        conn.exchange("POST", "/x", {}, body)
    return caught.value


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayCa:
    return ThrowawayCa(tmp_path_factory.mktemp("ca"))


@pytest.mark.parametrize("end", DRIPS)
def test_a_drip_ends_with_the_time_of_the_exchange(end: str) -> None:
    with scripted(DRIPS[end]) as port:
        problem = fails(connection(port, timeout=SHORT), "timed out")
    assert problem.late
    assert problem.sent


@pytest.mark.parametrize("end", FLOODS)
def test_of_a_flood_little_is_read(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    received = 0
    real = socket.socket.recv_into

    def recv_into(sock: socket.socket, *args: Any) -> int:
        nonlocal received
        count = real(sock, *args)
        received += count
        return count

    monkeypatch.setattr(socket.socket, "recv_into", recv_into)
    with scripted(FLOODS[end]) as port, ends_soon(), connection(port, timeout=300.0) as conn:
        if end in ("body", "chunks"):
            response = conn.exchange("POST", "/x", {}, b"body")
            assert response.cut
            assert len(response.body) == ANSWER_BYTES
        else:
            with pytest.raises(NoAnswer, match=r"long|interim|headers|more than"):
                conn.exchange("POST", "/x", {}, b"body")
        assert not conn.is_open
    assert 0 < received < 10 * ANSWER_BYTES


@pytest.mark.parametrize("end", UNCLEAR)
def test_a_length_that_is_none(end: str) -> None:
    with scripted(says(HEAD + UNCLEAR[end] + b"\r\n{}")) as port:
        fails(connection(port, timeout=300.0), "Content-Length|Transfer-Encoding")


def test_a_body_that_is_announced_to_be_too_long_is_not_waited_for() -> None:
    said = b"HTTP/1.1 503 Busy\r\nContent-Length: 99999999999\r\n\r\n"
    with scripted(says(said)) as port, ends_soon(), connection(port, timeout=300.0) as conn:
        response = conn.exchange("POST", "/x", {}, b"body")
        assert (response.status, response.body, response.cut) == (503, b"", True)
        assert not conn.is_open


@pytest.mark.parametrize("size", [0, 9, 10])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_what_just_fits_is_whole(size: int, framing: str) -> None:
    body = b"x" * size
    if framing == "length":
        said = HEAD + b"Content-Length: %d\r\n\r\n%b" % (size, body)
    elif framing == "chunked":
        chunk = b"%x\r\n%b\r\n" % (size, body) if size else b""
        said = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % chunk
    else:
        said = HEAD + b"\r\n" + body

    def say(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(said)
        if framing != "close":
            read_request(sock)

    with scripted(say) as port, connection(port) as conn:
        response = conn.exchange("GET", "/x", {}, limit=10)
        assert (response.body, response.cut) == (body, False)
        assert conn.is_open is (framing != "close")


def test_both_framings_are_read_as_chunks_and_not_trusted_after_that() -> None:
    said = HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    with scripted(says(said)) as port, connection(port) as conn:
        assert conn.exchange("GET", "/x", {}).body == b"ok"
        assert not conn.is_open


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_a_few_interim_answers_are_passed_over(interim: str) -> None:
    few = f"HTTP/1.1 {interim}\r\nx: y\r\n\r\n".encode() * 5
    with scripted(says(few + answer())) as port, connection(port) as conn:
        assert conn.exchange("POST", "/x", {}, b"body").status == 200
        assert conn.exchange("POST", "/x", {}, b"body").status == 200
        assert conn.opened == 1


def test_nobody_asked_for_another_protocol() -> None:
    with scripted(says(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + answer())) as port:
        fails(connection(port, timeout=300.0), "interim")


def test_an_answer_may_come_slowly_within_its_time() -> None:
    def say(sock: socket.socket) -> None:
        drip(sock, answer(b"x"))

    with scripted(after_request(say)) as port, connection(port) as conn:
        assert conn.exchange("GET", "/x", {}).body == b"x"


def reads_nothing(sock: socket.socket) -> None:
    poller = select.poll()
    poller.register(sock, 0)  # until it is shut down
    poller.poll(PATIENCE * 1000)


def reads_slowly(sock: socket.socket) -> None:
    while sock.recv(1000):
        time.sleep(PAUSE)


@pytest.mark.parametrize("script", [reads_nothing, reads_slowly])
def test_a_body_that_is_not_taken(script: Script) -> None:
    with scripted(script) as port:
        fails(connection(port, timeout=SHORT), "timed out", body=bytes(30_000_000))


@pytest.mark.parametrize("end", ["nothing", "status line", "head", "interim answer"])
def test_a_proxy_that_drips(end: str) -> None:
    with scripted(DRIPS[end]) as port:
        conn = Connection(Address(True, "a.test", 443), TlsFiles(), SHORT, Proxy("127.0.0.1", port, ""))
        assert not fails(conn, "timed out").sent


@pytest.mark.parametrize("end", ["100 Continue", "header lines", "a header line"])
def test_a_proxy_that_floods(end: str) -> None:
    with scripted(FLOODS[end]) as port:
        conn = Connection(Address(True, "a.test", 443), TlsFiles(), 300.0, Proxy("127.0.0.1", port, ""))
        assert not fails(conn, "interim|long|headers|more than").sent


def tls_end(ca: ThrowawayCa, slow_from: int) -> Script:
    """Speaks TLS, answers, and drips its bytes from the n-th of those that it sends on."""
    made = ca.server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(made.cert), str(made.key))

    def script(sock: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        sent = 0
        steps: list[Callable[[], object]] = [tls.do_handshake, lambda: tls.read(65536)]
        steps.append(lambda: tls.write(HEAD + b"Content-Length: 9000\r\n\r\n" + bytes(9000)))
        while steps:
            try:
                steps[0]()
                steps.pop(0)
                wants_more = False
            except ssl.SSLWantReadError:
                wants_more = True
            data = outgoing.read()
            fast = max(0, min(len(data), slow_from - sent))
            sock.sendall(data[:fast])
            drip(sock, data[fast:])
            sent += len(data)
            if wants_more:
                received = sock.recv(65536)
                if not received:
                    return
                incoming.write(received)

    return script


# The first bytes are the handshake's; beyond 4000 are, for these certificates, the answer's.
@pytest.mark.parametrize(("slow_from", "sent"), [(0, False), (300, False), (4000, True)])
def test_tls_that_drips(ca: ThrowawayCa, slow_from: int, sent: bool) -> None:
    with scripted(tls_end(ca, slow_from)) as port:
        conn = Connection(Address(True, "localhost", port), TlsFiles(str(ca.cert)), 1.0)
        assert fails(conn, "timed out").sent is sent


def test_tls_that_says_nothing() -> None:
    with scripted(reads_nothing) as port:
        conn = Connection(Address(True, "127.0.0.1", port), TlsFiles(), SHORT)
        assert not fails(conn, "timed out").sent


def test_tls_that_behaves(ca: ThrowawayCa) -> None:
    with scripted(tls_end(ca, 1 << 30)) as port:
        conn = Connection(Address(True, "localhost", port), TlsFiles(str(ca.cert)), 20.0)
        assert conn.exchange("GET", "/x", {}).body == bytes(9000)
        conn.close()


def test_many_addresses_that_swallow_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with FullListener() as port:
        where = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [where] * 8)
        assert fails(connection(port, timeout=SHORT), "timed out").late


class HangingResolver:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = threading.Event()
        self.asked = 0
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: str, port: int, *, type: int, flags: int = 0) -> Any:
        if flags:
            return self._real(host, port, type=type, flags=flags)
        self.asked += 1
        self.go_on.wait(PATIENCE)
        return self._real("127.0.0.1", port, type=type)


def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = HangingResolver(monkeypatch)
    try:
        for _ in range(3):
            conn = Connection(Address(False, "name.test", 80), TlsFiles(), SHORT)
            assert not fails(conn, "timed out").sent
        assert hanging.asked == 1  # and so there is one thread that waits
    finally:
        hanging.go_on.set()


def test_a_slow_resolver_that_answers_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = HangingResolver(monkeypatch)
    threading.Timer(0.3, hanging.go_on.set).start()
    with scripted(says(answer())) as port:
        conn = Connection(Address(False, "name.test", port), TlsFiles(), PATIENCE)
        assert conn.exchange("GET", "/x", {}).status == 200
        conn.close()


def test_connecting_and_the_exchange_share_the_time() -> None:
    ahead = [0.0]
    with scripted(DRIPS["nothing"]) as port:
        conn = connection(port, timeout=300.0, clock=lambda: time.monotonic() + ahead[0])
        conn.open()
        ahead[0] += 299.5
        fails(conn, "timed out")


@pytest.mark.parametrize("script", [DRIPS["body"], DRIPS["chunk size"], reads_nothing, reads_slowly])
def test_abort_ends_whatever_is_under_way(script: Script) -> None:
    with scripted(script) as port:
        _aborted(connection(port, timeout=300.0))


def test_abort_ends_a_look_up_a_tunnel_and_a_handshake(
    monkeypatch: pytest.MonkeyPatch, ca: ThrowawayCa
) -> None:
    with scripted(DRIPS["head"]) as port:
        proxy = Proxy("127.0.0.1", port, "")
        _aborted(Connection(Address(True, "a.test", 443), TlsFiles(), 300.0, proxy))
    with scripted(tls_end(ca, 300)) as port:
        _aborted(Connection(Address(True, "localhost", port), TlsFiles(str(ca.cert)), 300.0))
    hanging = HangingResolver(monkeypatch)
    try:
        _aborted(Connection(Address(False, "name.test", 80), TlsFiles(), 300.0))
    finally:
        hanging.go_on.set()


def _aborted(conn: Connection) -> None:
    failures: list[NoAnswer] = []

    def exchange() -> None:
        with pytest.raises(NoAnswer) as caught:
            conn.exchange("POST", "/x", {}, bytes(30_000_000))
        failures.append(caught.value)
        conn.close()

    thread = threading.Thread(target=exchange)
    thread.start()
    time.sleep(0.3)
    assert thread.is_alive()
    conn.abort()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert str(failures[0]) == "aborted, the relay stops"


# The pool


def test_a_pool_keeps_some_drops_all_and_aborts_all() -> None:
    made: list[Connection] = []
    gate = threading.Semaphore(0)

    def serve(sock: socket.socket) -> None:
        while read_request(sock)[0]:
            gate.acquire(timeout=PATIENCE)
            sock.sendall(answer(b"x"))

    with scripted(serve) as port:

        def make() -> Connection:
            made.append(connection(port, timeout=PATIENCE))
            return made[-1]

        pool = Pool(make, most=2)

        def ask(results: list[object]) -> None:
            try:
                results.append(pool.exchange("GET", "/x", {}, b"", limit=10))
            except NoAnswer as problem:
                results.append(problem)

        def at_once(count: int) -> tuple[list[threading.Thread], list[object]]:
            results: list[object] = []
            threads = [threading.Thread(target=ask, args=(results,)) for _ in range(count)]
            for thread in threads:
                thread.start()
            return threads, results

        threads, results = at_once(4)
        gate.release(4)
        for thread in threads:
            thread.join(PATIENCE)
        assert [isinstance(each, Response) for each in results] == [True] * 4
        assert sum(each.is_open for each in made) <= 2
        count = len(made)
        gate.release()
        at_once(1)[0][0].join(PATIENCE)
        assert len(made) == count  # one that was kept

        pool.drop()
        assert not any(each.is_open for each in made)
        (thread,), _ = at_once(1)
        until = time.monotonic() + PATIENCE
        while not made[-1].is_open and time.monotonic() < until:
            time.sleep(0.01)
        pool.drop()
        gate.release()
        thread.join(PATIENCE)
        assert len(made) == count + 1
        assert not made[-1].is_open  # it was in use when all were dropped

        threads, results = at_once(3)
        time.sleep(0.3)
        pool.abort()
        for thread in threads:
            thread.join(PATIENCE)
        assert [isinstance(each, NoAnswer) for each in results] == [True] * 3
        with pytest.raises(NoAnswer, match="aborted"):
            pool.exchange("GET", "/x", {}, b"", limit=10)
        gate.release(10)


def test_tls_certificates_of_a_folder(ca: ThrowawayCa, tmp_path: Path) -> None:
    """As REQUESTS_CA_BUNDLE may name one."""
    (tmp_path / "certs").mkdir()
    assert TlsFiles(str(tmp_path / "certs")).context().get_ca_certs() == []
    assert TlsFiles(str(ca.cert)).context().get_ca_certs() != []
