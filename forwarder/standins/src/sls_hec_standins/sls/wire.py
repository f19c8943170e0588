"""LogGroup and LogGroupList bytes: check, read and write them, and the body compressions of the service.

The schema (proto2) is that of the SDK's ``log_logs.proto`` and ``log_logs_raw.proto``::

    LogGroupList  1 repeated LogGroup
    LogGroup      1 repeated Log, 2 Reserved, 3 Topic, 4 Source, 5 MachineUUID, 6 repeated LogTag
    Log           1 required uint32 Time, 2 repeated Content, 4 optional fixed32 Time_ns
    Content       1 required Key, 2 required Value      LogTag  the same

Text stays bytes, because writers do store invalid UTF-8. As in every protobuf reader, unknown fields (and
known ones of another wire type) are skipped, and of a field given twice the last one counts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Union

import lz4.block
import zstd

Text = Union[str, bytes]
Pair = tuple[bytes, bytes]

_VARINT, _FIXED64, _BYTES, _GROUP, _GROUP_END, _FIXED32 = range(6)

_GROUPS_TAG = _LOGS_TAG = 1 << 3 | _BYTES
_TOPIC_TAG = 3 << 3 | _BYTES
_SOURCE_TAG = 4 << 3 | _BYTES
_TAGS_TAG = 6 << 3 | _BYTES
_TIME_TAG = 1 << 3 | _VARINT
_CONTENTS_TAG = 2 << 3 | _BYTES
_TIME_NS_TAG = 4 << 3 | _FIXED32
_KEY_TAG = 1 << 3 | _BYTES
_VALUE_TAG = 2 << 3 | _BYTES

_MAX_TAG = 0xFFFFFFFF
_MAX_NESTING = 100  # of unknown groups; the limit other readers have as well


class WireError(ValueError):
    """The bytes are not what they should be; the text says what is wrong and where."""


class Log(NamedTuple):
    """One log: event time in Unix seconds, its nanosecond part if written, contents in written order."""

    time: int
    time_ns: int | None
    contents: list[Pair]


class Head(NamedTuple):
    """What all logs of one group share. Topic and source are empty when not written."""

    topic: bytes
    source: bytes
    tags: list[Pair]


# -- reading --------------------------------------------------------------------------------------------


def check_log_group(data: bytes) -> int:
    """Check a LogGroup in full and return its number of logs; raises `WireError`."""
    logs = 0
    for tag, _, start, stop in _fields(data, 0, len(data)):
        if tag == _LOGS_TAG:
            _check_log(data, start, stop)
            logs += 1
        elif tag == _TAGS_TAG:
            _read_pair(data, start, stop, "LogTag")
    return logs


def count_logs(data: bytes) -> int:
    """Number of logs of a LogGroup, without looking inside them: fast, for groups checked before."""
    return sum(1 for _ in iter_log_spans(data))


def iter_groups(list_bytes: bytes) -> Iterator[bytes]:
    """Yield the bytes of each LogGroup of a LogGroupList; raises `WireError`."""
    for tag, _, start, stop in _fields(list_bytes, 0, len(list_bytes)):
        if tag == _GROUPS_TAG:
            yield list_bytes[start:stop]


def iter_logs(group: bytes) -> Iterator[Log]:
    """Yield each `Log` of a LogGroup; raises `WireError`."""
    for _, start, stop in iter_log_spans(group):
        yield read_log(group, start, stop)


def iter_log_spans(group: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield, for each log of a LogGroup, where its field starts, its message starts, and both end."""
    for tag, field, start, stop in _fields(group, 0, len(group)):
        if tag == _LOGS_TAG:
            yield field, start, stop


def read_log(data: bytes, start: int, stop: int) -> Log:
    """Read the Log message in ``data[start:stop]``; raises `WireError`."""
    time: int | None = None
    time_ns: int | None = None
    contents: list[Pair] = []
    for tag, _, at, end in _fields(data, start, stop):
        if tag == _CONTENTS_TAG:
            contents.append(_read_pair(data, at, end, "Content"))
        elif tag == _TIME_TAG:
            time = _varint(data, at, end)[0] & 0xFFFFFFFF
        elif tag == _TIME_NS_TAG:
            time_ns = int.from_bytes(data[at:end], "little")
    if time is None:
        raise WireError(f"Log without Time at byte {start}")
    return Log(time, time_ns, contents)


