"""The relay with short pauses: `python fast_relay.py run`. Nothing else of it is changed.

A row of the table waits for the next try of what it spoilt, and there are hundreds of rows.
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
from typing import Any

#: Module, name, value. A name that is not there any more is an error.
PAUSES: tuple[tuple[str, str, Any], ...] = (
    ("service", "_JOIN_RETRY", (0.2, 1.0)),
    ("sls.shard.pull_plan", "_TRANSIENT", (0.05, 0.2)),
    ("sls.shard.pull_plan", "_THROTTLED", (0.05, 0.2)),
    ("sls.shard.pull_plan", "_OPERATOR", (0.05, 0.2)),
    ("sls.shard.pull_plan", "_UNREADABLE", (0.05, 0.2)),
    ("sls.shard.reader", "_AFTER_BUG", 0.5),
    ("sls.shard.checkpoints", "_RETRY", (0.05, 0.2)),
    ("sls.api.ram_role", "_RETRY", (0.1, 0.3)),
    ("sls.api.ram_role", "_LEAST_PAUSE", 0.1),
    ("sls.api.metadata_service", "DEADLINE", 1.5),
    ("sls.api.metadata_service", "_TOKEN_TIME", 0.7),
    ("sls.group.consumer", "_BEAT_TIMEOUT", 1.0),
    ("hec.send.sender", "_FIRST_RETRY", 0.05),
    ("hec.send.sender", "_FIRST_HOLD", 0.05),
    ("hec.send.acks", "LONGEST_FAILING", 0.3),
    ("hec.send.acks", "SHORTEST_POLL", 0.1),
)


def shorten() -> None:
    for module, name, value in PAUSES:
        found = importlib.import_module(f"sls_hec_forwarder.{module}")
        if not hasattr(found, name):
            raise AssertionError(f"{found.__name__} has no {name} any more")
        setattr(found, name, value)
    role: Any = importlib.import_module("sls_hec_forwarder.sls.api.ram_role")
    renew_in = role.renew_in
    role.renew_in = lambda now, expires: min(0.5, renew_in(now, expires))
    consumer: Any = importlib.import_module("sls_hec_forwarder.sls.group.consumer")
    consumer.Consumer.__init__.__kwdefaults__["watch_interval"] = 0.7
    # What merely happened is told for minutes; a row is to see that it ends.
    conditions: Any = importlib.import_module("sls_hec_forwarder.health.conditions")
    for kind in list(conditions.CATALOGUE.values()):
        if kind.quiet is not None:
            conditions.CATALOGUE[kind.name] = dataclasses.replace(kind, quiet=1.0)


if __name__ == "__main__":
    shorten()
    from sls_hec_forwarder.cli import main

    sys.exit(main())
