"""One request of a local client and its answer, on a non-blocking socket."""

from __future__ import annotations

import re
import socket
import time
from http import HTTPStatus
from typing import Callable, Final, NamedTuple

#: Time limit (seconds) of a client's whole exchange.
DEADLINE: Final = 5.0
#: Longest request head (bytes): request line and headers.
_HEAD: Final = 8 * 1024
_PIECE: Final = 64 * 1024
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
#: Allowed host names. A web page that reaches this port through DNS rebinding would send its own name.
_LOOPBACK: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)


class Reply(NamedTuple):
    """The answer for a path."""

    status: int
    content_type: str
    body: bytes


class Exchange:
    """`make` returns the answer for a path. With `any_host` the request may name any host."""

    def __init__(self, client: socket.socket, make: Callable[[str], Reply], *, any_host: bool) -> None:
        self._client = client
        self._make = make
        self._any_host = any_host
        self._until = time.monotonic() + DEADLINE
        self._head = b""
        self._left = memoryview(b"")
        #: The request is complete: from now on the answer is written.
        self.answering = False

    def late(self, now: float) -> bool:
        """Whether the client's time is up at `now`, on the monotonic clock."""
        return now >= self._until

    def go_on(self) -> bool:
        """Do what is possible without waiting; returns whether all is done. Raises OSError if it is gone."""
        try:
            if not self.answering and not self._read():
                return True
            if self.answering:
                self._left = self._left[self._client.send(self._left) :]
        except BlockingIOError:
            return False
        return self.answering and not self._left

    def _read(self) -> bool:
        """Whether the client is still connected."""
        more = self._client.recv(_PIECE)
        # Never read more than the limit, not even for one check.
        self._head += more[: _HEAD + 1 - len(self._head)]
        end = _HEAD_END.search(self._head)
        if end is not None:
            self._begin(self._respond(self._head[: end.start()].decode("latin-1")))
        elif len(self._head) > _HEAD:
            self._begin(Reply(431, "text/plain", b"the request is too long\n"))
        return bool(more)

    def _respond(self, head: str) -> Reply:
        request, *lines = head.split("\n")
        words = request.split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return Reply(400, "text/plain", b"not an HTTP/1 request\n")
        if words[0] != "GET":
            return Reply(501, "text/plain", b"only GET is answered\n")
        hosts = [
            value.strip()
            for name, _, value in (line.partition(":") for line in lines)
            if name.strip().lower() == "host"
        ]
        # Without a Host header it is not a browser, so no foreign page can have sent it.
        if not self._any_host and not all(_LOOPBACK.fullmatch(host) for host in hosts):
            return Reply(421, "text/plain", b"ask for localhost, 127.0.0.1 or [::1]\n")
        return self._make(words[1].partition("?")[0])

    def _begin(self, answer: Reply) -> None:
        head = (
            f"HTTP/1.0 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
            f"Content-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n"
            "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        )
        self._left = memoryview(head.encode("latin-1") + answer.body)
        self.answering = True
