"""PullLogs: consecutive log groups from a cursor on.

Headers beyond those of the API reference are what the SDKs read: `pulllog_response.py` (Python, for the sizes
and those of a query), Go (`x-log-read-last-cursor`), Java (`x-log-cursor-time`, `x-log-end-of-cursor`).
"""

from __future__ import annotations

from typing import NamedTuple

from sls_hec_standins.http import Fault, Response
from sls_hec_standins.sls import cursors, errors
from sls_hec_standins.sls.calls.shards import find, parse_cursor, readable
from sls_hec_standins.sls.pulls import Pull, make_pull
from sls_hec_standins.sls.service import Call
from sls_hec_standins.sls.shards import Shard, StoredGroup
from sls_hec_standins.sls.spl import Query, QueryError, compile_query

MAX_COUNT = 1000
# Of these the first that is offered. By "gzip" the SDKs mean the same zlib format as by "deflate".
COMPRESSIONS = ("lz4", "zstd", "deflate", "gzip")


class _Run(NamedTuple):
    """The log groups of the answer, and their position in the shard."""

    shard: Shard
    start: int
    groups: list[StoredGroup]
    cursor_time: int | None
    at_end: bool

    @property
    def next(self) -> int:
        return self.start + len(self.groups)


def pull_logs(call: Call) -> Response:
    compression = _compression(call)
    count = _count(call)
    query = _query(call)
    run = _read(call, count)
    _spend_read(call, run.shard)
    pull = call.service.pulls.get(run.shard, run.start, run.groups, compression, query)
    counts_raw = call.switches.read_quota_counts == "raw"
    run.shard.read_quota.add(pull.raw_size if counts_raw else len(pull.body))
    headers = _headers(run, pull, compression)
    miscount = call.service.faults.take("miscount", call.route) if run.groups else None
    return (
        _miscounted(run, compression, query, headers, miscount)
        if miscount
        else Response(200, headers, pull.body)
    )


def _miscounted(
    run: _Run, compression: str, query: Query | None, headers: list[tuple[str, str]], fault: Fault
) -> Response:
    drop = fault.get("drop", 0 if "count" in fault.params else len(run.groups))
    pull = make_pull(run.groups[: max(0, len(run.groups) - drop)], compression, query)
    changed = {"x-log-bodyrawsize": str(pull.raw_size)}
    if "count" in fault.params:
        changed["x-log-count"] = str(fault.get("count", 0))
    return Response(200, [(name, changed.get(name, value)) for name, value in headers], pull.body)


def _read(call: Call, count: int) -> _Run:
    logstore = call.logstore()
    with logstore.lock:
        shard = find(call, logstore)
        start = readable(call, shard, call.query.get("cursor", ""))
        stop = shard.next
        if call.query.get("end_cursor"):
            stop = min(stop, parse_cursor(call, call.query["end_cursor"]))
        groups = shard.read(start, stop, count, call.switches.pull_bytes)
        position = start + len(groups)
        last = shard.group(position - 1)
        cursor_time = None if last is None else int(last.received)
        return _Run(shard, start, groups, cursor_time, position == shard.next)


def _headers(run: _Run, pull: Pull, compression: str) -> list[tuple[str, str]]:
    headers = [
        ("Content-Type", "application/x-protobuf"),
        ("x-log-cursor", cursors.encode(run.next)),
        ("x-log-count", str(pull.groups)),
        ("x-log-bodyrawsize", str(pull.raw_size)),
    ]
    if compression:
        headers.append(("x-log-compresstype", compression))
    if run.groups:
        headers.append(("x-log-read-last-cursor", str(run.next - 1)))
    if run.cursor_time is not None:
        headers.append(("x-log-cursor-time", str(run.cursor_time)))
    if run.at_end:
        headers.append(("x-log-end-of-cursor", "1"))
    if pull.filtered is not None:
        headers += [
            ("x-log-rawdatasize", str(pull.filtered.raw_size)),
            ("x-log-rawdatacount", str(pull.filtered.groups)),
            ("x-log-rawdatalines", str(pull.filtered.lines)),
            ("x-log-resultlines", str(pull.filtered.result_lines)),
            ("x-log-failedlines", "0"),
        ]
    return headers


def _compression(call: Call) -> str:
    accept = call.request.headers.get("accept", "*/*")
    if not any(kind in accept for kind in ("application/x-protobuf", "*/*")):
        raise errors.invalid_accept_type(accept)
    value = call.request.headers.get("accept-encoding", "")
    offered = [part.partition(";")[0].strip().lower() for part in value.split(",")]
    for compression in COMPRESSIONS:
        if compression in offered:
            return compression
    if "" in offered or "identity" in offered:
        return ""
    raise errors.invalid_accept_encoding(value)


def _count(call: Call) -> int:
    text = call.query.get("count", str(MAX_COUNT))
    if not (text.isascii() and text.isdecimal() and len(text) < 5 and 0 < int(text) <= MAX_COUNT):
        raise errors.parameter_invalid("Invalid loggroup count, (0,1000]")
    return int(text)


def _query(call: Call) -> Query | None:
    """The SPL to apply: that of the named stored processor, else that of the request."""
    text = call.query.get("query", "").strip()
    processor = call.query.get("processor", "")
    if processor:
        stored = call.project().processors.get(processor)
        if stored is None:
            raise errors.parameter_invalid(f"consume processor {processor} does not exist")
        text = stored
    elif text and call.query.get("pullMode") != "scan_on_stream":
        raise errors.parameter_invalid("a query needs pullMode scan_on_stream")
    if not text:
        return None
    try:
        return compile_query(text)
    except QueryError as error:
        raise errors.parameter_invalid(f"invalid query: {error}") from error


def _spend_read(call: Call, shard: Shard) -> None:
    fault = call.service.faults.take("read_quota", call.route)
    switches = call.switches
    exceeded = (
        fault.get("what", "bytes")
        if fault
        else shard.read_quota.exceeded(switches.reads_per_second, switches.read_bytes_per_second)
    )
    if exceeded:
        raise errors.shard_read_quota(exceeded)
