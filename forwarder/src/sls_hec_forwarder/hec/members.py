"""Gzip members one behind another in a file, which may be torn at its end or damaged anywhere.

A member is what is appended at once, so it is whole or worthless, and the next one does not need it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

_GZIP: Final = zlib.MAX_WBITS | 16
# Of a member with deflated content (RFC 1952, 2.3.1).
_MAGIC: Final = b"\x1f\x8b\x08"
# A member that holds one event has a few hundred bytes; what is read too much has to be copied.
_FIRST_BITE: Final = 2048
_LARGEST_BITE: Final = 1 << 20


class Part(NamedTuple):
    """Bytes of a file from `start` to `end`, and what they unpack to; None where they cannot be read.

    `torn`: the beginning of a member at the end of the file, as of one that is being written, or was when the
    power failed.
    """

    start: int
    end: int
    content: bytes | None
    torn: bool = False


def pack(content: bytes) -> bytes:
    """One member."""
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return packer.compress(content) + packer.flush()


def parts(data: bytes) -> Iterator[Part]:
    """All of a file, in order: members, and between them what is none."""
    at = 0
    while at < len(data):
        found = _member(data, at)
        if found.content is not None:
            yield found
            at = found.end
            continue
        following = _following(data, at + 1)
        end = len(data) if following is None else following
        yield Part(at, end, None, found.torn and following is None)
        at = end


def _following(data: bytes, at: int) -> int | None:
    """Where the next readable member begins."""
    at = data.find(_MAGIC, at)
    while at >= 0:
        if _member(data, at).content is not None:
            return at
        at = data.find(_MAGIC, at + 1)
    return None


def _member(data: bytes, start: int) -> Part:
    unpacker = zlib.decompressobj(_GZIP)
    pieces, at, bite = [], start, _FIRST_BITE
    while not unpacker.eof:
        if at >= len(data):
            return Part(start, at, None, torn=True)
        try:
            pieces.append(unpacker.decompress(data[at : at + bite]))
        except zlib.error:
            return Part(start, at, None)
        at = min(at + bite, len(data))
        bite = min(2 * bite, _LARGEST_BITE)
    return Part(start, at - len(unpacker.unused_data), b"".join(pieces))
