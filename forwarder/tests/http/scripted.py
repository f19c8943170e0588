"""A server that does on each connection what a test tells it, down to the byte."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Callable

Script = Callable[[socket.socket], None]


def read_request(sock: socket.socket) -> tuple[bytes, bytes]:
    """The head and the body of one request with a Content-Length; empty when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return b"", b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += sock.recv(65536)
    return head, body


def answer(body: bytes = b'{"text":"Success","code":0}', status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@contextlib.contextmanager
def scripted(*scripts: Script) -> Iterator[int]:
    """Yield a port; its n-th connection is served by the n-th script, the last one serves all others too."""
    listener = socket.create_server(("127.0.0.1", 0))
    sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(sock: socket.socket, script: Script) -> None:
        with sock, contextlib.suppress(OSError):
            script(sock)

    def accept() -> None:
        for number in range(10_000):
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sockets.append(sock)
            script = scripts[min(number, len(scripts) - 1)]
            threads.append(threading.Thread(target=serve, args=(sock, script)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(10)
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in [acceptor, *threads])
