"""The table of what the health showed."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from sls_hec_forwarder.health.catalogue import CATALOGUE

from .expected import EXPECTED, QUIET
from .sightings import NO_ANSWER, SEEN_AFTER, Row, Sightings, Stood, table
from .watcher import ask

WANTED = {"outage": ("collector_failing",), "index refused": ("dead_letters",)}
OUTAGE = Stood("outage", 100.0, 200.0)


def rows(sightings: Sightings, *troubles: Stood) -> list[Row]:
    return table(troubles, sightings.all(), WANTED, {"dead_letters"})


def seen(*looks: tuple[float, str]) -> Sightings:
    """Looks at one relay: when, and the one condition that stood ("": none)."""
    sightings = Sightings()
    for now, name in looks:
        sightings.look("relay-1", [(name, "")] if name else [], now)
    return sightings


def test_a_trouble_is_seen_and_gone() -> None:
    (row,) = rows(seen((90, ""), (103, "collector_failing"), (150, "collector_failing"), (207, "")), OUTAGE)
    assert (row.seen, row.unseen, row.first, row.gone, row.stays) == (("collector_failing",), 0, 3, 7, False)


@pytest.mark.parametrize(
    "looks",
    [
        [(100.0, "")],
        [(90.0, "collector_failing"), (99.0, "")],
        [(201.0, "collector_failing")],
        [(103.0, "heartbeat_failing")],
    ],
    ids=["never", "before", "after", "another"],
)
def test_a_trouble_that_is_not_shown_while_it_stands_is_not_seen(looks: list[tuple[float, str]]) -> None:
    (row,) = rows(seen(*looks), OUTAGE)
    assert row.unseen == 1
    assert "NOT SEEN" in str(row)


def test_each_time_counts() -> None:
    later = Stood("outage", 300.0, 420.0)
    (row,) = rows(seen((103, "collector_failing"), (160, "")), OUTAGE, later)
    assert (row.times, row.longest, row.unseen) == (2, 120.0, 1)


def test_what_still_stands_stays() -> None:
    (row,) = rows(seen((103, "collector_failing")), OUTAGE)
    assert row.stays


def test_what_ends_after_a_quiet_time_does_not_stay() -> None:
    (row,) = rows(seen((103, "dead_letters")), Stood("index refused", 100.0, 200.0))
    assert (row.seen, row.unseen, row.gone, row.stays) == (("dead_letters",), 0, None, False)


def test_short_troubles_need_not_be_seen() -> None:
    assert rows(seen(), Stood("outage", 100.0, 100.0 + SEEN_AFTER / 2)) == []


def test_relays_are_told_apart() -> None:
    sightings = seen((103, "collector_failing"))
    sightings.look("relay-2", [], 110.0)
    assert [each.until for each in sightings.all()] == [None]
    sightings.look("relay-1", [], 111.0)
    assert [each.until for each in sightings.all()] == [111.0]


def test_expected_conditions_exist() -> None:
    names = {name for names in EXPECTED.values() for name in names}
    assert names - {NO_ANSWER} <= CATALOGUE.keys()
    assert "dead_letters" in QUIET
    assert "collector_failing" not in QUIET


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"conditions":[]}' if self.path == "/healthz" else b"no"
        self.send_response(503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "health.sock"
    with socketserver.UnixStreamServer(str(path), _Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield path
        server.shutdown()


def test_health_is_asked_over_a_unix_socket(served: Path) -> None:
    assert ask(served) == (503, {"conditions": []})


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        ask(tmp_path / "nobody.sock")