def read_head(group: bytes) -> Head:
    """Read topic, source and tags of a LogGroup, skipping its logs; raises `WireError`."""
    topic = source = b""
    tags: list[Pair] = []
    for tag, _, start, stop in _fields(group, 0, len(group)):
        if tag == _TOPIC_TAG:
            topic = group[start:stop]
        elif tag == _SOURCE_TAG:
            source = group[start:stop]
        elif tag == _TAGS_TAG:
            tags.append(_read_pair(group, start, stop, "LogTag"))
    return Head(topic, source, tags)


def _check_log(data: bytes, start: int, stop: int) -> None:
    timed = False
    for tag, _, at, end in _fields(data, start, stop):
        if tag == _CONTENTS_TAG:
            _read_pair(data, at, end, "Content")
        elif tag == _TIME_TAG:
            timed = True
    if not timed:
        raise WireError(f"Log without Time at byte {start}")


def _read_pair(data: bytes, start: int, stop: int, kind: str) -> Pair:
    key: bytes | None = None
    value: bytes | None = None
    for tag, _, at, end in _fields(data, start, stop):
        if tag == _KEY_TAG:
            key = data[at:end]
        elif tag == _VALUE_TAG:
            value = data[at:end]
    if key is None or value is None:
        raise WireError(f"{kind} without {'Key' if key is None else 'Value'} at byte {start}")
    return key, value


