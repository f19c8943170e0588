"""A connected socket: every wait ends at the exchange's deadline, and received bytes are counted."""

from __future__ import annotations

import io
import select
import socket
import ssl
from typing import Any, Final

from sls_hec_forwarder.http.deadline import Deadline

#: Most bytes handed to the socket at a time.
_PIECE: Final = 256 * 1024
_BUFFER: Final = 32 * 1024


class TooLong(OSError):
    """The answer has more bytes than allowed."""


class Wire:
    """Used by `http.client` in place of a socket. The real socket does not block: all waiting is done here.

    A socket's own time-out would start again with each byte.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        sock.setblocking(False)
        self._sock = sock
        #: Deadline of the exchange in progress.
        self.deadline = deadline
        #: Bytes that may still be received.
        self.budget = 0
        #: Whether the server has closed its side.
        self.ended = False

    def handshake(self) -> None:
        """Do the TLS handshake. Raises OSError."""
        sock = self._sock
        assert isinstance(sock, ssl.SSLSocket)
        while True:
            self.deadline.left()
            try:
                return sock.do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as wish:
                self._wait_for(wish)

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self.deadline.left()
            try:
                view = view[self._sock.send(view[:_PIECE]) :]
            except BlockingIOError:
                self._wait(select.POLLOUT)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as wish:
                self._wait_for(wish)

    def receive_into(self, buffer: Any) -> int:
        """The number of bytes received; 0 at the end. Raises OSError and TooLong."""
        if self.budget <= 0:
            raise TooLong("the answer is too long")
        while True:
            self.deadline.left()
            try:
                count = self._sock.recv_into(buffer)
            except BlockingIOError:
                self._wait(select.POLLIN)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as wish:
                self._wait_for(wish)
            else:
                self.budget -= count
                self.ended = not count
                return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self), _BUFFER)

    def close(self) -> None:
        self._sock.close()

    def _wait_for(self, wish: ssl.SSLError) -> None:
        self._wait(select.POLLIN if isinstance(wish, ssl.SSLWantReadError) else select.POLLOUT)

    def _wait(self, event: int) -> None:
        poller = select.poll()
        poller.register(self._sock, event)
        # Rounded up: poll counts whole milliseconds, and less than one left would make this a busy loop.
        poller.poll(self.deadline.left() * 1000 + 1)


class _Incoming(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._wire.receive_into(buffer)
