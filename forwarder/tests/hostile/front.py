"""Stands between the relay and every end of it, passes everything on, and misbehaves where it is told to.

One port for all: the proxy to SLS, the proxy to the collectors (for https ones it opens tunnels and ends the
TLS itself), and the metadata service. What a request is follows from the request.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Callable
from urllib.parse import parse_qs, urlsplit

#: A client that keeps an exchange open for longer (seconds) is left; it has failed by then.
LONGEST = 6.0
_RECV = 1 << 16

CONNECT, TLS, TOKEN, CREDENTIALS = "CONNECT", "TLS handshake", "token", "credentials"
EVENT, ACK, COLLECTOR_HEALTH = "event", "ack", "collector health"
PULL, CURSOR, CURSOR_TIME, LIST_SHARDS = "pull", "cursor", "cursor time", "list shards"
LIST_GROUPS, CREATE_GROUP, UPDATE_GROUP = "list groups", "create group", "update group"
CHECKPOINTS, SAVE, HEARTBEAT, UNKNOWN = "checkpoints", "save checkpoint", "heartbeat", "unknown"


class Gone(Exception):
    """The client has closed the connection."""


@dataclass(frozen=True)
class Request:
    call: str
    head: bytes
    body: bytes
    host: str = ""


@dataclass
class Answer:
    """What the real end says."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes

    def wire(self, *, close: bool = False) -> bytes:
        headers = [*self.headers, *([("Connection", "close")] if close else [])]
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        return f"HTTP/1.1 {self.status}\r\n{lines}\r\n".encode("latin-1") + self.body

    def replaced(self, body: bytes, **changes: str) -> Answer:
        """With another body, and headers by their names with _ for -."""
        new = {name.replace("_", "-").lower(): value for name, value in changes.items()}
        kept = [each for each in self.headers if each[0].lower() not in {*new, "content-length"}]
        return Answer(self.status, [*kept, *new.items(), ("Content-Length", str(len(body)))], body)


