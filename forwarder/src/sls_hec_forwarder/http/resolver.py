"""Looks names up with a deadline, because the system resolver's time-out cannot be set."""

from __future__ import annotations

import socket
import threading
from typing import Any, Callable

from sls_hec_forwarder.http.deadline import Deadline

#: How often (seconds) a waiting thread checks whether to stop.
_LOOK = 0.1

#: An entry of `socket.getaddrinfo`: family, type, protocol, canonical name, address.
Found = tuple[Any, Any, int, str, Any]


class _Lookup:
    def __init__(self, host: str, port: int) -> None:
        self.done = threading.Event()
        self.found: list[Found] = []
        self.problem: Exception | None = None
        self._where = (host, port)

    def run(self) -> None:
        try:
            self.found = socket.getaddrinfo(*self._where, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as problem:
            self.problem = problem
        finally:
            with _lock:
                del _under_way[self._where]
            self.done.set()


_lock = threading.Lock()
#: One look-up per name at a time, shared by all that wait for it: a hanging resolver blocks only one thread.
_under_way: dict[tuple[str, int], _Lookup] = {}


def resolve(host: str, port: int, deadline: Deadline, stopped: Callable[[], bool]) -> list[Found]:
    """The addresses of `host`. Raises OSError (Late: deadline; InterruptedError: `stopped`), UnicodeError."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        lookup = _begin(host, port)
    while not lookup.done.wait(min(deadline.left(), _LOOK)):
        if stopped():
            raise InterruptedError
    if lookup.problem is not None:
        raise lookup.problem
    return lookup.found


def _begin(host: str, port: int) -> _Lookup:
    with _lock:
        lookup = _under_way.get((host, port))
        if lookup is None:
            lookup = _Lookup(host, port)
            thread = threading.Thread(target=lookup.run, name="resolver", daemon=True)
            try:
                thread.start()
            except RuntimeError as problem:
                raise OSError(f"no thread to look up {host}: {problem}") from problem
            _under_way[host, port] = lookup
        return lookup
