"""The ways to end a connection or damage an answer, on a socket that may carry TLS.

The plain socket's calls are used below the TLS layer: its own would wait for the peer's.
"""

from __future__ import annotations

import random
import select
import socket
import struct
import time

# A fatal handshake_failure alert in a TLS 1.2 record (RFC 5246 7.2), understood by every version.
TLS_ALERT = bytes.fromhex("15030300020228")

_LINGER = 2.0  # seconds
_LINGER_BYTES = 1 << 26
_RECV = 1 << 18


def reset(sock: socket.socket) -> None:
    """Close with RST instead of FIN, which a linger time of zero does (socket(7))."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def linger(sock: socket.socket) -> None:
    """Close our side and drain the other for a while: closing on unread data would reset away the answer."""
    socket.socket.shutdown(sock, socket.SHUT_WR)
    sock.settimeout(_LINGER)
    deadline, drained = time.monotonic() + _LINGER, 0
    while time.monotonic() < deadline and drained < _LINGER_BYTES:
        data = socket.socket.recv(sock, _RECV)
        if not data:
            return
        drained += len(data)


def peer_left(sock: socket.socket) -> bool:
    """Whether the peer has closed the connection, as far as can be seen without reading from it."""
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0)) and not socket.socket.recv(sock, 1, socket.MSG_PEEK)


def corrupt(body: bytes, flips: int, rng: random.Random) -> bytes:
    """`body` with up to `flips` bytes changed."""
    spoilt = bytearray(body)
    for _ in range(flips):
        spoilt[rng.randrange(len(spoilt))] ^= rng.randrange(1, 256)
    return bytes(spoilt)
