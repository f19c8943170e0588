"""A small service, its server, and raw sockets to talk to it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from sls_hec_standins.http import Fault, Request, Response, Server, ThrowawayCa, json_response


class Echo:
    """Tells what it was asked; /big answers 3 MB, /boom is defective, /nap waits."""

    def __init__(self) -> None:
        self.handled: list[Request] = []
        self.napping = threading.Event()

    def route(self, head: Request) -> str:
        assert head.body == b""
        if head.path == "/bad-route":
            raise KeyError("route")
        return head.path.strip("/") or "root"

    def handle(self, request: Request) -> Response:
        self.handled.append(request)
        if request.path == "/boom":
            raise KeyError("handle")
        if request.path == "/bad-header":
            return Response(200, [("Bad", "a\nb")])
        if request.path == "/big":
            return Response(200, [("Content-Type", "text/plain")], b"0123456789" * 300_000)
        return json_response(
            200,
            {
                "method": request.method,
                "path": request.path,
                "query": request.query,
                "host": request.headers.get("host"),
                "body": request.body.decode("latin-1") if len(request.body) < 100 else len(request.body),
                "secure": request.secure,
            },
        )

    def fault_response(self, route: str, fault: Fault) -> Response:
        return json_response(fault.get("status", 503), {"fault": route, "text": fault.get("text", "")})

    def error_response(self, status: int, text: str) -> Response:
        return json_response(status, {"error": text})


class Raw:
    """A socket to a server, for bytes no HTTP client would send."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)

    def send(self, data: bytes) -> Raw:
        self.sock.sendall(data)
        return self

    def until(self, end: bytes) -> bytes:
        """What the server says, up to and with `end`."""
        got = b""
        while end not in got:
            data = self.sock.recv(65536)
            assert data, f"connection closed after {got!r}"
            got += data
        return got

    def all(self) -> bytes:
        """What the server says until it closes the connection."""
        got = b""
        while True:
            data = self.sock.recv(65536)
            if not data:
                return got
            got += data

    def tls(self, context: ssl.SSLContext, name: str) -> Raw:
        self.sock = context.wrap_socket(self.sock, server_hostname=name)
        return self


@pytest.fixture
def app() -> Echo:
    return Echo()


@pytest.fixture
def serve(app: Echo) -> Iterator[Callable[..., Server]]:
    """Starts servers of the service."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(Server(app, **{"timeout": 20.0, **options}))


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    return serve()


@pytest.fixture
def raw() -> Iterator[Callable[[Any], Raw]]:
    with contextlib.ExitStack() as stack:

        def connect(server: Server) -> Raw:
            made = Raw(server.port)
            stack.callback(lambda: made.sock.close())
            return made

        yield connect


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayCa:
    return ThrowawayCa(tmp_path_factory.mktemp("ca"))
