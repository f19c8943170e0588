"""Compares indexed events with the truth of the SLS stand-in: what is missing, duplicate, foreign or altered.

A row of the truth is an object with `project, logstore, shard, cursor` (of the log group, an integer),
`index` (in the group), `receive_time` (seconds), `topic, source, time` (seconds, an integer), `time_ns`
(integer or null), `tags` and `contents` (lists of [key, value]; text decoded as UTF-8 with replacement). It
may have `not_utf8`: the places in `contents` of values that are not UTF-8, and so no JSON either.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from sls_hec_standins.hec.envelopes import Event
from sls_hec_standins.hec.jsontext import Node, object_node, string_node
from sls_hec_standins.hec.store import Copy, Store
from sls_hec_standins.hec.unfold import Unfold, unfolded

SAMPLES = 20
NOTHING = Unfold()

Row = Mapping[str, Any]


@dataclass
class Comparison:
    """Counts, and up to `SAMPLES` identities ("source sls_id") of each kind.

    `duplicates` are the copies beyond the first, `duplicate_bytes` the size of their envelopes, and
    `excess_duplicates` those beyond the number that was allowed. `refused` are those of the missing that this
    HEC refused one by one: to the relay they are dead letters. Latency is index time of the first copy minus
    the time SLS received the event, in seconds; None when nothing was found.
    """

    expected: int = 0
    found: int = 0
    missing: int = 0
    duplicates: int = 0
    duplicate_bytes: int = 0
    excess_duplicates: int = 0
    refused: int = 0
    unexpected: int = 0
    mismatches: int = 0
    unidentified: int = 0
    latency_p50: float | None = None
    latency_p99: float | None = None
    latency_max: float | None = None
    samples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Everything expected is there with the right content, and nothing else; copies are allowed."""
        return not (self.missing or self.unexpected or self.mismatches or self.unidentified)

    @property
    def acceptable(self) -> bool:
        """`complete`, and no more copies than are allowed."""
        return self.complete and not self.excess_duplicates

    @property
    def exact(self) -> bool:
        """`complete`, and everything once."""
        return self.complete and not self.duplicates

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "complete": self.complete, "acceptable": self.acceptable, "exact": self.exact}

    def __str__(self) -> str:
        kinds = (
            *("expected", "found", "missing", "refused", "duplicates"),
            *("unexpected", "mismatches", "unidentified"),
        )
        lines = [f"{kind:<13}{getattr(self, kind):>10,}" for kind in kinds]
        if self.latency_max is not None:
            lines.append(
                f"latency      p50 {self.latency_p50:.3f} s  p99 {self.latency_p99:.3f} s  "
                f"max {self.latency_max:.3f} s"
            )
        for kind, names in self.samples.items():
            lines.extend(f"{kind}: {name}" for name in names)
        return "\n".join(lines)

    def note(self, kind: str, identity: tuple[str, str], limit: int = SAMPLES) -> None:
        sample = self.samples.setdefault(kind, [])
        if len(sample) < limit:
            sample.append(" ".join(identity))


def identity(row: Row) -> tuple[str, str]:
    """The (source, sls_id) a relay is to send for a row of the truth."""
    return (
        f"sls:{row['project']}/{row['logstore']}",
        f"{row['shard']}|{row['cursor']}|{row['index']}",
    )


def flatten(row: Row) -> dict[str, str]:
    """The fields of the event a relay is to send for a row of the truth. Of repeated keys the last counts."""
    event: dict[str, str] = {"__topic__": row["topic"], "__source__": row["source"]}
    event.update((f"__tag__:{key}", value) for key, value in row["tags"])
    event.update((key, value) for key, value in row["contents"])
    return event


def expected_node(row: Row, unfold: Unfold = NOTHING) -> Node:
    """The key by which the event of a row is compared."""
    members = {name: string_node(value) for name, value in flatten(row).items()}
    names = unfold.fields(row["topic"])
    if names:
        not_utf8 = row.get("not_utf8", ())
        for place, (name, value) in enumerate(row["contents"]):
            if name in names:
                members[name] = string_node(value) if place in not_utf8 else unfolded(value)
    return object_node(members.items())


def compare(
    store: Store,
    truth: Iterable[Row],
    *,
    check_time: bool = False,
    unfold: Unfold = NOTHING,
    allowed_duplicates: int = 0,
    name_missing: int = SAMPLES,
) -> Comparison:
    """Compare what `store` indexed with the rows that should have come.

    With `check_time`, an event whose time is not that of its row counts as a mismatch too. `unfold` tells the
    fields that the relay sends as JSON. At most `name_missing` of those that are missing are named.
    """
    result = Comparison(unidentified=store.summary()["unidentified"])
    expected: set[tuple[str, str]] = set()
    latencies: list[float] = []
    refused = store.refused()
    for row in truth:
        name = identity(row)
        expected.add(name)
        copies = store.copies(*name)
        if not copies:
            result.missing += 1
            result.note("missing", name, name_missing)
            if name in refused:
                result.refused += 1
                result.note("refused", name)
            continue
        result.found += 1
        latencies.append(copies[0].received - row["receive_time"])
        if len(copies) > 1:
            result.duplicates += len(copies) - 1
            result.duplicate_bytes += sum(map(_size, copies[1:]))
            result.note("duplicates", name)
        wanted = expected_node(row, unfold)
        if not all(copy.content == wanted and (not check_time or _same_time(copy, row)) for copy in copies):
            result.mismatches += 1
            result.note("mismatches", name)
    result.expected = len(expected)
    result.excess_duplicates = max(0, result.duplicates - allowed_duplicates)
    for name in store.identities():
        if name not in expected:
            result.unexpected += 1
            result.note("unexpected", name)
    if latencies:
        latencies.sort()
        result.latency_p50 = latencies[(len(latencies) - 1) * 50 // 100]
        result.latency_p99 = latencies[(len(latencies) - 1) * 99 // 100]
        result.latency_max = latencies[-1]
    return result


def read_rows(lines: Iterable[bytes]) -> Iterator[Row]:
    """Rows from JSON lines. ValueError naming the line that is not a row."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except RecursionError:
            raise ValueError(f"line {number} of the truth is nested too deeply") from None
        absent = _ROW_KEYS - row.keys() if isinstance(row, dict) else _ROW_KEYS
        if absent:
            raise ValueError(f"line {number} of the truth lacks {', '.join(sorted(absent))}")
        yield row


def fetch_rows(url: str, *, timeout: float = 60.0) -> Iterator[Row]:
    """Rows from an http(s) address that answers with JSON lines, read as they come."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"the truth is fetched over http or https, not from {url!r}")
    # No proxy: stand-ins live on the same network.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=timeout) as answer:
        yield from read_rows(answer)


_ROW_KEYS = frozenset(("project", "logstore", "shard", "cursor", "index", "receive_time")) | frozenset(
    ("topic", "source", "time", "time_ns", "tags", "contents")
)


def _size(copy: Copy) -> int:
    return len(copy.envelope) if isinstance(copy, Event) else copy.size


def _same_time(copy: Copy, row: Row) -> bool:
    return bool(Decimal(copy.time) == row["time"] + Decimal(row["time_ns"] or 0).scaleb(-9))
