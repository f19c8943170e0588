#!/usr/bin/python
"""Waits until the instances of one consumer are healthy and their shards keep up or catch up."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sls_hec_forwarder_settled
short_description: Waits until relays have shards that keep up or catch up
description:
  - Asks SLS about the consumer group with C(sls-hec-instance INSTANCE status), and each instance for its
    health with C(sls-hec-instance INSTANCE health), until nothing is left to wait for. Ends at once where
    Splunk refuses events.
  - An instance without shards is fine where each shard of the logstore has an owner of its own.
options:
  instances: {type: dict, required: true, description: The name in the consumer group of each instance.}
  lag: {type: int, default: 60, description: Seconds of lag below which it need not shrink.}
  timeout: {type: int, default: 180, description: Seconds to wait.}
author: sls-hec-forwarder maintainers
attributes:
  check_mode: {support: none}
"""

EXAMPLES = r"""
- name: Wait until the consumer is back at work
  sls_hec.appliance.sls_hec_forwarder_settled:
    instances: {waf-1: relay-1-waf-1}
    timeout: 180
"""

RETURN = r"""
waited:
  description: Seconds waited.
  returned: success
  type: int
"""

import json  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402

#: Seconds between two queries.
INTERVAL = 2
#: Runs a command of the relay as the service's user, so that root opens no file of the service.
COMMAND = "/usr/local/sbin/sls-hec-instance"
#: The counters of events that did not reach their index in a health report, and their names in messages.
LOST_WAYS = {
    "begun": "kept as dead letters",
    "rerouted": "sent to the fallback index",
    "discarded": "discarded",
}


def unsettled(
    group: dict[str, Any], held: dict[str, int], most_lag: float, first: dict[str, float]
) -> list[str]:
    """The reasons to wait longer.

    `group` is the output of `status --json`. `held` is the number of shards that each consumer itself
    reports: sometimes SLS only names a new owner after its first checkpoint. `first` keeps the
    first lag of each shard, because the lag may rise or fall between two queries.
    """
    shards = group["shards"]
    reasons = []
    owners = {shard["owner"] for shard in shards if shard["owner"]}
    for name, count in held.items():
        if not count and name not in owners and len(owners) < len(shards):
            reasons.append(f"{name} has no shards")
    for shard in shards:
        number, owner, lag = shard["shard"], shard["owner"], shard["lag"] or 0
        if not owner and shard["behind"]:
            reasons.append(f"shard {number} has no owner")
        elif owner in held and lag > most_lag and lag >= first.setdefault(str(number), lag):
            reasons.append(f"shard {number} of {owner} lags {lag:.0f} s, which does not shrink")
    return reasons


def unwell(report: dict[str, Any]) -> list[str]:
    """The reasons why an instance with this health report is not healthy."""
    reasons = [
        f"has the condition {each['name']} {each['subject']}: {each['text']}"
        for each in report["conditions"]
        if each["severity"] == "critical"
    ]
    if not report["ready"]:
        reasons.append(report.get("problem") or "is not ready")
    return reasons


def refused(report: dict[str, Any]) -> list[str]:
    """Problems that waiting cannot solve: events that were not delivered to their index."""
    counts = report.get("dead_letters", {})
    said = "".join(f": {each['text']}" for each in report["conditions"] if each["name"] == "dead_letters")
    return [f"{counts[key]} {what}{said}" for key, what in LOST_WAYS.items() if counts.get(key)]


def read(said: str) -> dict[str, Any]:
    """Reads the output of `health --json`; returns a report that is not ready if it cannot be read."""
    try:
        report = json.loads(said)
        if not isinstance(report, dict) or not {"ready", "conditions"} <= report.keys():
            raise ValueError("this is no health report")
        if report["ready"] and "shards" not in report:
            raise ValueError("this report names no shards")
    except (ValueError, RecursionError) as error:
        return {
            "ready": False,
            "conditions": [],
            "problem": f"cannot be asked for its health: {error}: {said[:500]}",
        }
    return report


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "instances": {"type": "dict", "required": True},
            "lag": {"type": "int", "default": 60},
            "timeout": {"type": "int", "default": 180},
        },
    )
    instances = module.params["instances"]
    asked = [COMMAND, min(instances), "status", "--json", "--interval", "0"]
    first: dict[str, float] = {}
    began = time.monotonic()
    while True:
        status, page, said = module.run_command(asked)
        reports = {
            instance: read(module.run_command([COMMAND, instance, "health", "--json", "--fail-on=never"])[1])
            for instance in instances
        }
        hopeless = [f"{instance}: {text}" for instance in reports for text in refused(reports[instance])]
        reasons = [f"{instance} {text}" for instance in reports for text in unwell(reports[instance])]
        if status:
            reasons.append(said.strip() or f"status ended with {status}")
        elif not reasons:
            held = {name: reports[instance]["shards"]["owned"] for instance, name in instances.items()}
            reasons = unsettled(json.loads(page), held, module.params["lag"], first)
        if hopeless:
            module.fail_json(msg="Splunk refuses events: {}".format("; ".join(hopeless)))
        waited = time.monotonic() - began
        if not reasons:
            module.exit_json(changed=False, waited=round(waited))
        if waited > module.params["timeout"]:
            module.fail_json(msg="not back at work after {:.0f} s: {}".format(waited, "; ".join(reasons)))
        time.sleep(INTERVAL)


if __name__ == "__main__":
    main()
