"""`status`: the group as SLS knows it, for people and for programs."""

from __future__ import annotations

import json
import re
import signal
import time
from typing import Any

import pytest

from sls_hec_forwarder.cli.output import duration, table
from sls_hec_forwarder.cli.pages import as_text
from sls_hec_forwarder.sls.api.client import ConsumerGroup, SlsClient
from sls_hec_forwarder.sls.group.progress import consumer_rows, shard_rows
from sls_hec_forwarder.sls.group.status import GroupStatus, ShardStatus

from .conftest import TIMEOUT, World, ended


def joined(world: World) -> SlsClient:
    """A member that holds both shards and has delivered nothing of 2,000 logs."""
    world.sls.load("proj", "store", logs=2000)
    client = world.client()
    client.create_group(40, False)
    deadline = time.monotonic() + 60
    while sorted(client.heartbeat([])) != [0, 1]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for shard in (0, 1):
        client.save_checkpoint(shard, client.cursor(shard, "begin"))
    return client


def told(world: World, *arguments: str) -> dict[str, Any]:
    done = world.run("status", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def test_a_group_that_lags(world: World) -> None:
    client = joined(world)
    client.save_checkpoint(1, client.cursor(1, "end"))
    page = told(world, "--interval", "0")
    assert page["group"] == {"name": "relay", "timeout": 40, "in_order": False}
    behind, up_to_date = page["shards"]
    assert behind["owner"] == up_to_date["owner"] == "relay-1"
    assert behind["behind"] > 0
    assert behind["lag"] >= 0
    assert behind["position_time"] is not None
    assert behind["checkpoint"] == client.cursor(0, "begin")
    assert up_to_date["behind"] == up_to_date["lag"] == up_to_date["catches_up_in"] == 0
    [consumer] = page["consumers"]
    assert consumer["name"] == "relay-1"
    assert consumer["shards"] == [0, 1]
    assert consumer["last_saved"] >= 0


def test_a_table_for_people(world: World) -> None:
    joined(world)
    done = world.run("status", "--interval", "0.5")
    assert done.returncode == 0, done.stderr
    head, shards, consumers = done.stdout.rstrip().split("\n\n")
    assert re.fullmatch(
        r"proj/store, group relay: time-out 40 s, not in order; 20\d\d-\d\d-\d\dT[\d:]{8}Z", head
    )
    assert shards.splitlines()[0].split() == [
        "SHARD",
        "OWNER",
        "CHECKPOINT",
        "ITS",
        "TIME",
        "LAG",
        "GROUPS",
        "TREND",
    ]
    assert [line.split()[:2] for line in shards.splitlines()[1:]] == [["0", "relay-1"], ["1", "relay-1"]]
    assert re.match(r"relay-1 +0, 1 +\d+ s ago", consumers.splitlines()[1])


def test_watching_until_interrupted(world: World) -> None:
    client = joined(world)
    with ended(world.start("status", "--watch", "--json", "--interval", "0.2")) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert first["shards"][0]["lag_change"] is None
        client.save_checkpoint(0, client.cursor(0, "end"))
        while json.loads(process.stdout.readline())["shards"][0]["lag"]:
            client.heartbeat([0, 1])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    assert err == ""
    assert all(json.loads(line) for line in out.splitlines())


def test_a_group_that_does_not_exist(world: World) -> None:
    done = world.run("status")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "ListConsumerGroup proj/store: there is no consumer group relay\n"


def test_an_sls_that_is_not_there(world: World) -> None:
    world.settings["SLS_PROXY"] = "http://127.0.0.1:1"
    done = world.run("status")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


# What a page says


def shard(number: int, lag: float | None, **more: Any) -> ShardStatus:
    values: dict[str, Any] = {
        "shard": number,
        "read_only": False,
        "owner": "a",
        "checkpoint": "MA==",
        "saved_at": 990.0,
        "behind": 0 if lag == 0 else 5,
        "position_time": None if lag is None else 1000.0 - lag,
        "lag": lag,
        "expired": False,
    }
    return ShardStatus(**{**values, **more})


def group(taken_at: float, *shards: ShardStatus) -> GroupStatus:
    owners = sorted({each.owner for each in shards if each.owner})
    return GroupStatus(ConsumerGroup("g", 40, True), shards, tuple(owners), taken_at)


@pytest.mark.parametrize(
    ("before", "now", "change", "left"),
    [
        ((100.0, 30), (50.0, 10), -5.0, 5.0),
        ((50.0, 30), (60.0, 20), 1.0, 20.0),  # old logs only: lag grows to the end, and yet it gets there
        ((50.0, 30), (100.0, 30), 5.0, None),
        ((50.0, 30), (50.0, 40), 0.0, None),
        ((50.0, 30), (0.0, 0), -5.0, 0.0),
        ((None, None), (50.0, 30), None, None),
        ((50.0, 30), (None, None), None, None),
        ((None, None), (0.0, 0), None, 0.0),
    ],
)
def test_how_fast_lag_shrinks(
    before: tuple[float | None, int | None],
    now: tuple[float | None, int | None],
    change: float | None,
    left: float | None,
) -> None:
    [row] = shard_rows(
        group(1010.0, shard(0, now[0], behind=now[1])), group(1000.0, shard(0, before[0], behind=before[1]))
    )
    assert (row.lag_change, row.catches_up_in) == (change, left)


def test_a_shard_that_was_not_there_before() -> None:
    rows = shard_rows(group(1010.0, shard(0, 1.0), shard(1, 1.0)), group(1000.0, shard(0, 1.0)))
    assert [row.lag_change for row in rows] == [0.0, None]
    assert shard_rows(group(1000.0, shard(0, 1.0)), group(1000.0, shard(0, 1.0)))[0].lag_change is None


def test_consumers_and_their_shards() -> None:
    now = group(
        1000.0, shard(0, 0.0), shard(1, 0.0, saved_at=995.0), shard(2, None, owner="b", saved_at=None)
    )
    first, second = consumer_rows(now)
    assert (first.name, first.shards, first.last_saved) == ("a", (0, 1), 5.0)
    assert (second.name, second.shards, second.last_saved) == ("b", (2,), None)


def test_everything_a_page_can_say() -> None:
    before = group(1000.0, *(shard(number, 100.0) for number in range(8)))
    now = group(
        1010.0,
        shard(0, 50.0, behind=1),
        shard(1, 200.0),
        shard(2, 100.0),
        shard(3, 0.0, position_time=None),
        shard(4, None, expired=True, behind=None),
        shard(5, None, behind=None, checkpoint="", saved_at=None, owner=""),
        shard(6, 0.0, read_only=True),
        shard(8, 90_000.0, owner="b"),
    )
    head, shards, consumers, free = "\n".join(as_text("p/l", now, before)).split("\n\n")
    assert head == "p/l, group g: time-out 40 s, in order; 1970-01-01T00:16:50Z"
    rows = [re.split(r"  +", line) for line in shards.splitlines()[1:]]
    assert rows == [
        ["0", "a", "MA==", "1970-01-01T00:15:50Z", "50 s", "1", "lag -5.0 s/s, done in 2 s"],
        ["1", "a", "MA==", "1970-01-01T00:13:20Z", "3 min 20 s", "5", "lag +10.0 s/s"],
        ["2", "a", "MA==", "1970-01-01T00:15:00Z", "1 min 40 s", "5", "steady"],
        ["3", "a", "MA==", "end", "0 s", "0", "up to date"],
        ["4", "a", "MA==", "-", "expired", "-", "-"],
        ["5", "-", "-", "-", "-", "-", "-"],
        ["6 (read-only)", "a", "MA==", "1970-01-01T00:16:40Z", "0 s", "0", "up to date"],
        ["8", "b", "MA==", "1969-12-30T23:16:40Z", "1 d 1 h", "5", "-"],
    ]
    assert [re.split(r"  +", line) for line in consumers.splitlines()[1:]] == [
        ["a", "0, 1, 2, 3, 4, 6", "20 s ago"],
        ["b", "8", "20 s ago"],
    ]
    assert free == "without an owner: 5"


def test_nobody_is_there() -> None:
    page = as_text("p/l", group(1000.0, shard(0, None, owner="", checkpoint="")), None)
    assert page[-1] == "no consumer is alive"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.2, "0 s"),
        (59.6, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (7265, "2 h 1 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_an_empty_table() -> None:
    assert table([]) == []
    assert table([], ("A", "B")) == ["A  B"]
