"""Answers as `http.client` parses them, but strict where it is lenient."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sls_hec_forwarder.http.wire import Wire

#: Most interim answers (1xx) before the final one. A server needs one or two.
INTERIM: Final = 5
#: Most bytes for all heads of an answer together; the reader may hold one buffer more than that.
HEAD_BYTES: Final = 64 * 1024

_PIECE: Final = 256 * 1024
_LENGTH: Final = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True)
class Response:
    """An answer of any status. Header names are in lower case; `cookies` are the Set-Cookie values.

    `cut`: the body was longer than allowed, and `body` is only its beginning.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    cookies: tuple[str, ...] = field(default=(), repr=False)
    reason: str = ""
    cut: bool = False

    @property
    def encoding(self) -> str:
        """The Content-Encoding; empty when there is none. The relay never asks for one."""
        found = self.headers.get("content-encoding", "").strip().lower()
        return "" if found == "identity" else found


class StrictResponse(http.client.HTTPResponse):
    """Reads from a Wire, given directly or as the `sock` of an HTTPConnection."""

    _interim = 0
    _wire: Wire

    def __init__(self, sock: Wire, *args: object, **more: object) -> None:
        self._wire = sock
        sock.budget = HEAD_BYTES
        super().__init__(sock, *args, **more)  # type: ignore[arg-type]

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        if 100 <= status < 200:
            self._interim += 1
            if status == 101 or self._interim > INTERIM:
                raise http.client.HTTPException(f"{self._interim} interim answers, the last one {status}")
            status = http.client.CONTINUE  # the only interim status that http.client skips
        return version, status, reason

    def begin(self) -> None:
        """Read the head. Raises HTTPException, also when the length of the body is not clear from it."""
        super().begin()
        if self._wire.ended:  # http.client takes a closed connection for the end of the head
            raise http.client.HTTPException("closed within the head of the answer")
        lengths = set(self._values("content-length"))
        if len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
            raise http.client.HTTPException("a Content-Length that is no size")
        codings = self._values("transfer-encoding")
        if codings:
            if [each.lower() for each in codings] != ["chunked"]:
                raise http.client.HTTPException("a Transfer-Encoding other than chunked")
            if lengths:  # RFC 9112 6.3: do not reuse the connection after that
                self.will_close = True

    def _values(self, name: str) -> list[str]:
        found = self.headers.get_all(name) or []
        return [part.strip() for line in found for part in line.split(",")]

    def body(self, limit: int) -> tuple[bytes, bool]:
        """The body, and whether it was cut at `limit` bytes. Raises HTTPException."""
        if self.length is not None:
            if self.length > limit:
                return b"", True
            self._wire.budget = self.length + 1
            return self.read(), False
        pieces: list[bytes] = []
        left = limit + 1
        while left > 0:
            size = min(left, _PIECE)
            # A chunk of one byte takes six on the wire, but no server sends many of those.
            self._wire.budget = 2 * size + HEAD_BYTES
            piece = self.read(size)
            if not piece:
                return b"".join(pieces), False
            pieces.append(piece)
            left -= len(piece)
        return pieces[0][:limit], True  # joining the rest would only copy everything again
