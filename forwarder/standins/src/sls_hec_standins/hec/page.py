"""The state of the stand-in for people: as a plain-text table and as a page without external parts."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sls_hec_standins.hec.envelopes import IDENTITY_FIELD, Event
from sls_hec_standins.hec.store import Store

_REFRESH = 3  # seconds
_TEXT_WIDTH = 100
_PAGE_WIDTH = 600
_COUNTS = ("index", "sourcetype", "source", "events")
_EVENTS = ("received", "node", "time", "host", "index", "sourcetype", "source", IDENTITY_FIELD, "event")


def text_table(store: Store, newest: int) -> str:
    """Totals, counts and the newest events, in columns."""
    lines = ["  ".join(f"{name} {value:,}" for name, value in store.summary().items()), ""]
    lines += _columns(_COUNTS, _count_rows(store))
    lines.append("")
    lines += _columns(_EVENTS, _event_rows(store.newest(newest), _TEXT_WIDTH))
    return "\n".join(lines) + "\n"


def html_table(store: Store, newest: int, faults: Sequence[Mapping[str, Any]]) -> str:
    """The same as a page that refreshes itself, with the active faults."""
    summary = store.summary()
    in_force = [(json.dumps(fault),) for fault in faults if fault["active"]]
    return (
        f'<!doctype html><html><head><meta charset="utf-8"><meta http-equiv="refresh" content="{_REFRESH}">'
        "<title>HEC stand-in</title><style>body{font:14px sans-serif;margin:1.5em}"
        "table{border-collapse:collapse;margin:0 0 1.5em}td,th{border:1px solid #bbb;padding:.2em .5em;"
        "text-align:left;vertical-align:top}td{font-family:monospace;word-break:break-all}</style></head>"
        f"<body><h1>HEC stand-in</h1>{_table(tuple(summary), [tuple(f'{n:,}' for n in summary.values())])}"
        f"<h2>Counts</h2>{_table(_COUNTS, _count_rows(store))}"
        f"<h2>Newest events</h2>{_table(_EVENTS, _event_rows(store.newest(newest), _PAGE_WIDTH))}"
        f"<h2>Faults in force</h2>{_table(('fault',), in_force)}</body></html>\n"
    )


def _count_rows(store: Store) -> list[tuple[str, ...]]:
    return [(*key, f"{count:,}") for key, count in sorted(store.counts().items())]


def _event_rows(events: Iterable[Event], width: int) -> list[tuple[str, ...]]:
    return [
        (
            time.strftime("%H:%M:%S", time.gmtime(event.received)),
            str(event.node),
            event.time,
            event.host,
            event.index,
            event.sourcetype,
            event.source,
            str(event.fields.get(IDENTITY_FIELD, "")),
            event.event[: 4 * width].decode("utf-8", "replace")[:width],
        )
        for event in events
    ]


def _columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    # Control bytes in senders' names must not reach a terminal.
    clean = [[cell if cell.isprintable() else ascii(cell)[1:-1] for cell in row] for row in [names, *rows]]
    widths = [max(len(row[n]) for row in clean) for n in range(len(names))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in clean]


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
