"""Renders docs/health.md from the catalogue: `python forwarder/release/health_md.py`."""

from __future__ import annotations

import sys

from table import row

from sls_hec_forwarder.health.catalogue import CATALOGUE, ConditionKind, Severity

_HEAD = """# Health

<!-- Made by `python forwarder/release/health_md.py > docs/health.md`; a test compares them. -->

Everything that can stop, delay, divert, repeat or drop events is a condition with a name. Each instance keeps
its active conditions in one place, and everything that shows health reads from there: the log, the status
line of `systemctl status`, `sls-hec-forwarder health`, `/healthz`, the metric `sls_hec_condition` and
`ansible/status.yml`. So they cannot disagree: if they show no condition, there is none.

```console
$ sls-hec-forwarder health --env-file relay.env
critical: NOT READY, 2 shards, lag 0 s
CRITICAL dead_letters https://splunk.example.com:8088 since 2026-11-27T10:12:44Z (870 times): Incorrect \
index (HTTP 400, code 7); they are saved in RELAY_SPOOL_DIR, other events are sent; fix the cause, then run \
`replay send`
```

On a relay host of the appliance, use `sls-hec-instance <instance> health`. The exit status is 1 while a
critical condition is active; with `--fail-on warning`, while any condition is.

- **warning**: look at it today. **critical**: events are stuck, diverted or lost; look at it now.
- Where the column *critical* has a time or a number, a warning becomes critical after that time or number of
  occurrences.
- A condition that consists of occurrences, such as dead letters, ends after five minutes without one.
- The log has a line when a condition begins, for each further cause, at the 10th, 100th, 1000th...
  occurrence, when a warning becomes critical, and when the condition ends. The line ends with the condition's
  name in brackets.
- An unknown number is shown as unknown and has no sample in the metrics; it is never shown as 0.
- `/healthz` is readiness: 200 for a member of the group without a critical condition, else 503; the body is
  the report as JSON. `/livez` is liveness: it only says whether the process works.
"""

_TITLES = {
    "sls": "SLS: group, reading, checkpoints, credentials",
    "hec": "The collectors",
    "relay": "The process",
}


def render() -> str:
    """The whole page."""
    parts = [_HEAD]
    for area, title in _TITLES.items():
        parts.append(
            f"\n## {title}\n\n| condition | critical | meaning | the relay | what to do |\n"
            "| --- | --- | --- | --- | --- |\n"
        )
        parts += [_row(kind) for kind in CATALOGUE.values() if kind.area == area]
    return "".join(parts)


def _row(kind: ConditionKind) -> str:
    return row(f"`{kind.name}`", _critical(kind), kind.meaning, kind.does, kind.todo)


def _critical(kind: ConditionKind) -> str:
    if kind.severity is Severity.CRITICAL:
        return "at once"
    if kind.critical_after is not None:
        return f"after {kind.critical_after:.0f} s"
    if kind.critical_count is not None:
        return f"from {kind.critical_count} on"
    return "no"


if __name__ == "__main__":
    sys.stdout.write(render())
