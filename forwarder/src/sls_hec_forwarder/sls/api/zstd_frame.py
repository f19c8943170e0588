"""Finds the decompressed size of a zstd frame before decompressing it (RFC 8878, sections 3.1.1 and 3.1.2).

Before it decompresses, the library allocates what all frames of a body announce, however many there are.
"""

from __future__ import annotations

from typing import Final

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
#: Bytes of the dictionary id and of the content size, by their flags.
_DICTIONARY: Final = (0, 1, 2, 4)
_CONTENT: Final = (0, 2, 4, 8)
_RLE, _RESERVED = 1, 3
#: Smallest average block that is accepted: compressors use blocks of 128 KiB, or somewhat smaller ones.
_LEAST_BLOCK: Final = 1024
_MORE_BLOCKS: Final = 16


def content_size(body: bytes) -> int:
    """The size that the frame in `body` announces. Raises ValueError unless `body` is exactly one frame."""
    if not body.startswith(_MAGIC) or len(body) < 6:
        raise ValueError("not a zstd frame")
    flags = body[4]
    single = flags >> 5 & 1
    at = 5 + (not single) + _DICTIONARY[flags & 3]
    width = _CONTENT[flags >> 6] or single
    if not width:
        raise ValueError("a zstd frame without its size")
    size = int.from_bytes(body[at : at + width], "little") + (256 if width == 2 else 0)
    end = _end(body, at + width, size) + 4 * (flags >> 2 & 1)
    if end != len(body):
        raise ValueError(f"a zstd frame of {end} bytes in a body of {len(body)}")
    return size


def _end(body: bytes, at: int, size: int) -> int:
    """The offset at which the blocks that begin at `at` end."""
    for _ in range(size // _LEAST_BLOCK + _MORE_BLOCKS):
        head = int.from_bytes(body[at : at + 3], "little")
        kind = head >> 1 & 3
        if at + 3 > len(body) or kind == _RESERVED:
            raise ValueError("a zstd frame that breaks off")
        at += 3 + (1 if kind == _RLE else head >> 3)
        if head & 1:
            return at
    raise ValueError("a zstd frame of too many blocks")
