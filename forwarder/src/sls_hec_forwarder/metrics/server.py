"""Serves fixed paths on a loopback port or a unix socket, from one thread that ends on `close`."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import socketserver
import stat
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, Callable, NamedTuple

from sls_hec_forwarder.backoff import CountingBackoff
from sls_hec_forwarder.errors import OperatorError
from sls_hec_forwarder.periodic import Periodic

#: Patience (seconds) with a client that sends or takes nothing.
_CLIENT_TIMEOUT = 5.0
#: How often (seconds) the thread looks whether it has to end.
_LOOK = 0.1
#: First and longest pause (seconds) after the thread could not serve.
_RETRY = (0.1, 10.0)
#: Time (seconds) for the thread to end.
_END = 5.0

_log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What a path gives."""

    status: int
    content_type: str
    body: bytes


#: Paths, and what makes their answers.
Routes = Mapping[str, Callable[[], Answer]]


class _Handler(BaseHTTPRequestHandler):
    timeout = _CLIENT_TIMEOUT
    server_version = "sls-hec-forwarder"
    sys_version = ""
    server: _Server

    def do_GET(self) -> None:
        route = self.server.routes.get(self.path.partition("?")[0])
        answer = (
            route() if route else Answer(404, "text/plain", b"only /metrics, /healthz and /livez are here\n")
        )
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: a scrape every few seconds is no news."""


class _Server(socketserver.TCPServer):
    """One client at a time: scrapes are rare and short."""

    allow_reuse_address = True
    timeout = _LOOK
    routes: Routes

    def __init__(self, address: Any, routes: Routes) -> None:
        self.routes = routes
        self._client: socket.socket | None = None
        super().__init__(address, _Handler)

    def get_request(self) -> Any:
        try:
            return super().get_request()
        except OSError:  # such as no descriptor left: the client still waits, and would be tried at once
            time.sleep(_LOOK)
            raise

    def finish_request(self, request: Any, client_address: Any) -> None:
        self._client = request
        try:
            super().finish_request(request, client_address)
        finally:
            self._client = None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that break off are their own trouble."""

    def hang_up(self) -> None:
        """End a client that would hold the thread up."""
        client = self._client
        if client is not None:
            with contextlib.suppress(OSError):  # it has just ended by itself
                client.shutdown(socket.SHUT_RDWR)


class _UnixServer(_Server):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        _remove_socket(str(self.server_address))
        super().server_bind()
        os.chmod(str(self.server_address), 0o660)

    def server_close(self) -> None:
        super().server_close()
        _remove_socket(str(self.server_address))


def _remove_socket(path: str) -> None:
    """Remove what a process left that was killed; nothing but a socket."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)


class MetricsServer:
    """`where` is a port (as text) or `unix:/path`."""

    def __init__(self, where: str, routes: Routes) -> None:
        self._where = where
        self._routes = routes
        self._server: _Server | None = None
        self._thread: Periodic | None = None

    @property
    def address(self) -> Any:
        """What it listens on: (host, port) or a path."""
        return self._server.server_address if self._server is not None else None

    def start(self) -> None:
        """Raises OperatorError when that cannot be listened on."""
        try:
            if self._where.startswith("unix:"):
                self._server = _UnixServer(self._where[len("unix:") :], self._routes)
            else:
                self._server = _Server(("127.0.0.1", int(self._where)), self._routes)
        except OSError as problem:
            raise OperatorError(
                f"RELAY_METRICS: cannot listen on {self._where}: {problem.strerror or problem}; "
                "is another instance using it?"
            ) from problem
        self._thread = Periodic(
            *("metrics", f"serving {self._where}", self._serve),
            log=_log,
            interval=0.0,
            backoff=CountingBackoff(*_RETRY),
        )
        self._thread.start()

    def close(self) -> None:
        """End the thread, within some seconds, and free the address. May be called again."""
        if self._server is None or self._thread is None:
            return
        deadline = time.monotonic() + _END
        # It ends behind the client being served, and one more may have been waiting.
        while not self._thread.stop(_LOOK) and time.monotonic() < deadline:
            self._server.hang_up()
        self._server.server_close()
        self._server = self._thread = None

    def _serve(self) -> None:
        """One client, if one comes soon."""
        if self._server is not None:
            self._server.handle_request()
