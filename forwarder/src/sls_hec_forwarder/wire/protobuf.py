"""Reads protobuf's wire format, strictly and lazily. Does not know about logs.

Where readers of protobuf differ, this one accepts and refuses the same as upb, protobuf's C core: tags of at
most five bytes and 32 bits, varints of at most ten bytes and modulo 2**64, unknown groups whose end has the
number of their start, 100 levels of nesting. The format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _GROUP, _END_GROUP, _FIXED32 = range(6)
_MAX_DEPTH = 100


class WireError(ValueError):
    """The bytes violate the format. `offset` (from 0) is where, `reason` says how."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"corrupt log group list: {reason} at byte {offset}")
        self.offset = offset
        self.reason = reason


def fields(data: bytes, pos: int, end: int, depth: int) -> Iterator[tuple[int, int, int]]:
    """The fields, in wire order, of the message at `data[pos:end]`, which is nested in `depth` messages.

    Each is (tag, start, stop) of its bytes, or (tag, value, stop) for a varint; the tag is field number * 8 +
    wire type. Groups are skipped. Raises WireError; no field extends beyond `end`.
    """
    while pos < end:
        tag, pos = _tag(data, pos, end)
        kind = tag & 7
        if kind == _BYTES:
            size, start = varint(data, pos, end)
            if size > end - start:
                raise WireError(pos, f"length {size} where {end - start} bytes are left")
            pos = start + size
            yield tag, start, pos
        elif kind == _VARINT:
            value, pos = varint(data, pos, end)
            yield tag, value, pos
        elif kind == _GROUP:
            pos = _skip_group(data, pos, end, tag >> 3, depth)
        else:
            start, pos = pos, _skip_fixed(pos, end, kind)
            yield tag, start, pos


def varint(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """The varint at `pos`, and the position after it."""
    value = 0
    for shift, at in zip(range(0, 70, 7), range(pos, end)):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at + 1
    raise WireError(pos, "varint without end")


def _tag(data: bytes, pos: int, end: int) -> tuple[int, int]:
    tag, after = varint(data, pos, end)
    if tag < 8 or tag > 0xFFFFFFFF or after - pos > 5:
        raise WireError(pos, "tag without a valid field number")
    return tag, after


def _skip_fixed(pos: int, end: int, kind: int) -> int:
    if kind not in (_FIXED32, _FIXED64):
        raise WireError(pos, f"wire type {kind} out of place")
    pos += 4 if kind == _FIXED32 else 8
    if pos > end:
        raise WireError(end, "fixed-size number cut short")
    return pos


def _skip_group(data: bytes, pos: int, end: int, number: int, depth: int) -> int:
    opened = [number]
    while opened:
        if len(opened) + depth > _MAX_DEPTH:
            raise WireError(pos, "nested too deeply")
        tag, pos = _tag(data, pos, end)
        kind = tag & 7
        if kind == _GROUP:
            opened.append(tag >> 3)
        elif kind == _END_GROUP:
            if opened.pop() != tag >> 3:
                raise WireError(pos, "group ends as another")
        elif kind == _BYTES:
            size, pos = varint(data, pos, end)
            if size > end - pos:
                raise WireError(pos, f"length {size} where {end - pos} bytes are left")
            pos += size
        elif kind == _VARINT:
            _, pos = varint(data, pos, end)
        else:
            pos = _skip_fixed(pos, end, kind)
    return pos
