"""When a host's instances count as back at work; the module as a whole runs in Molecule's scenarios."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sls_hec_forwarder_settled import read, refused, unsettled, unwell

MOST_LAG = 60


def shard(number: int, owner: str, lag: float | None = 0, *, behind: bool = True) -> dict[str, Any]:
    return {"shard": number, "owner": owner, "lag": lag, "behind": behind}


def reasons(
    shards: list[dict[str, Any]], held: dict[str, int], first: dict[str, float] | None = None
) -> list[str]:
    return unsettled({"shards": shards}, held, MOST_LAG, {} if first is None else first)


@pytest.mark.parametrize(
    ("shards", "held"),
    [
        ([shard(0, "a"), shard(1, "b")], {"a": 1}),
        # SLS names the owner only after its first checkpoint; the instance knows before.
        ([shard(0, "b"), shard(1, "b")], {"a": 1}),
        # ... and the other way round: the status line is a little old.
        ([shard(0, "a"), shard(1, "b")], {"a": 0}),
        # More consumers than shards: one of them has to wait.
        ([shard(0, "b"), shard(1, "c")], {"a": 0}),
        # Nobody has read an empty shard yet, and nothing is missed by it.
        ([shard(0, "a"), shard(1, "", None, behind=False)], {"a": 1}),
        # How the others do is not this host's doing.
        ([shard(0, "a"), shard(1, "b", 9999)], {"a": 1}),
        ([shard(0, "a", None)], {"a": 1}),
        ([shard(0, "a", MOST_LAG)], {"a": 1}),
    ],
)
def test_back_at_work(shards: list[dict[str, Any]], held: dict[str, int]) -> None:
    assert reasons(shards, held) == []


def test_one_without_shards_is_waited_for_while_another_has_two() -> None:
    assert reasons([shard(0, "b"), shard(1, "b")], {"a": 0}) == ["a has no shards"]


def test_a_shard_that_nobody_reads_is_waited_for() -> None:
    assert reasons([shard(0, "a"), shard(1, "", 12)], {"a": 1}) == ["shard 1 has no owner"]


def test_every_reason_is_told() -> None:
    assert len(reasons([shard(0, "b"), shard(1, "b"), shard(2, "")], {"a": 0, "c": 0})) == 3


def test_lag_is_waited_for_until_it_shrinks() -> None:
    first: dict[str, float] = {}
    assert reasons([shard(0, "a", 300)], {"a": 1}, first) == [
        "shard 0 of a lags 300 s, which does not shrink"
    ]
    assert reasons([shard(0, "a", 310)], {"a": 1}, first) != []
    assert reasons([shard(0, "a", 299)], {"a": 1}, first) == []


def report(
    *conditions: dict[str, str], ready: bool = True, dead_letters: dict[str, int] | None = None
) -> dict[str, Any]:
    return {
        "ready": ready,
        "conditions": list(conditions),
        "dead_letters": dead_letters or {},
        "shards": {"owned": 1},
    }


def condition(name: str, severity: str) -> dict[str, str]:
    return {"name": name, "severity": severity, "subject": "https://hec", "text": "Incorrect index"}


def test_health_is_waited_for() -> None:
    assert unwell(report()) == []
    assert unwell(report(condition("clock_skewed", "warning"))) == []
    assert unwell(report(ready=False)) == ["is not ready"]
    assert unwell(report(condition("endpoint_held", "critical"))) == [
        "has the condition endpoint_held https://hec: Incorrect index"
    ]


@pytest.mark.parametrize("key", ["begun", "rerouted", "discarded"])
def test_events_that_splunk_refuses_are_not_waited_for(key: str) -> None:
    assert refused(report(dead_letters=dict.fromkeys(("begun", "rerouted", "discarded"), 0))) == []
    (text,) = refused(report(condition("dead_letters", "critical"), dead_letters={key: 7}))
    assert text.startswith("7 ")
    assert text.endswith(": Incorrect index")


@pytest.mark.parametrize(
    "said",
    [
        "",
        "sls-hec-instance: no instance waf-1",
        "[]",
        '{"ready": true}',
        '{"ready": true, "conditions": []}',
        "[" * 100_000,
    ],
)
def test_an_instance_that_does_not_answer_is_not_healthy(said: str) -> None:
    (reason,) = unwell(read(said))
    assert reason.startswith("cannot be asked for its health: ")
    assert len(reason) < 700


def test_a_report_is_taken_as_it_is_printed() -> None:
    assert read(json.dumps(report(ready=False))) == report(ready=False)
