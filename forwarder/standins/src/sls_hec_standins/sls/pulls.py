"""A cache of bodies of PullLogs answers: neither log groups nor their cursors ever change."""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from sls_hec_standins.sls import wire
from sls_hec_standins.sls.shards import Shard, StoredGroup
from sls_hec_standins.sls.spl import Query

_ENTRY = 1024  # bytes an entry takes beside its body, so that empty bodies are bounded too

# Shard, first cursor, number of log groups, compression, query.
PullKey = tuple[Shard, int, int, str, str]


class Filtered(NamedTuple):
    """What there was before a query, and lines after it."""

    raw_size: int
    groups: int
    lines: int
    result_lines: int


class Pull(NamedTuple):
    """An answer's body, its size before compression, the log groups in it, and what a query left out."""

    body: bytes
    raw_size: int
    groups: int
    filtered: Filtered | None


def make_pull(groups: Sequence[StoredGroup], compression: str, query: Query | None = None) -> Pull:
    """The LogGroupList of `groups`, filtered by `query`; compression is lz4, zstd, deflate, gzip or empty."""
    datas = [group.data for group in groups]
    filtered = None
    if query is not None:
        datas, filtered = _filter(datas, query)
    raw = wire.write_log_group_list(datas)
    body = zlib.compress(raw) if compression in ("deflate", "gzip") else wire.compress(raw, compression)
    return Pull(body if raw else b"", len(raw), len(datas), filtered)


def _filter(datas: list[bytes], query: Query) -> tuple[list[bytes], Filtered]:
    kept = []
    lines = result_lines = 0
    for data in datas:
        rest, before, after = query.apply(data)
        lines += before
        result_lines += after
        if rest is not None:
            kept.append(rest)
    return kept, Filtered(sum(map(len, datas)), len(datas), lines, result_lines)


class PullCache:
    """The latest pulls, up to `max_bytes` together. Thread-safe."""

    def __init__(self, max_bytes: int = 256 * 1024 * 1024) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._pulls: OrderedDict[PullKey, Pull] = OrderedDict()
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes used by the cached bodies."""
        return self._size

    def get(
        self,
        shard: Shard,
        start: int,
        groups: Sequence[StoredGroup],
        compression: str,
        query: Query | None = None,
    ) -> Pull:
        """The pull of `groups`, which begin at cursor `start` of `shard`; made unless it is kept."""
        key = (shard, start, len(groups), compression, "" if query is None else query.text)
        with self._lock:
            found = self._pulls.get(key)
            if found is not None:
                self._pulls.move_to_end(key)
                return found
        made = make_pull(groups, compression, query)
        with self._lock:
            if key not in self._pulls:
                self._pulls[key] = made
                self._size += _ENTRY + len(made.body)
            while self._size > self._max_bytes:
                _, dropped = self._pulls.popitem(last=False)
                self._size -= _ENTRY + len(dropped.body)
        return made
