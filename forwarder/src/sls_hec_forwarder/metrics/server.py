"""Serves fixed paths on a loopback port or a unix socket, from one thread that ends on `close`.

The thread waits for all clients at once, so that none of them can delay another.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import stat
import time
from collections.abc import Mapping
from typing import Any, Callable

from sls_hec_forwarder.errors import OperatorError
from sls_hec_forwarder.metrics.exchange import Exchange, Reply
from sls_hec_forwarder.retry.backoff import CountingBackoff
from sls_hec_forwarder.retry.periodic import Periodic

__all__ = ["MetricsServer", "Reply", "Routes"]

#: Most clients at once; one more disconnects the oldest.
_CLIENTS = 16
#: Most connections that wait to be accepted.
_BACKLOG = 64
#: How often (seconds) the thread checks whether it has to end.
_LOOK = 0.1
#: First and longest pause (seconds) after a failure of the thread.
_RETRY = (0.1, 10.0)
#: Time (seconds) for the thread to end.
_END = 5.0

_log = logging.getLogger(__name__)

#: The function that makes the answer, by path.
Routes = Mapping[str, Callable[[], Reply]]


class MetricsServer:
    """`where` is a port (as text) or `unix:/path`."""

    def __init__(self, where: str, routes: Routes) -> None:
        self._where = where
        self._path = where[len("unix:") :] if where.startswith("unix:") else ""
        self._routes = routes
        self._socket: socket.socket | None = None
        self._selector: selectors.BaseSelector | None = None
        self._thread: Periodic | None = None
        self._clients: dict[socket.socket, Exchange] = {}  # used by the thread only, oldest first
        self._logged: set[str] = set()  # kinds of failure of the routes

    @property
    def address(self) -> Any:
        """The address it listens on: (host, port) or a path."""
        return self._socket.getsockname() if self._socket is not None else None

    def start(self) -> None:
        """Raises OperatorError when it cannot listen there."""
        try:
            self._socket = self._listen()
        except OSError as problem:
            raise OperatorError(
                f"RELAY_METRICS: cannot listen on {self._where}: {problem.strerror or problem}; "
                "is another instance using it?"
            ) from problem
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._thread = Periodic(
            *("metrics", f"serving {self._where}", self._serve),
            log=_log,
            interval=0.0,
            backoff=CountingBackoff(*_RETRY),
        )
        self._thread.start()

    def _listen(self) -> socket.socket:
        listening = socket.socket(socket.AF_UNIX if self._path else socket.AF_INET, socket.SOCK_STREAM)
        try:
            if self._path:
                _remove_socket(self._path)
                listening.bind(self._path)
                os.chmod(self._path, 0o660)
            else:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listening.bind(("127.0.0.1", int(self._where)))
            listening.listen(_BACKLOG)
            listening.setblocking(False)
        except BaseException:
            listening.close()
            raise
        return listening

    def close(self) -> None:
        """End the thread within some seconds and free the address. May be called again."""
        if self._socket is None or self._thread is None or self._selector is None:
            return
        if self._thread.stop(_END):  # otherwise a route hangs and the thread still uses the clients
            for client in list(self._clients):
                self._end(client)
            self._selector.close()
        self._socket.close()
        if self._path:
            _remove_socket(self._path)
        self._socket = self._thread = self._selector = None

    # In the thread

    def _serve(self) -> None:
        """Serve clients for a moment, and disconnect those whose time is up."""
        selector = self._selector
        if selector is None:
            return
        for key, _ in selector.select(_LOOK):
            if key.fileobj is self._socket:
                self._accept(selector)
            elif key.fileobj in self._clients:
                self._go_on(selector, key.fileobj)
        now = time.monotonic()
        for client in [client for client, exchange in self._clients.items() if exchange.late(now)]:
            self._end(client)

    def _accept(self, selector: selectors.BaseSelector) -> None:
        assert self._socket is not None
        try:
            client, _ = self._socket.accept()
        except (
            OSError
        ):  # the client is gone, or there is no free descriptor, which would make this a busy loop
            time.sleep(_LOOK)
            return
        client.setblocking(False)
        if len(self._clients) >= _CLIENTS:
            self._end(next(iter(self._clients)))
        # A browser can reach a port under any name that resolves to this machine, but not a unix socket.
        self._clients[client] = Exchange(client, self._answer, any_host=bool(self._path))
        selector.register(client, selectors.EVENT_READ)

    def _go_on(self, selector: selectors.BaseSelector, client: socket.socket) -> None:
        exchange = self._clients[client]
        try:
            over = exchange.go_on()
        except OSError:  # the client disconnected
            over = True
        if over:
            self._end(client)
        elif exchange.answering:
            selector.modify(client, selectors.EVENT_WRITE)

    def _end(self, client: socket.socket) -> None:
        del self._clients[client]
        if self._selector is not None:
            self._selector.unregister(client)
        client.close()

    def _answer(self, path: str) -> Reply:
        route = self._routes.get(path)
        if route is None:
            return Reply(404, "text/plain", b"only /metrics, /healthz and /livez exist\n")
        try:
            return route()
        except Exception as problem:  # noqa: BLE001 - the other paths may still work
            kind = f"{path} {type(problem).__name__}"
            if kind not in self._logged:
                self._logged.add(kind)
                _log.exception("serving %s: %s cannot be answered; the relay continues", self._where, path)
            return Reply(500, "text/plain", b"failed; see the relay's log\n")


def _remove_socket(path: str) -> None:
    """Remove the socket that a killed process left; never anything but a socket."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