@dataclass
class Exchange:
    """One request that is answered badly. `real` asks the real end, which takes effect there."""

    client: socket.socket
    request: Request
    real: Callable[[], Answer]
    begun: float = field(default_factory=time.monotonic)

    def send(self, data: bytes) -> None:
        """Raises Gone."""
        with _gone():
            self.client.settimeout(max(0.1, self.begun + LONGEST - time.monotonic()))
            self.client.sendall(data)
        self._look(0.0)

    def flow(self, parts: Iterable[bytes], pause: float = 0.0) -> None:
        """Send one after the other until the client has had enough. Raises Gone."""
        for part in parts:
            self.send(part)
            self._look(pause)
            if time.monotonic() - self.begun > LONGEST:
                return

    def wait(self) -> None:
        """Until the client closes the connection. Raises Gone."""
        while time.monotonic() - self.begun < LONGEST:
            self._look(0.1)

    def end(self) -> None:
        """Nothing more is sent. Raises Gone."""
        with _gone():
            self.client.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Raises Gone."""
        with _gone():
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def _look(self, seconds: float) -> None:
        pending = isinstance(self.client, ssl.SSLSocket) and self.client.pending()
        if pending or select.select([self.client], [], [], seconds)[0]:
            with _gone():
                if not self.client.recv(_RECV):
                    raise Gone


@contextlib.contextmanager
def _gone() -> Iterator[None]:
    """A client may end the connection at any moment, which any call on its socket can tell."""
    try:
        yield
    except OSError as error:
        raise Gone from error


Misbehaviour = Callable[[Exchange], None]


@dataclass
class Shot:
    """A misbehaviour that waits for its call. `seconds`: how long the client kept that exchange open."""

    call: str
    misbehave: Misbehaviour
    wants: Callable[[Request], bool] = lambda _: True
    fired: bool = False
    seconds: float = 0.0
    problem: str = ""
    over: threading.Event = field(default_factory=threading.Event)


class Front:
    """Use as a context manager. `sls` and `hec` are ports of the real ends."""

    def __init__(self, sls: int, hec: int, tls: ssl.SSLContext, credentials: Mapping[str, str]) -> None:
        self._ports = {"sls": sls, "hec": hec}
        self._tls = tls
        self._credentials = credentials
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Shot]] = defaultdict(list)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._threads: set[threading.Thread] = set()
        self._sockets: set[socket.socket] = set()
        self._closing = False
        #: Requests by call, and those to hosts that only a redirect names.
        self.counts: dict[str, int] = defaultdict(int)
        self.strangers: list[str] = []

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def plan(self, shot: Shot) -> Shot:
        with self._lock:
            self._waiting[shot.call].append(shot)
        return shot

    def forget(self) -> None:
        with self._lock:
            self._waiting.clear()

    def __enter__(self) -> Front:
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(10)
        with self._lock:
            threads, sockets = list(self._threads), list(self._sockets)
        for each in sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)
        for thread in threads:
            thread.join(LONGEST + 5)
        assert not any(thread.is_alive() for thread in threads)

    def _accept(self) -> None:
        while not self._closing:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._run, args=(client,), daemon=True)
            with self._lock:
                self._threads.add(thread)
                self._sockets.add(client)
            thread.start()

    def _run(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        upstreams: dict[str, socket.socket] = {}
        try:
            self._serve(client, upstreams)
        except (OSError, Gone, ValueError):
            pass  # either side ended it, as it may
        finally:
            client.close()
            for each in upstreams.values():
                each.close()
            with self._lock:
                self._threads.discard(threading.current_thread())
                self._sockets.discard(client)

    def _serve(
        self, client: socket.socket, upstreams: dict[str, socket.socket], tunnel: bool = False
    ) -> None:
        while True:
            client.settimeout(60.0)
            request = read_request(client)
            if request is None:
                return
            with self._lock:
                self.counts[request.call] += 1
                if "stranger" in request.host:
                    self.strangers.append(request.host)
            shot = self._shot(request.call, request)
            if shot is not None:
                self._misbehave(shot, client, request, upstreams)
                return
            if request.call == CONNECT:
                self._tunnel(client, upstreams)
                return
            client.sendall(self._real(request, upstreams).wire())
            if tunnel and (self._waiting[CONNECT] or self._waiting[TLS]):
                return  # so that it is opened anew

    def _shot(self, call: str, request: Request) -> Shot | None:
        with self._lock:
            for shot in self._waiting[call]:
                if shot.wants(request):
                    self._waiting[call].remove(shot)
                    shot.fired = True
                    return shot
        return None

    def _misbehave(
        self, shot: Shot, client: socket.socket, request: Request, upstreams: dict[str, socket.socket]
    ) -> None:
        exchange = Exchange(client, request, lambda: self._real(request, upstreams))
        try:
            shot.misbehave(exchange)
        except Gone:
            pass
        except Exception as error:  # noqa: BLE001 - a defect of the table, told where its rows are
            shot.problem = f"the front failed: {error!r}"
        shot.seconds = time.monotonic() - exchange.begun
        client.close()
        shot.over.set()

    def _tunnel(self, client: socket.socket, upstreams: dict[str, socket.socket]) -> None:
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        request = Request(TLS, b"", b"")
        shot = self._shot(TLS, request)
        if shot is not None:
            self._misbehave(shot, client, request, upstreams)
            return
        wrapped = self._tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        try:
            wrapped.settimeout(10.0)
            wrapped.do_handshake()
            self._serve(wrapped, upstreams, tunnel=True)
        finally:
            wrapped.close()

    def _real(self, request: Request, upstreams: dict[str, socket.socket]) -> Answer:
        if request.call == TOKEN:
            return _made(b"metadata-token")
        if request.call == CREDENTIALS:
            expires = datetime.now(timezone.utc) + timedelta(hours=1)
            told = {**self._credentials, "Expiration": f"{expires:%Y-%m-%dT%H:%M:%SZ}", "Code": "Success"}
            return _made(json.dumps(told).encode())
        end = "hec" if request.call in (EVENT, ACK, COLLECTOR_HEALTH) else "sls"
        if end not in upstreams:
            upstreams[end] = socket.create_connection(("127.0.0.1", self._ports[end]), 30.0)
        upstreams[end].sendall(request.head + request.body)
        return read_answer(upstreams[end])


def _made(body: bytes) -> Answer:
    return Answer("200 OK", [("Content-Length", str(len(body)))], body)


def _read_head(sock: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(_RECV)
        if not more:
            return b"", b""
        data += more
    head, gap, rest = data.partition(b"\r\n\r\n")
    return head + gap, rest


def _read_body(sock: socket.socket, rest: bytes, headers: Iterable[tuple[str, str]]) -> bytes:
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    parts, left = [rest], length - len(rest)
    while left > 0:
        more = sock.recv(min(left, 1 << 20))
        if not more:
            raise Gone
        parts.append(more)
        left -= len(more)
    return b"".join(parts)


def _headers(head: bytes) -> list[tuple[str, str]]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return [(name, value.strip()) for name, gap, value in (line.partition(":") for line in lines) if gap]


def read_request(sock: socket.socket) -> Request | None:
    """None when the client has gone."""
    head, rest = _read_head(sock)
    if not head:
        return None
    headers = _headers(head)
    body = _read_body(sock, rest, headers)
    method, target = head.decode("latin-1").split(" ", 2)[:2]
    host = next((value for name, value in headers if name.lower() == "host"), "")
    return Request(call_of(method, target), head, body, host)


def read_answer(sock: socket.socket) -> Answer:
    head, rest = _read_head(sock)
    headers = _headers(head)
    status = head.decode("latin-1").partition("\r\n")[0].partition(" ")[2]
    return Answer(status, headers, _read_body(sock, rest, headers))


def call_of(method: str, target: str) -> str:
    if method == "CONNECT":
        return CONNECT
    parts = urlsplit(target)
    path = parts.path.strip("/").split("/")
    if path[0] == "latest":
        return TOKEN if method == "PUT" else CREDENTIALS
    if path[:2] == ["services", "collector"] or "services/collector" in parts.path:
        return {"event": EVENT, "ack": ACK, "health": COLLECTOR_HEALTH}.get(path[-1], UNKNOWN)
    kind = parse_qs(parts.query).get("type", [""])[0]
    if path[2:3] == ["shards"]:
        if len(path) == 3:
            return LIST_SHARDS
        return {"cursor": CURSOR, "cursor_time": CURSOR_TIME}.get(kind, PULL)
    if path[2:3] == ["consumergroups"]:
        if len(path) == 3:
            return LIST_GROUPS if method == "GET" else CREATE_GROUP
        if method == "POST":
            return HEARTBEAT if kind == "heartbeat" else SAVE
        return CHECKPOINTS if method == "GET" else UPDATE_GROUP
    return UNKNOWN
