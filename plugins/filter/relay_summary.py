"""What all hosts and SLS say of each consumer, in one line for each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

#: Of dead_letters in a health report, and what each counts.
LOST_WAYS = (("begun", "dead letters"), ("rerouted", "rerouted"), ("discarded", "discarded"))


def relay_consumers(instances: Iterable[str]) -> list[str]:
    """The consumers of instances such as waf-1 and waf-2, each once."""
    return sorted({re.sub(r"-[0-9]+$", "", instance) for instance in instances})


def relay_summary(hosts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each consumer `line`, and `critical`: why somebody has to look, or nothing.

    Of each host: `states` (what systemd says of each instance), `health` (answers of `health --json` by
    instance) and `groups` (of `status --json` by consumer), each with `stdout` and `stderr`, `paused` (names
    of consumers), and `differing` (by instance, that it runs with other settings than are on disk).
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
    """What SLS says of the shards; and what of that is critical."""
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
    """What Ansible asks for."""

    def filters(self) -> dict[str, Any]:
        return {"relay_summary": relay_summary, "relay_consumers": relay_consumers}
