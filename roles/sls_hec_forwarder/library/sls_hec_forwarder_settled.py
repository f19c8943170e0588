#!/usr/bin/python
"""Waits until instances of one consumer are back at work: they hold shards, and these keep up or catch up."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sls_hec_forwarder_settled
short_description: Waits until relays have shards that keep up or catch up
description:
  - Asks SLS about the consumer group with C(sls-hec-instance INSTANCE status), and systemd what each instance
    says of itself, until nothing is left to wait for.
  - An instance without shards is fine where each shard of the logstore has an owner of its own.
options:
  instances: {type: dict, required: true, description: The name in the consumer group of each instance.}
  lag: {type: int, default: 60, description: Seconds of lag that need not shrink any more.}
  timeout: {type: int, default: 180, description: Seconds to wait.}
author: sls-hec-forwarder maintainers
attributes:
  check_mode: {support: none}
"""

import json  # noqa: E402
import re  # noqa: E402
import time  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402

#: Seconds between questions.
INTERVAL = 2


def unsettled(group: dict, held: dict[str, int], most_lag: float, first: dict[str, float]) -> list[str]:
    """What there is to wait for.

    `group` is what `status --json` says, `held` how many shards each consumer says that it has: SLS may name
    a new owner only after that saved its first checkpoint. `first` remembers the lag of each shard when it
    was first seen: from one question to the next it may jump either way.
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


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "instances": {"type": "dict", "required": True},
            "lag": {"type": "int", "default": 60},
            "timeout": {"type": "int", "default": 180},
        },
    )
    instances = module.params["instances"]
    asked = ["sls-hec-instance", min(instances), "status", "--json", "--interval", "0"]
    first: dict[str, float] = {}
    began = time.monotonic()
    while True:
        status, page, said = module.run_command(asked)
        if status:
            reasons = [said.strip() or f"status ended with {status}"]
        else:
            held = {name: _held(module, instance) for instance, name in instances.items()}
            reasons = unsettled(json.loads(page), held, module.params["lag"], first)
        waited = time.monotonic() - began
        if not reasons:
            module.exit_json(changed=False, waited=round(waited))
        if waited > module.params["timeout"]:
            module.fail_json(msg="not back at work after {:.0f} s: {}".format(waited, "; ".join(reasons)))
        time.sleep(INTERVAL)


def _held(module: AnsibleModule, instance: str) -> int:
    """How many shards an instance says that it has, in its status line "3 shards, lag 2 s"."""
    unit = f"sls-hec-forwarder@{instance}.service"
    asked = ["systemctl", "show", "--value", "--property=StatusText", unit]
    _, text, _ = module.run_command(asked, check_rc=True)
    found = re.match(r"([0-9]+) shards", text)
    return int(found.group(1)) if found else 0


if __name__ == "__main__":
    main()
