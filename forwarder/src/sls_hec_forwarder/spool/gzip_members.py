"""A file of gzip members, one after another. It may be cut off at the end or damaged anywhere.

Each append writes one member, so a member is whole or worthless, and the next one does not depend on it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

_GZIP: Final = zlib.MAX_WBITS | 16
# The beginning of a member with deflated content (RFC 1952, 2.3.1).
_MAGIC: Final = b"\x1f\x8b\x08"
# A member with one event has a few hundred bytes; bytes read beyond it have to be copied.
_FIRST_BITE: Final = 2048
_LARGEST_BITE: Final = 1 << 20
#: Largest content (bytes) of a member: many times the largest letter, for letters that somebody packed
#: together.
LARGEST_MEMBER: Final = 64 * 1024 * 1024
#: Most bytes unpacked from one file, and how many each failed try at something that is no member counts as.
#: A few bytes can unpack to thousands of times as many, and each can look like the beginning of a member.
_MOST_WORK: Final = 1 << 30
_TRY: Final = 8192


class Part(NamedTuple):
    """The bytes of a file from `start` to `end`, and what they unpack to; None if they cannot be read.

    `torn`: an incomplete member at the end of the file; it is being written, or was when the power failed.
    """

    start: int
    end: int
    content: bytes | None
    torn: bool = False


def pack(content: bytes) -> bytes:
    """`content` as one member."""
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return packer.compress(content) + packer.flush()


def parts(data: bytes, most_work: int = _MOST_WORK) -> Iterator[Part]:
    """The whole file in order: members, and the bytes between them that are none.

    Once `most_work` bytes have been unpacked, the rest becomes one unreadable part at the end.
    """
    yield from _Parts(data, most_work)


class _Parts:
    def __init__(self, data: bytes, most_work: int) -> None:
        self._data = data
        self._work = most_work

    def __iter__(self) -> Iterator[Part]:
        data, at = self._data, 0
        while at < len(data):
            if self._work <= 0:
                yield Part(at, len(data), None)
                return
            found = self._member(at)
            if found.content is not None:
                yield found
                at = found.end
                continue
            following = self._following(at + 1)
            end = len(data) if following is None else following
            yield Part(at, end, None, found.torn and following is None and self._work > 0)
            at = end

    def _following(self, at: int) -> int | None:
        """Where the next readable member begins."""
        at = self._data.find(_MAGIC, at)
        while at >= 0 and self._work > 0:
            if self._member(at).content is not None:
                return at
            at = self._data.find(_MAGIC, at + 1)
        return None

    def _member(self, start: int) -> Part:
        found, unpacked = _member(self._data, start, min(LARGEST_MEMBER, self._work))
        self._work -= unpacked
        if found.content is None:
            self._work -= found.end - start + _TRY
        return found


def _member(data: bytes, start: int, largest: int) -> tuple[Part, int]:
    """The part at `start`, and how many bytes were unpacked; content over `largest` bytes is not kept."""
    unpacker = zlib.decompressobj(_GZIP)
    pieces, size, at, bite = [], 0, start, _FIRST_BITE
    while not unpacker.eof:
        if at >= len(data):
            return Part(start, at, None, torn=True), size
        try:
            piece = unpacker.decompress(data[at : at + bite], largest - size + 1)
        except zlib.error:
            return Part(start, at, None), size
        size += len(piece)
        if size > largest:
            return Part(start, at, None), size
        pieces.append(piece)
        at = min(at + bite, len(data))
        bite = min(2 * bite, _LARGEST_BITE)
    return Part(start, at - len(unpacker.unused_data), b"".join(pieces)), size