def _fields(data: bytes, pos: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield tag, start of the field, start and end of its value, for one message in ``data[pos:end]``."""
    while pos < end:
        field = pos
        tag = data[pos]
        pos += 1
        if tag > 127:
            tag, pos = _varint(data, field, end)
        if not 8 <= tag <= _MAX_TAG:
            raise WireError(f"impossible field number at byte {field}")
        wire = tag & 7
        start = pos
        if wire == _BYTES:
            if pos >= end:
                raise WireError(f"truncated length at byte {pos}")
            size = data[pos]
            start = pos + 1
            if size > 127:
                size, start = _varint(data, pos, end)
            pos = start + size
        elif wire == _VARINT:
            _, pos = _varint(data, pos, end)
        elif wire == _FIXED32:
            pos += 4
        elif wire == _FIXED64:
            pos += 8
        elif wire == _GROUP:
            pos = _skip_group(data, pos, end, tag >> 3)
        else:
            raise WireError(f"impossible wire type {wire} at byte {field}")
        if pos > end:
            raise WireError(f"field at byte {field} needs {pos - end} bytes more than there are")
        yield tag, field, start, pos


def _skip_group(data: bytes, pos: int, end: int, number: int) -> int:
    """Return the position after the end of an unknown group (the field kind that predates messages)."""
    open_groups = [number]
    while open_groups:
        tag, after = _varint(data, pos, end)
        if tag & 7 == _GROUP_END:
            if tag >> 3 != open_groups.pop():
                raise WireError(f"unmatched end of group at byte {pos}")
            pos = after
        elif tag & 7 == _GROUP:
            open_groups.append(tag >> 3)
            if len(open_groups) > _MAX_NESTING:
                raise WireError(f"groups nested too deeply at byte {pos}")
            pos = after
        else:
            pos = next(_fields(data, pos, end))[3]
    return pos


def _varint(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """Return an unsigned varint and the position after it."""
    value = shift = 0
    for at in range(pos, min(end, pos + 10)):
        byte = data[at]
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, at + 1
        shift += 7
    raise WireError(f"{'truncated' if end < pos + 10 else 'endless'} number at byte {pos}")


# -- writing --------------------------------------------------------------------------------------------


def write_log_group(
    logs: Iterable[tuple[int, int | None, Sequence[tuple[Text, Text]]]],
    topic: Text = b"",
    source: Text = b"",
    tags: Iterable[tuple[Text, Text]] = (),
) -> bytes:
    """Write a LogGroup; a log is (Unix seconds, nanoseconds or None, contents), `Log` or a plain tuple.

    Text is taken as bytes or encoded as UTF-8. Topic and source are written even when empty, as the SDK does.
    """
    out = [_field(_LOGS_TAG, write_log(*log)) for log in logs]
    out.append(_field(_TOPIC_TAG, _bytes(topic)))
    out.append(_field(_SOURCE_TAG, _bytes(source)))
    out.extend(_field(_TAGS_TAG, write_pair(key, value)) for key, value in tags)
    return b"".join(out)


def write_log_group_list(groups: Iterable[bytes]) -> bytes:
    """Write a LogGroupList of LogGroups that are bytes already."""
    out = []
    for group in groups:
        out.append(varint(_GROUPS_TAG) + varint(len(group)))
        out.append(group)
    return b"".join(out)


def write_log(time: int, time_ns: int | None, contents: Iterable[tuple[Text, Text]]) -> bytes:
    """Write one Log message, without its field header in the group."""
    out = [varint(_TIME_TAG), varint(time)]
    out.extend(_field(_CONTENTS_TAG, write_pair(key, value)) for key, value in contents)
    if time_ns is not None:
        out.append(varint(_TIME_NS_TAG) + struct.pack("<I", time_ns))
    return b"".join(out)


def write_pair(key: Text, value: Text) -> bytes:
    """Write one Content or LogTag message, without its field header."""
    return _field(_KEY_TAG, _bytes(key)) + _field(_VALUE_TAG, _bytes(value))


def varint(value: int) -> bytes:
    """Encode a number >= 0 as a protobuf varint."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(tag: int, value: bytes) -> bytes:
    return varint(tag) + varint(len(value)) + value


def _bytes(text: Text) -> bytes:
    return text.encode() if isinstance(text, str) else text


# -- compression ----------------------------------------------------------------------------------------


def compress(data: bytes, kind: str) -> bytes:
    """Compress a body: "lz4" (raw block, no size in front), "zstd" (a frame) or "" (as it is)."""
    if kind == "lz4":
        return bytes(lz4.block.compress(data, store_size=False))
    if kind == "zstd":
        return bytes(zstd.compress(data, 1))
    if kind == "":
        return data
    raise WireError(f"unknown compression {kind!r}")


def decompress(data: bytes, kind: str, raw_size: int) -> bytes:
    """Undo `compress`; raises `WireError` unless exactly `raw_size` bytes come out.

    A body cannot make us allocate more than it says in `raw_size`, which the caller has to bound.
    """
    if kind not in ("lz4", "zstd", ""):
        raise WireError(f"unknown compression {kind!r}")
    try:
        if kind == "lz4":
            if not 0 <= raw_size <= 255 * len(data):  # the best an lz4 block can do
                raise WireError(f"{len(data)} bytes of lz4 cannot hold {raw_size} bytes")
            raw = bytes(lz4.block.decompress(data, uncompressed_size=raw_size))
        elif kind == "zstd":
            if _zstd_content_size(data) != raw_size:
                raise WireError(f"the zstd frame does not hold the {raw_size} bytes announced")
            raw = bytes(zstd.decompress(data))
        else:
            raw = data
    except (lz4.block.LZ4BlockError, zstd.Error) as error:
        raise WireError(f"not {kind}: {error}") from error
    if len(raw) != raw_size:
        raise WireError(f"{len(raw)} bytes where {raw_size} were announced")
    return raw


def _zstd_content_size(data: bytes) -> int | None:
    """Return the content size in the header of a zstd frame, None without one (RFC 8878, 3.1.1.1)."""
    if data[:4] != b"\x28\xb5\x2f\xfd" or len(data) < 6:
        return None
    descriptor = data[4]
    single_segment = descriptor >> 5 & 1
    at = 5 + (1 - single_segment) + (0, 1, 2, 4)[descriptor & 3]
    width = (single_segment, 2, 4, 8)[descriptor >> 6]
    if not width or len(data) < at + width:
        return None
    size = int.from_bytes(data[at : at + width], "little")
    return size + 256 if width == 2 else size
