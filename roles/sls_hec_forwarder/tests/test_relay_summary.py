"""One line for each consumer, over all hosts."""

from __future__ import annotations

import json
from typing import Any

from relay_summary import relay_consumers, relay_summary


def shard(number: int, owner: str = "a", lag: float | None = 0.0, behind: int | None = 0) -> dict[str, Any]:
    return {"shard": number, "owner": owner, "lag": lag, "behind": behind}


def group(*shards: dict[str, Any]) -> dict[str, Any]:
    return {"waf": {"stdout": json.dumps({"shards": shards}), "stderr": ""}}


def health(*conditions: dict[str, str], ready: bool = True, begun: int = 0) -> dict[str, Any]:
    report = {"status": "ok", "ready": ready, "conditions": conditions, "dead_letters": {"begun": begun}}
    return {"waf-1": {"stdout": json.dumps(report), "stderr": ""}}


def host(**more: Any) -> dict[str, Any]:
    fine = {"states": {"waf-1": "active"}, "health": health(), "groups": {}, "paused": [], "differing": {}}
    return {**fine, **more}


def summary(*hosts: dict[str, Any]) -> tuple[str, list[str]]:
    (found,) = relay_summary({f"relay-{number}": each for number, each in enumerate(hosts, start=1)})
    return found["line"], found["critical"]


def test_all_is_well() -> None:
    both = group(shard(0), shard(1, lag=2.4, behind=1))
    assert summary(host(groups=both), host()) == (
        "waf: 2 of 2 shards owned, worst lag 2 s; no dead letters",
        [],
    )


def test_unknown_is_unknown_and_never_zero() -> None:
    line, _ = summary(host(groups=group(shard(0, lag=None, behind=None))))
    assert "worst lag unknown;" in line
    line, _ = summary(host(groups=group(shard(0, lag=None, behind=None), shard(1, lag=3))))
    assert "worst lag 3 s (unknown for 1 shards)" in line
    line, critical = summary(host(groups={"waf": {"stdout": "", "stderr": "no route"}}))
    assert "shards and lag unknown" in line
    assert critical == ["SLS gave no answer: no route"]
    line, _ = summary(host(states={"waf-1": "inactive"}, health={}))
    assert "dead letters unknown" in line


def test_a_shard_that_nobody_reads_is_critical_when_logs_wait_in_it() -> None:
    line, critical = summary(host(groups=group(shard(0), shard(1, "", None, 7), shard(2, "", 0.0, 0))))
    assert "1 of 3 shards owned" in line
    assert critical == ["nobody reads shard 1"]


def test_dead_letters_and_conditions_of_all_hosts_are_in_the_line() -> None:
    told = {
        "name": "dead_letters",
        "subject": "https://hec",
        "severity": "critical",
        "text": "Incorrect index",
    }
    late = {"name": "clock_skewed", "subject": "", "severity": "warning", "text": "400 s off"}
    line, critical = summary(
        host(groups=group(shard(0)), health=health(told, begun=870)), host(health=health(late, begun=30))
    )
    assert "; 900 dead letters; " in line
    assert critical == ["critical dead_letters https://hec on waf-1 on relay-1: Incorrect index"]
    assert "warning clock_skewed" in line


def test_an_instance_that_should_run_and_does_not_answer_is_critical() -> None:
    silent = {"waf-1": {"stdout": '{"ready": false, "problem": "no answer"}', "stderr": ""}}
    _, critical = summary(host(groups=group(shard(0)), health=silent), host(health={}))
    assert [each.split(":")[0] for each in critical] == [
        "waf-1 on relay-1 is not ready",
        "waf-1 on relay-2 is not ready",
    ]
    line, critical = summary(host(groups=group(shard(0))), host(states={"waf-1": "inactive"}, health={}))
    assert critical == []
    assert "waf-1 on relay-2 is stopped" in line


def test_a_paused_consumer_is_said_to_be_paused() -> None:
    assert summary(host(paused=["waf"])) == ("waf: paused, until ansible/resume.yml", [])


def test_an_instance_belongs_to_the_consumer_before_its_number() -> None:
    assert relay_consumers(["waf-2-1", "waf-2", "waf-1"]) == ["waf", "waf-2"]


def test_settings_that_are_not_in_force_are_told() -> None:
    line, critical = summary(host(groups=group(shard(0)), differing={"waf-1": "settings on disk differ"}))
    assert line.endswith("; waf-1 on relay-1: settings on disk differ")
    assert critical == []
