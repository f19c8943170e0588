"""One page of `status`, as text or as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from sls_hec_forwarder.cli.output import duration, table
from sls_hec_forwarder.sls.group.progress import ShardRow, consumer_rows, shard_rows
from sls_hec_forwarder.sls.group.status import GroupStatus
from sls_hec_forwarder.times import iso

#: A change of lag (seconds per second) below this is only the granularity of SLS's times.
_STEADY = 0.05


def as_object(now: GroupStatus, before: GroupStatus | None) -> dict[str, Any]:
    """As a JSON object."""
    shards = [
        {
            **dataclasses.asdict(row.now),
            "lag_change": row.lag_change,
            "catches_up_in": row.catches_up_in,
        }
        for row in shard_rows(now, before)
    ]
    return {
        "taken_at": now.taken_at,
        "group": dataclasses.asdict(now.group),
        "shards": shards,
        "consumers": [dataclasses.asdict(row) for row in consumer_rows(now)],
    }


def as_text(place: str, now: GroupStatus, before: GroupStatus | None) -> list[str]:
    """Tables of shards and consumers, as lines; `place` is project/logstore."""
    order = "in order" if now.group.in_order else "not in order"
    rows = shard_rows(now, before)
    shards = [
        (
            f"{row.now.shard}{' (read-only)' if row.now.read_only else ''}",
            row.now.owner or "-",
            row.now.checkpoint or "-",
            _position(row),
            "expired" if row.now.expired else duration(row.now.lag),
            "-" if row.now.behind is None else str(row.now.behind),
            _trend(row),
        )
        for row in rows
    ]
    consumers = [
        (
            row.name,
            ", ".join(str(shard) for shard in row.shards),
            "never" if row.last_saved is None else f"{duration(row.last_saved)} ago",
        )
        for row in consumer_rows(now)
    ]
    free = [str(row.now.shard) for row in rows if not row.now.owner]
    lines = [
        f"{place}, group {now.group.name}: time-out {now.group.timeout} s, {order}; {iso(now.taken_at)}",
        "",
        *table(shards, ("SHARD", "OWNER", "CHECKPOINT", "ITS TIME", "LAG", "GROUPS", "TREND")),
        "",
    ]
    if not consumers:
        return [*lines, "no consumer is alive"]
    lines += table(consumers, ("CONSUMER", "SHARDS", "CHECKPOINT SAVED"))
    return [*lines, "", f"without an owner: {', '.join(free)}"] if free else lines


def _position(row: ShardRow) -> str:
    if row.now.position_time is not None:
        return iso(row.now.position_time)
    return "end" if row.now.checkpoint and row.now.lag == 0 else "-"


def _trend(row: ShardRow) -> str:
    if row.now.lag == 0:
        return "up to date"
    if row.lag_change is None:
        return "-"
    steady = abs(row.lag_change) <= _STEADY
    change = "steady" if steady else f"lag {row.lag_change:+.1f} s/s"
    return change if row.catches_up_in is None else f"{change}, done in {duration(row.catches_up_in)}"
