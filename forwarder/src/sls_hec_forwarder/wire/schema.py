"""LogGroupList as the service sends it: reads the parts of a log group, in any order.

The schema is the SDK's `aliyun/log/log_logs_raw.proto`. A tag is field number * 8 + wire type; a known field
of another wire type is an unknown field. Fields that the schema requires but a writer left out are empty.
"""

from __future__ import annotations

from typing import NamedTuple

from sls_hec_forwarder.wire.protobuf import fields

LOG_GROUPS = 1 << 3 | 2  # of LogGroupList
LOGS, TOPIC, SOURCE, LOG_TAGS = 1 << 3 | 2, 3 << 3 | 2, 4 << 3 | 2, 6 << 3 | 2  # of LogGroup
TIME, CONTENTS, TIME_NS = 1 << 3 | 0, 2 << 3 | 2, 4 << 3 | 5  # of Log
KEY, VALUE = 1 << 3 | 2, 2 << 3 | 2  # of Content and LogTag

UINT32 = 0xFFFFFFFF
"""`Time` is a uint32: protobuf keeps only the low 32 bits of a longer varint."""


class LogGroup(NamedTuple):
    """A log group; `logs` are (start, end) of each log's bytes, which have not been parsed yet."""

    topic: bytes
    source: bytes
    tags: list[tuple[bytes, bytes]]
    logs: list[tuple[int, int]]


def read_log_group(data: bytes, start: int, end: int) -> LogGroup:
    """The log group at `data[start:end]`. Raises WireError."""
    topic = source = b""
    tags: list[tuple[bytes, bytes]] = []
    logs: list[tuple[int, int]] = []
    for tag, at, stop in fields(data, start, end, depth=1):
        if tag == LOGS:
            logs.append((at, stop))
        elif tag == LOG_TAGS:
            tags.append(read_pair(data, at, stop, depth=2))
        elif tag == TOPIC:
            topic = data[at:stop]
        elif tag == SOURCE:
            source = data[at:stop]
    return LogGroup(topic, source, tags, logs)


def read_pair(data: bytes, start: int, end: int, depth: int) -> tuple[bytes, bytes]:
    """Key and value of the LogTag or Content at `data[start:end]`. Raises WireError."""
    key = value = b""
    for tag, at, stop in fields(data, start, end, depth):
        if tag == KEY:
            key = data[at:stop]
        elif tag == VALUE:
            value = data[at:stop]
    return key, value
