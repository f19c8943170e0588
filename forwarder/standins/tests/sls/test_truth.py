from __future__ import annotations

import io
from typing import Any

import pytest
from aliyun.log.pulllog_response import PullLogResponse

from sls_hec_standins.sls import truth, wire
from sls_hec_standins.sls.generator import Generator
from sls_hec_standins.sls.shards import KEY_SPACE, Shard

GROUP = wire.write_log_group(
    [
        (1_700_000_000, 5, [("k", "一"), ("k", "二"), ("raw", b"\xff\x00")]),
        (1_700_000_001, None, [("__topic__", "own"), ("__tag__:t", "own")]),
        (1_700_000_002, 0, []),
    ],
    "topic",
    "source",
    [("t", "1"), ("t", "2")],
)


def shard_of(*groups: bytes) -> Shard:
    shard = Shard(3, 0, KEY_SPACE - 1, created=1_699_999_000)
    for place, group in enumerate(groups):
        shard.append(group, wire.check_log_group(group), 1_700_000_100.5 + place)
    return shard


def test_rows_say_where_when_and_what() -> None:
    shard = shard_of(GROUP, GROUP)
    rows = list(truth.rows("p", "l", shard.number, shard.span()))
    assert [(row["cursor"] - shard.first, row["index"]) for row in rows] == [
        (group, index) for group in range(2) for index in range(3)
    ]
    assert rows[3] == {
        "project": "p",
        "logstore": "l",
        "shard": 3,
        "cursor": shard.first + 1,
        "index": 0,
        "receive_time": 1_700_000_101.5,
        "topic": "topic",
        "source": "source",
        "time": 1_700_000_000,
        "time_ns": 5,
        "tags": [["t", "1"], ["t", "2"]],
        "contents": [["k", "一"], ["k", "二"], ["raw", "\ufffd\x00"]],
        "not_utf8": [2],
    }
    assert [row["time_ns"] for row in rows[:3]] == [5, None, 0]


def test_a_range_of_a_shard() -> None:
    shard = shard_of(*[GROUP] * 5)
    span = shard.span(shard.first + 1, shard.first + 3)
    assert {row["cursor"] for row in truth.rows("p", "l", 3, span)} == {shard.first + 1, shard.first + 2}
    assert truth.totals(span) == (2, 6, 2 * len(GROUP))
    assert truth.totals([]) == (0, 0, 0)


def test_the_last_of_equal_names_wins() -> None:
    first, second, third = truth.rows("p", "l", 3, shard_of(GROUP).span())
    assert truth.flatten(first) == {
        "__topic__": "topic",
        "__source__": "source",
        "__tag__:t": "2",
        "k": "二",
        "raw": "\ufffd\x00",
    }
    assert truth.flatten(second) == {"__topic__": "own", "__source__": "source", "__tag__:t": "own"}
    assert truth.flatten(third) == {"__topic__": "topic", "__source__": "source", "__tag__:t": "2"}


def test_the_sdk_sees_the_same_fields() -> None:
    """Its decoder drops invalid bytes where we replace them, so only valid text is compared."""
    groups = list(Generator(9, logs_per_group=20).groups(logs=400))
    headers = {"x-log-count": "20", "x-log-bodyrawsize": "1", "x-log-cursor": ""}
    body: Any = wire.write_log_group_list(groups)
    response = PullLogResponse(body, headers)
    theirs = response.get_flatten_logs_json(time_as_str=True)
    rows = list(truth.rows("p", "l", 3, shard_of(*groups).span()))
    assert len(theirs) == len(rows) == 400
    for row, seen in zip(rows, theirs):
        assert seen.pop("__time__") == str(row["time"])
        assert seen.pop("__time_ns_part__", ("0",)) == (str(row["time_ns"] or 0),)
        assert list(seen.items()) == list(truth.flatten(row).items())


def test_counting_agrees_with_decoding() -> None:
    groups = list(Generator(9, nasty=0.3, logs_per_group=7).groups(logs=500))
    span = shard_of(*groups).span()
    rows = list(truth.rows("p", "l", 3, span))
    assert list(truth.identities(span)) == [(row["cursor"], row["index"]) for row in rows]
    assert truth.totals(span) == (len(groups), 500, sum(map(len, groups)))


def test_rows_survive_as_json_lines() -> None:
    groups = list(Generator(9, nasty=0.5, large=0.01, logs_per_group=7).groups(logs=300))
    rows = list(truth.rows("p", "l", 3, shard_of(*groups).span()))
    file = io.StringIO()
    assert truth.write_rows(file, rows) == 300
    assert file.getvalue().count("\n") == 300
    file.seek(0)
    assert list(truth.read_rows(file)) == rows


@pytest.mark.parametrize(
    ("line", "reason"),
    [("{", "line 2 is not JSON"), ("[]", "line 2 is not a row"), ('{"a":1}', "line 2 is not")],
)
def test_lines_that_are_no_rows_are_named(line: str, reason: str) -> None:
    file = io.StringIO()
    truth.write_rows(file, truth.rows("p", "l", 3, shard_of(GROUP).span()))
    good = file.getvalue().splitlines()[0]
    with pytest.raises(ValueError, match=reason):
        list(truth.read_rows([good, line]))
