"""Connections to one server for any number of threads."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Callable

from sls_hec_forwarder.http.answer import Response
from sls_hec_forwarder.http.connection import Connection


class Pool:
    """Keeps up to `most` idle connections. Each exchange has a connection to itself.

    `make` returns a connection that opens when it is first used. Thread-safe.
    """

    def __init__(self, make: Callable[[], Connection], most: int) -> None:
        self._make = make
        self._most = most
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._kept: set[Connection] = set()  # the busy ones that may be kept afterwards
        self._aborted = False

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, *, limit: int
    ) -> Response:
        """As `Connection.exchange`. Raises NoAnswer."""
        connection = self._take()
        try:
            return connection.exchange(method, path, headers, body, limit=limit)
        finally:
            self._give_back(connection)

    def drop(self) -> None:
        """Close all connections, busy ones after their exchange; the next exchange opens a new one."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._kept.clear()
        for connection in idle:
            connection.close()

    def abort(self) -> None:
        """End every exchange in progress and refuse all later ones."""
        with self._lock:
            self._aborted = True
            busy = list(self._busy)
        for connection in busy:
            connection.abort()
        self.drop()

    def _take(self) -> Connection:
        with self._lock:
            connection = self._idle.pop() if self._idle else self._make()
            self._busy.add(connection)
            self._kept.add(connection)
            if self._aborted:
                connection.abort()
            return connection

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            self._busy.discard(connection)
            keep = connection in self._kept and connection.is_open and len(self._idle) < self._most
            self._kept.discard(connection)
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()
