"""Renders docs/metrics.md from the table: `python forwarder/release/metrics_md.py`."""

from __future__ import annotations

import sys

from table import row

from sls_hec_forwarder.metrics.table import TABLE, Definition

_HEAD = """# Metrics

<!-- Made by `python forwarder/release/metrics_md.py > docs/metrics.md`; a test compares them. -->

With `RELAY_METRICS` set to a port or to `unix:/path`, each instance of the relay serves the Prometheus text
format at `/metrics`, on loopback or that socket only. `/healthz` answers 200 while the instance is ready,
that is a member of its consumer group without a critical [condition](health.md), else 503; the body is always
the health report as JSON. `/livez` answers 200 while the process itself works, whatever SLS and the
collectors do; it is meant for a supervisor that restarts the process. Nothing else is served.

A client has 5 s for a whole exchange, and a slow one does not delay others; when there are more than 16, the
oldest is disconnected. On a port, the request's host must be `localhost`, `127.0.0.1` or `[::1]`, with any
port; another name gets status 421, so that no web page can read the metrics through a browser on the host.
The unix socket accepts any name.

Label values that log writers or servers choose are printable and at most 120 characters long. A value that
was changed for this ends in `~` and a digest.

In addition there are the `process_*` metrics (CPU, memory, file descriptors) of the official Prometheus
client. Counters start at 0 when the process starts.

What to watch first: `sls_hec_ready` is 0 when somebody has to act, and `sls_hec_condition` says why.
`sls_hec_shard_lag_seconds` grows when the relay or the collector is too slow. Any increase of
`sls_hec_expired_ranges_total` or `sls_hec_discarded_events_total` means lost data.
"""


def render() -> str:
    """The whole page."""
    parts = [_HEAD]
    for title, definitions in TABLE.items():
        parts.append(f"\n## {title}\n\n| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n")
        parts += [_row(definition) for definition in definitions]
    return "".join(parts)


def _row(definition: Definition) -> str:
    labels = ", ".join(f"`{label}`" for label in definition.labels)
    return row(f"`{definition.name}`", definition.kind, labels, definition.help)


if __name__ == "__main__":
    sys.stdout.write(render())
