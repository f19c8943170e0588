"""Cursors, shards and pulls: answers and error tables of the API reference, "Logstore related APIs"."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from sls_hec_standins.http import Fault
from sls_hec_standins.sls import cursors, wire
from sls_hec_standins.sls.quotas import ReadQuota

SHARD = "/logstores/store/shards/0"
PROTOBUF = {"accept": "application/x-protobuf", "accept-encoding": "lz4"}


def group(value: str, logs: int = 1) -> bytes:
    return wire.write_log_group([(1, None, [("k", value)])] * logs, topic="t")


def pull(ask: Any, cursor: int | str, method: str = "GET", **query: str) -> Any:
    text = cursors.encode(cursor) if isinstance(cursor, int) else cursor
    return ask(method, SHARD, {"type": "log", "cursor": text, **query}, headers=PROTOBUF)


def values(answer: Any) -> list[str]:
    """The value of the first content of each log of a pull."""
    assert answer.status == 200
    size = int(answer.headers["x-log-bodyrawsize"])
    assert bool(answer.body) == bool(size)
    raw = wire.decompress(answer.body, answer.headers.get("x-log-compresstype", ""), size) if size else b""
    groups = list(wire.iter_groups(raw))
    assert answer.headers["x-log-count"] == str(len(groups))
    return [log.contents[0][1].decode() for data in groups for log in wire.iter_logs(data)]


# Shards.


def test_list_shards(ask: Any) -> None:
    rows = ask("GET", "/logstores/store/shards").json
    assert [row["shardID"] for row in rows] == [0, 1]
    assert set(rows[0]) == {"shardID", "status", "inclusiveBeginKey", "exclusiveEndKey", "createTime"}


def test_split_and_merge(ask: Any) -> None:
    rows = ask("POST", SHARD, {"action": "split", "key": "4" + "0" * 31}).json
    assert [(row["shardID"], row["status"]) for row in rows] == [
        (0, "readonly"),
        (2, "readwrite"),
        (3, "readwrite"),
    ]
    assert rows[1]["exclusiveEndKey"] == rows[2]["inclusiveBeginKey"] == "4" + "0" * 31
    rows = ask("POST", "/logstores/store/shards/3", {"action": "merge"}).json
    assert [(row["shardID"], row["status"]) for row in rows] == [
        (4, "readwrite"),
        (3, "readonly"),
        (1, "readonly"),
    ]


def test_split_into_several(ask: Any) -> None:
    """`SplitNumShard` of aliyun-log-go-sdk."""
    rows = ask("POST", SHARD, {"action": "split", "shardCount": "4"}).json
    assert len(rows) == 5
    assert ask("POST", SHARD, {"action": "split", "shardCount": "1"}).error == (400, "ParameterInvalid")


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        (SHARD, {"action": "split", "key": "zz"}, "invalid mid hash."),
        (SHARD, {"action": "split"}, "invalid mid hash."),
        (SHARD, {"action": "split", "key": "f" * 32}, "invalid mid hash."),
        ("/logstores/store/shards/x", {"action": "split", "key": "4" + "0" * 31}, "invalid shard id."),
        ("/logstores/store/shards/9", {"action": "split", "key": "4" + "0" * 31}, "invalid shard id."),
        ("/logstores/store/shards/9", {"action": "merge"}, "invalid shard id."),
        ("/logstores/store/shards/1", {"action": "merge"}, "can not merge the last shard."),
    ],
)
def test_wrong_split_or_merge(ask: Any, path: str, query: dict[str, str], message: str) -> None:
    answer = ask("POST", path, query)
    assert (*answer.error, answer.message) == (400, "ParameterInvalid", message)


# Cursors.


def cursor(ask: Any, start: str, path: str = SHARD) -> Any:
    return ask("GET", path, {"type": "cursor", "from": start})


def test_cursor_goes_by_receive_time(ask: Any) -> None:
    now = int(ask.clock.now())
    for second in (0, 10, 20):
        ask.logstore.append(group("v"), 1, shard=0, received=now + second)
    first = ask.shard().first

    def at(start: str) -> int:
        found = cursors.decode(cursor(ask, start).json["cursor"])
        assert found is not None
        return int(found - first)

    assert at("begin") == at("0") == at(str(now)) == 0
    assert at(str(now + 1)) == at(str(now + 10)) == 1
    assert at("end") == at(str(now + 21)) == at("999999999999999999") == 3


@pytest.mark.parametrize("start", ["", "now", "-1", "1.5", "1e9", "９", "9" * 40])
def test_cursor_from_nowhere(ask: Any, start: str) -> None:
    answer = cursor(ask, start)
    assert (*answer.error, answer.message) == (400, "ParameterInvalid", "Parameter From is not valid.")


def test_cursor_time(ask: Any) -> None:
    now = int(ask.clock.now())
    ask.logstore.append(group("v"), 1, shard=0, received=now + 5.7)
    ask.clock.advance(60)
    first = ask.shard().first

    def time_of(position: int) -> Any:
        return ask("GET", SHARD, {"type": "cursor_time", "cursor": cursors.encode(position)})

    assert time_of(first).json == {"cursor_time": now + 5}
    assert time_of(first + 1).json == {"cursor_time": now + 60}
    ask.switch(cursor_time_of_end="last")
    assert time_of(first + 1).json == {"cursor_time": now + 5}
    assert time_of(first - 1).error == (400, "InvalidCursor")
    assert time_of(first + 2).error == (400, "InvalidCursor")


def test_shard_that_does_not_exist(ask: Any) -> None:
    missing = "/logstores/store/shards/9"
    assert cursor(ask, "begin", missing).error == (400, "ShardNotExist")
    ask.switch(shard_not_exist_status=404)
    assert cursor(ask, "begin", missing).error == (404, "ShardNotExist")
    assert cursor(ask, "begin", "/logstores/store/shards/x").error == (400, "ParameterInvalid")


def test_logstore_without_shards(ask: Any) -> None:
    for number in (0, 1):
        ask.logstore.shards[number].readonly = True
        ask.logstore.remove(number)
    assert cursor(ask, "begin").error == (400, "LogStoreWithoutShard")


# Pulls.


def test_pull(ask: Any) -> None:
    first, *_ = ask.append(group("a"), group("b"), group("c"))
    ask.clock.advance(60)
    answer = pull(ask, first, count="2")
    assert values(answer) == ["a", "b"]
    expected = {
        "content-type": "application/x-protobuf",
        "x-log-cursor": cursors.encode(first + 2),
        "x-log-compresstype": "lz4",
        "x-log-read-last-cursor": str(first + 1),
        "x-log-cursor-time": str(int(ask.clock.now()) - 60),
    }
    assert expected.items() <= answer.headers.items()
    assert "x-log-end-of-cursor" not in answer.headers
    rest = pull(ask, first + 2)
    assert values(rest) == ["c"]
    assert rest.headers["x-log-end-of-cursor"] == "1"


def test_pull_at_the_end(ask: Any) -> None:
    [first] = ask.append(group("a"))
    answer = pull(ask, first + 1)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["x-log-cursor"] == cursors.encode(first + 1)
    assert answer.headers["x-log-count"] == answer.headers["x-log-bodyrawsize"] == "0"
    assert answer.headers["x-log-end-of-cursor"] == "1"
    assert "x-log-read-last-cursor" not in answer.headers
    assert values(answer) == []


def test_pull_from_an_empty_shard(ask: Any) -> None:
    answer = pull(ask, ask.shard().next)
    assert values(answer) == []
    assert "x-log-cursor-time" not in answer.headers


def test_both_spellings_of_the_type(ask: Any) -> None:
    """ "log" in the Python SDK and old pages, "logs" in the Go SDK and new pages."""
    [first] = ask.append(group("a"))
    assert values(pull(ask, first, type="logs")) == values(pull(ask, first)) == ["a"]


def test_head_tells_the_next_cursor_only(ask: Any) -> None:
    """Page "PullLogs", "Page flip"; the server leaves the body out."""
    [first] = ask.append(group("a"))
    answer = pull(ask, first, "HEAD")
    assert answer.headers["x-log-cursor"] == cursors.encode(first + 1)


def test_pull_up_to_an_end_cursor(ask: Any) -> None:
    first, *_ = ask.append(group("a"), group("b"), group("c"))
    assert values(pull(ask, first, end_cursor=cursors.encode(first + 2))) == ["a", "b"]
    assert values(pull(ask, first, end_cursor=cursors.encode(first + 99))) == ["a", "b", "c"]
    stopped = pull(ask, first + 2, end_cursor=cursors.encode(first + 1))
    assert values(stopped) == []
    assert stopped.headers["x-log-cursor"] == cursors.encode(first + 2)
    assert pull(ask, first, end_cursor="?").error == (400, "ParameterInvalid")


def test_answers_are_bounded_by_bytes(ask: Any) -> None:
    first, *_ = ask.append(*(group("x" * 1000) for _ in range(5)))
    ask.switch(pull_bytes=2500)
    assert len(values(pull(ask, first))) == 2
    ask.switch(pull_bytes=10)
    assert len(values(pull(ask, first))) == 1


@pytest.mark.parametrize(
    ("accept", "compression"),
    [
        ("lz4", "lz4"),
        ("zstd", "zstd"),
        ("", ""),
        (None, ""),
        ("identity", ""),
        ("gzip, deflate", "deflate"),
        ("gzip, LZ4;q=1.0", "lz4"),
        ("gzip", "gzip"),
    ],
)
def test_compressions(ask: Any, accept: str | None, compression: str) -> None:
    [first] = ask.append(group("a" * 1000))
    query = {"type": "log", "cursor": cursors.encode(first)}
    answer = ask("GET", SHARD, query, headers={"accept-encoding": accept})
    assert answer.headers.get("x-log-compresstype", "") == compression
    if compression not in ("deflate", "gzip"):
        assert values(answer) == ["a" * 1000]
    else:
        assert len(zlib.decompress(answer.body)) == int(answer.headers["x-log-bodyrawsize"])
    assert (len(answer.body) < 900) == bool(compression)


def test_other_encodings_and_types_are_refused(ask: Any) -> None:
    query = {"type": "log", "cursor": cursors.encode(ask.shard().next)}
    refused = ask("GET", SHARD, query, headers={"accept-encoding": "br"})
    assert refused.error == (400, "InvalidAcceptEncoding")
    refused = ask("GET", SHARD, query, headers={"accept": "application/json"})
    assert refused.error == (400, "InvalidAcceptContentType")


@pytest.mark.parametrize("count", ["0", "1001", "-1", "x", "", "1e2", "9" * 30])
def test_count_out_of_range(ask: Any, count: str) -> None:
    answer = pull(ask, ask.shard().next, count=count)
    assert (*answer.error, answer.message) == (400, "ParameterInvalid", "Invalid loggroup count, (0,1000]")


def test_cursor_that_is_none(ask: Any) -> None:
    for text in ("", "abc", "MQ==x"):
        assert pull(ask, text).error == (400, "ParameterInvalid")
    ask.switch(malformed_cursor="InvalidCursor")
    assert pull(ask, "abc").error == (400, "InvalidCursor")


def test_expired_cursor(ask: Any) -> None:
    first, *_ = ask.append(group("a"), group("b"), group("c"))
    ask.shard().expire_to(first + 2)
    assert pull(ask, first).error == (400, "InvalidCursor")
    ask.switch(expired_cursor="ParameterInvalid")
    assert pull(ask, first).error == (400, "ParameterInvalid")
    ask.switch(expired_cursor="oldest")
    skipped = pull(ask, first)
    assert values(skipped) == ["c"]
    assert skipped.headers["x-log-read-last-cursor"] == str(first + 2)


def test_cursor_that_is_still_to_come(ask: Any) -> None:
    assert pull(ask, ask.shard().next + 1).error == (400, "InvalidCursor")


def test_retention_makes_a_cursor_expire(ask: Any) -> None:
    [first] = ask.append(group("a"))
    ask.logstore.set_ttl(1)
    ask.clock.advance(86_401)
    assert pull(ask, first).error == (400, "InvalidCursor")
    assert values(pull(ask, first + 1)) == []


def test_query(ask: Any) -> None:
    first, *_ = ask.append(group("keep", 3), group("drop", 2))
    spl = {"query": "* | where k = 'keep'", "pullMode": "scan_on_stream"}
    answer = pull(ask, first, **spl)
    assert values(answer) == ["keep"] * 3
    expected = {
        "x-log-cursor": cursors.encode(first + 2),
        "x-log-read-last-cursor": str(first + 1),
        "x-log-rawdatasize": str(len(group("keep", 3)) + len(group("drop", 2))),
        "x-log-rawdatacount": "2",
        "x-log-rawdatalines": "5",
        "x-log-resultlines": "3",
        "x-log-failedlines": "0",
    }
    assert expected.items() <= answer.headers.items()
    nothing = pull(ask, first, query="* | where k = 'x'", pullMode="scan_on_stream")
    assert (nothing.body, nothing.headers["x-log-count"]) == (b"", "0")
    assert nothing.headers["x-log-cursor"] == cursors.encode(first + 2)


def test_query_that_is_none(ask: Any) -> None:
    first = ask.shard().next
    answer = pull(ask, first, query="* | project k", pullMode="scan_on_stream")
    assert answer.error == (400, "ParameterInvalid")
    assert "position" in answer.message
    assert pull(ask, first, query="*").error == (400, "ParameterInvalid")
    assert values(pull(ask, first, query=" ", pullMode="scan_on_stream")) == []


def test_stored_processor(ask: Any) -> None:
    first, *_ = ask.append(group("keep"), group("drop"))
    ask.service.store.project("proj").processors["p"] = "* | where k = 'keep'"
    assert values(pull(ask, first, processor="p")) == ["keep"]
    assert pull(ask, first, processor="q").error == (400, "ParameterInvalid")


def test_read_quota_in_requests(ask: Any) -> None:
    now = [100.0]
    ask.shard().read_quota = ReadQuota(lambda: now[0])
    ask.switch(reads_per_second=2)
    end = ask.shard().next
    assert [pull(ask, end).status for _ in range(3)] == [200, 200, 403]
    answer = pull(ask, end)
    assert answer.error == (403, "ShardReadQuotaExceed")
    assert answer.message == "shard read qps exceed quota limits"
    now[0] += 1
    assert pull(ask, end).status == 200


@pytest.mark.parametrize("counts", ["raw", "compressed"])
def test_read_quota_in_bytes(ask: Any, counts: str) -> None:
    ask.shard().read_quota = ReadQuota(lambda: 100.0)
    [first] = ask.append(group("x" * 5000))
    ask.switch(read_bytes_per_second=4000, read_quota_counts=counts)
    assert pull(ask, first).status == 200
    if counts == "compressed":
        assert pull(ask, first).status == 200
    else:
        answer = pull(ask, first)
        assert answer.error == (403, "ShardReadQuotaExceed")
        assert answer.message == "shard read bytes exceed quota limits"


def test_read_quota_by_fault(ask: Any) -> None:
    ask.service.faults.add(Fault("read_quota", "PullLogs", times=1, what="qps"))
    end = ask.shard().next
    assert pull(ask, end).message == "shard read qps exceed quota limits"
    assert pull(ask, end).status == 200
