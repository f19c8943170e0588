"""Ends that never come to an end, or say more than anybody asked for: scripts for `scripted`."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Iterable, Iterator
from typing import Callable

from .scripted import Script, read_request

#: Seconds between two bytes: shorter than any time-out, so that a time-out for each byte never strikes.
PAUSE = 0.02

HEAD = b"HTTP/1.1 200 OK\r\n"


def drip(sock: socket.socket, data: Iterable[int]) -> None:
    for byte in data:
        sock.sendall(bytes([byte]))
        time.sleep(PAUSE)


def after_request(say: Callable[[socket.socket], None]) -> Script:
    """`say`, for each request that comes."""

    def script(sock: socket.socket) -> None:
        while read_request(sock)[0]:
            say(sock)

    return script


def says(data: bytes) -> Script:
    return after_request(lambda sock: sock.sendall(data))


def _flood(head: bytes, *rest: bytes) -> Script:
    """`head`, then `rest` again and again, as fast as it is taken."""

    def say(sock: socket.socket) -> None:
        sock.sendall(head)
        for each in itertools.cycle(rest):
            sock.sendall(each)

    return after_request(say)


def _endless_head() -> Iterator[int]:
    yield from HEAD
    for number in itertools.count():
        yield from b"x-%d: y\r\n" % number


#: Each would take an hour and more.
DRIPS: dict[str, Script] = {
    "body": after_request(lambda sock: drip(sock, HEAD + b"Content-Length: 60000\r\n\r\n" + bytes(60000))),
    "chunks": after_request(
        lambda sock: drip(sock, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 60000)
    ),
    "chunk size": after_request(
        lambda sock: drip(sock, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 60000)
    ),
    "trailer": after_request(
        lambda sock: drip(sock, HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"x: y\r\n" * 60000)
    ),
    "status line": after_request(lambda sock: drip(sock, b"HTTP/1.1 200 " + b"O" * 60000)),
    "head": after_request(lambda sock: drip(sock, _endless_head())),
    "interim answer": after_request(lambda sock: drip(sock, b"HTTP/1.1 100 C\r\n" + b"x: y\r\n" * 60000)),
    "nothing": after_request(lambda _: time.sleep(0)),
}

#: As fast as it is read.
FLOODS: dict[str, Script] = {
    "100 Continue": _flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "102 Processing": _flood(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 1000),
    "head of an interim answer": _flood(b"HTTP/1.1 100 Continue\r\n", b"x: y\r\n" * 10),
    "header lines": _flood(HEAD, b"x: y\r\n" * 10),
    "a header line": _flood(HEAD + b"x: ", b"y" * 1000),
    "chunks": _flood(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    "crumbs": _flood(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 1000),
    "an extension": _flood(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 1000),
    "trailers": _flood(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n" * 1000),
    "body": _flood(HEAD + b"\r\n", b"x" * 65536),
}

#: Heads that do not say how long the body is, whatever follows.
UNCLEAR: dict[str, bytes] = {
    "negative": b"Content-Length: -1\r\n",
    "signed": b"Content-Length: +2\r\n",
    "underscore": b"Content-Length: 1_0\r\n",
    "400 digits": b"Content-Length: " + b"9" * 400 + b"\r\n",
    "20 digits": b"Content-Length: " + b"9" * 20 + b"\r\n",
    "no number": b"Content-Length: much\r\n",
    "empty": b"Content-Length: \r\n",
    "two": b"Content-Length: 2\r\nContent-Length: 3\r\n",
    "two in one": b"Content-Length: 2, 3\r\n",
    "other coding": b"Transfer-Encoding: gzip, chunked\r\n",
    "coding of its own": b"Transfer-Encoding: x\r\nContent-Length: 2\r\n",
}
