"""The server: a listener, a thread for each connection, and an orderly end."""

from __future__ import annotations

import collections
import contextlib
import logging
import select
import socket
import threading
import time
from typing import Any

from sls_hec_standins.http.app import App
from sls_hec_standins.http.connection import Connection, Context, Limits
from sls_hec_standins.http.faults import Faults
from sls_hec_standins.http.tls import ServerTls

_BACKLOG = 1024
_POLL = 0.05  # seconds between looks at faults that end by time
_JOIN = 10.0
_KEPT_ERRORS = 100

log = logging.getLogger(__name__)


class Server:
    """Serves `app` on `host`:`port` (0: a free one) from `start` to `stop`, or as a context manager.

    `tls` makes it an https server. `tunnel_tls` lets a plain server answer CONNECT, as a forward proxy
    does for https URLs: every tunnel ends in this server itself, with that certificate. `max_body` bounds
    a request body (bytes), `timeout` the wait for a peer (seconds, also between requests), and
    `max_connections` the connections served at once; more wait in the listen queue.

    `app_errors` are the latest exceptions out of `app`, which a test asserts to be empty. `connects`
    counts accepted connections.
    """

    def __init__(
        self,
        app: App,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ServerTls | None = None,
        tunnel_tls: ServerTls | None = None,
        faults: Faults | None = None,
        max_body: int = 1 << 30,
        timeout: float = 120.0,
        max_connections: int = 512,
    ) -> None:
        self.host = host
        self.secure = tls is not None
        self.faults = Faults() if faults is None else faults
        self.app_errors: collections.deque[BaseException] = collections.deque(maxlen=_KEPT_ERRORS)
        self.connects = 0
        self._app = app
        self._asked_port = port
        self._port: int | None = None
        self._tls = None if tls is None else tls.context()
        self._tunnel_tls = None if tunnel_tls is None else tunnel_tls.context()
        self._limits = Limits(max_body, timeout)
        self._slots = threading.BoundedSemaphore(max_connections)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, Connection] = {}
        self._listener: socket.socket | None = None
        self._holder: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self.faults.on_change(self._follow_faults)

    @property
    def port(self) -> int:
        assert self._port is not None, "the server is not started"
        return self._port

    @property
    def url(self) -> str:
        """Scheme, address and port; a wildcard address is given as loopback."""
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"{'https' if self.secure else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def start(self) -> Server:
        # The holder never listens. It keeps the port ours while a "refuse" fault has the listener closed.
        self._holder = self._bind(self._asked_port)
        self._port = int(self._holder.getsockname()[1])
        self._follow_faults()
        self._acceptor = threading.Thread(target=self._accept, name=f"accept-{self.port}", daemon=True)
        self._acceptor.start()
        return self

    def stop(self) -> None:
        """Close the listener and every connection, and wait for their threads. May be called again.

        Raises RuntimeError if a thread does not end, which is a defect of the application.
        """
        self._stopping.set()
        deadline = time.monotonic() + _JOIN
        self._follow_faults()
        if self._acceptor is not None:
            self._acceptor.join(_JOIN)
        self._cut_connections()
        while True:
            with self._lock:
                threads = list(self._connections)
            if not threads or time.monotonic() > deadline:
                break
            threads[0].join(max(0.0, deadline - time.monotonic()))
        if self._holder is not None:
            self._holder.close()
        if threads:
            raise RuntimeError(f"{len(threads)} connection threads did not end: {threads}")

    def set_tls(self, tls: ServerTls) -> None:
        """Use other certificates for new connections, as after a reload."""
        assert self.secure, "a plain server cannot turn to TLS"
        self._tls = tls.context()

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _bind(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((self.host, port))
        except OSError:
            sock.close()
            raise
        return sock

    def _follow_faults(self) -> None:
        """Open or close the listener as the "refuse" faults say, before this returns."""
        if self._holder is None:
            return
        cut = False
        with self._lock:
            refuse = self.faults.peek("refuse")
            wanted = refuse is None and not self._stopping.is_set()
            if wanted and self._listener is None:
                listener = self._bind(self.port)
                listener.listen(_BACKLOG)
                listener.setblocking(False)
                self._listener = listener
            elif not wanted and self._listener is not None:
                # Shut down first: closing alone would not wake the thread that waits for connections.
                with contextlib.suppress(OSError):
                    self._listener.shutdown(socket.SHUT_RDWR)
                self._listener.close()
                self._listener = None
                if refuse is not None:
                    self.faults.take("refuse")
                    cut = not refuse.get("keep_open", False)
        if cut:
            self._cut_connections()

    def _cut_connections(self) -> None:
        with self._lock:
            connections = list(self._connections.values())
        for connection in connections:
            connection.abort()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            self._follow_faults()
            if not self._slots.acquire(timeout=_POLL):
                continue
            accepted = self._accept_one()
            if accepted is None:
                self._slots.release()
            else:
                self._serve(*accepted)

    def _accept_one(self) -> tuple[socket.socket, Any] | None:
        listener = self._listener
        if listener is None:
            self._stopping.wait(_POLL)
            return None
        try:
            poll = select.poll()
            poll.register(listener.fileno(), select.POLLIN)
            if not poll.poll(_POLL * 1000):
                return None
            sock, peer = listener.accept()
        except (OSError, ValueError):
            # The client gave up before it was accepted, or a fault has just closed the listener.
            self._stopping.wait(_POLL)
            return None
        return sock, peer

    def _serve(self, sock: socket.socket, peer: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = Context(
            app=self._app,
            faults=self.faults,
            limits=self._limits,
            wait=self._stopping.wait,
            record=self._record,
            tls=self._tls,
            tunnel_tls=self._tunnel_tls,
        )
        connection = Connection(sock, str(peer[0]), context, self.connects)
        thread = threading.Thread(
            target=self._run, args=(connection,), name=f"connection-{peer}", daemon=True
        )
        with self._lock:
            self._connections[thread] = connection
            self.connects += 1
            late = self._listener is None
        if late:
            # A fault closed the port, and cut what was open, between our accept and here.
            connection.abort()
        thread.start()

    def _run(self, connection: Connection) -> None:
        try:
            connection.run()
        finally:
            with self._lock:
                del self._connections[threading.current_thread()]
            self._slots.release()

    def _record(self, error: BaseException) -> None:
        self.app_errors.append(error)
        log.error("exception while serving a request", exc_info=error)
