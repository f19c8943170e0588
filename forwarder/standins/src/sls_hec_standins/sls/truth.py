"""Ground truth: which events a shard holds, as rows that a delivery can be compared with.

A row is one log. Text is decoded as UTF-8, what is not UTF-8 becomes U+FFFD. As JSON lines rows survive
the process that made them. The counting functions look at no log and are meant for large loads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TextIO, TypedDict

from . import wire
from .shards import StoredGroup

Span = Iterable["tuple[int, StoredGroup]"]  # cursors with their groups, as `Shard.span` returns them


class Row(TypedDict):
    """One log of a shard: log group `cursor`, place `index` in the group, from 0.

    `receive_time` and `time` are Unix seconds, `time_ns` the nanoseconds within `time` if written. `tags` and
    `contents` are [key, value] in written order, duplicates included. `not_utf8` are the places in `contents`
    of values that are not UTF-8.
    """

    project: str
    logstore: str
    shard: int
    cursor: int
    index: int
    receive_time: float
    topic: str
    source: str
    time: int
    time_ns: int | None
    tags: list[list[str]]
    contents: list[list[str]]
    not_utf8: list[int]


class Totals(NamedTuple):
    groups: int
    logs: int
    bytes: int


def rows(project: str, logstore: str, shard: int, span: Span) -> Iterator[Row]:
    """Yield the rows of a span of one shard, in order."""
    for cursor, group in span:
        head = wire.read_head(group.data)
        tags = _text(head.tags)
        for index, log in enumerate(wire.iter_logs(group.data)):
            yield {
                "project": project,
                "logstore": logstore,
                "shard": shard,
                "cursor": cursor,
                "index": index,
                "receive_time": group.received,
                "topic": head.topic.decode(errors="replace"),
                "source": head.source.decode(errors="replace"),
                "time": log.time,
                "time_ns": log.time_ns,
                "tags": tags,
                "contents": _text(log.contents),
                "not_utf8": [n for n, (_, value) in enumerate(log.contents) if not _is_utf8(value)],
            }


def identities(span: Span) -> Iterator[tuple[int, int]]:
    """Yield (cursor, index) of every log of a span, without decoding it."""
    for cursor, group in span:
        for index in range(group.logs):
            yield cursor, index


def totals(span: Span) -> Totals:
    """Count log groups, logs and serialized bytes of a span, without decoding it."""
    groups = logs = size = 0
    for _, group in span:
        groups += 1
        logs += group.logs
        size += len(group.data)
    return Totals(groups, logs, size)


def flatten(row: Row) -> dict[str, str]:
    """The fields of a row under the names that queries and consumers see; of equal names the last one wins.

    Order and names are those of the SDK's ``loggroups_to_flattern_list``, without the times.
    """
    flat = {"__topic__": row["topic"], "__source__": row["source"]}
    flat.update((f"__tag__:{key}", value) for key, value in row["tags"])
    flat.update((key, value) for key, value in row["contents"])
    return flat


def write_rows(file: TextIO, rows: Iterable[Row]) -> int:
    """Write rows as JSON lines; returns how many."""
    count = 0
    for row in rows:
        file.write(json.dumps(row, separators=(",", ":")) + "\n")
        count += 1
    return count


def read_rows(file: Iterable[str]) -> Iterator[Row]:
    """Yield the rows that `write_rows` wrote; ValueError names a line that is none."""
    for number, line in enumerate(file, 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number} is not JSON: {error}") from error
        if not isinstance(row, dict) or row.keys() != Row.__annotations__.keys():
            raise ValueError(f"line {number} is not a row of ground truth")
        yield row  # type: ignore[misc]  # the keys were checked


def _is_utf8(value: bytes) -> bool:
    if value.isascii():
        return True
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(pairs: list[wire.Pair]) -> list[list[str]]:
    return [[key.decode(errors="replace"), value.decode(errors="replace")] for key, value in pairs]
