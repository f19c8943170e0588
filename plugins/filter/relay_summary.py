"""Summarises each consumer over all hosts and SLS, in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

#: The counters of `dead_letters` in a health report, and their names in the summary.
LOST_WAYS = (("begun", "dead letters"), ("rerouted", "rerouted"), ("discarded", "discarded"))


def relay_consumers(instances: Iterable[str]) -> list[str]:
    """The names of the consumers of instances such as waf-1 and waf-2, sorted, each once."""
    return sorted({re.sub(r"-[0-9]+$", "", instance) for instance in instances})


def relay_summary(hosts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each consumer `line`, the summary, and `critical`, the list of reasons for a person to look.

    Each host has `states` (systemd's state of each instance), `health` (results of `health --json` by
    instance), `groups` (results of `status --json` by consumer), `paused` (names of consumers) and
    `differing` (a message for each instance that runs with other settings than those on disk). Results have
    `stdout` and `stderr`.
    """
    names = {name for host in hosts.values() for name in relay_consumers(host["states"])}
    return [_consumer(name, hosts) for name in sorted(names)]


def _consumer(name: str, hosts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    if any(name in host["paused"] for host in hosts.values()):
        return {"line": f"{name}: paused, until ansible/resume.yml", "critical": []}
    answers = [host["groups"][name] for host in hosts.values() if name in host["groups"]]
    text, critical = _group(answers[0] if answers else {})
    parts = [text]
    counts: dict[str, int] = {}
    told = []
    for host, seen in hosts.items():
        for instance, state in seen["states"].items():
            if relay_consumers([instance]) != [name]:
                continue
            where = f"{instance} on {host}"
            if state == "inactive":
                told.append(f"{where} is stopped")
                continue
            if instance in seen["differing"]:
                told.append(f"{where}: {seen['differing'][instance]}")
            report = _object(seen["health"].get(instance, {}).get("stdout", ""))
            if not report.get("ready"):
                critical.append(
                    f"{where} is not ready: {report.get('problem') or 'see its conditions and log'}"
                )
            for key, _ in LOST_WAYS:
                counts[key] = counts.get(key, 0) + report.get("dead_letters", {}).get(key, 0)
            for each in report.get("conditions", []):
                line = f"{each['severity']} {each['name']} {each['subject']} on {where}: {each['text']}"
                (critical if each["severity"] == "critical" else told).append(line)
    parts += [f"{counts[key]} {what}" for key, what in LOST_WAYS if counts.get(key)] or (
        ["no dead letters"] if counts else ["dead letters unknown"]
    )
    parts += critical + told
    return {"line": f"{name}: " + "; ".join(parts), "critical": critical}


def _group(answer: Mapping[str, str]) -> tuple[str, list[str]]:
    """The state of the shards according to SLS, and what is critical in it."""
    shards = _object(answer.get("stdout", "")).get("shards")
    if shards is None:
        why = answer.get("stderr", "").strip().splitlines()[-1:] or ["no host could ask"]
        return "shards and lag unknown", [f"SLS gave no answer: {why[0]}"]
    unowned = [shard["shard"] for shard in shards if not shard["owner"]]
    waiting = [shard["shard"] for shard in shards if not shard["owner"] and shard["behind"] != 0]
    lags = [shard["lag"] for shard in shards if shard["lag"] is not None]
    unknown = len(shards) - len(lags)
    lag = f"{max(lags):.0f} s" if lags else "unknown"
    if unknown and lags:
        lag += f" (unknown for {unknown} shards)"
    owned = f"{len(shards) - len(unowned)} of {len(shards)} shards owned"
    critical = [f"nobody reads shard {', '.join(map(str, waiting))}"] if waiting else []
    return f"{owned}, worst lag {lag}", critical


def _object(text: str) -> dict[str, Any]:
    lines: Iterator[str] = (line for line in text.splitlines() if line.startswith("{"))
    try:
        found = json.loads(next(lines, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, Any]:
        return {"relay_summary": relay_summary, "relay_consumers": relay_consumers}
