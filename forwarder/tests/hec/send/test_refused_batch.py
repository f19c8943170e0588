"""One batch that something on the way always refuses, while others pass: found, told, and out of the way."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sls_hec_forwarder.delivery.batcher import Batch, Piece
from sls_hec_forwarder.delivery.lease import Fence, Lease
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.hec.api.answers import Action, Answer, classify
from sls_hec_forwarder.hec.send import refusals
from sls_hec_forwarder.hec.send.refusals import (
    BURY_AFTER,
    BURY_AT,
    HALVE_AT,
    REPORT_AT,
    Evidence,
    Next,
    Refusals,
)
from sls_hec_forwarder.spool.files import files
from sls_hec_forwarder.spool.spool import Spool
from sls_hec_standins.hec import HecStandin
from sls_hec_standins.http import Fault

from ...spool.letters import read
from .rig import Rig, envelope, indexed, running, wait_until

PAGE = Answer(Action.HOLD, 403, "access denied")
RESET: dict[str, Any] = {"containing": "SIGNATURE", "reset": True}
FORBIDDEN: dict[str, Any] = {"containing": "SIGNATURE", "status": 403}
BROKEN: dict[str, Any] = {"containing": "SIGNATURE", "status": 502}


def among_good_ones(rig: Rig) -> list[str]:
    """A chunk of a hundred events, of which one is at fault."""
    names = [f"0|{number}" for number in range(99)]
    lines = [envelope(name) for name in names]
    lines.insert(41, envelope("bad", host="SIGNATURE"))
    rig.put(lines)
    return names


def events(count: int) -> Batch:
    pull = Lease(3, "c0", Fence(60)).begin("c1", 1, 0.0)
    body = b"\n".join(envelope(f"3|{number}") for number in range(count))
    return Batch([Piece(pull, body, count, 0.0)])


@pytest.mark.parametrize("how", [RESET, FORBIDDEN, BROKEN], ids=str)
def test_the_good_ones_do_not_stand_behind_it(how: dict[str, Any]) -> None:
    with HecStandin() as hec, running(hec.url, batch_bytes=100_000) as rig:
        other = rig.assign()
        rig.feed(1, lease=other)
        assert other.wait_settled(40)
        hec.faults.add(Fault("firewall", **how))
        names = among_good_ones(rig)
        fed = rig.feed(1, lease=other)
        wait_until(lambda: names[0] in indexed(hec) and len(indexed(hec)) == 99 + 2)
        assert indexed(hec) == Counter([*rig.fed, *names])
        assert fed
        wait_until(lambda: any(each.startswith("batch_refused ") for each in rig.said.open))
        (subject,) = [each.subject for each in rig.said.standing() if each.name == "batch_refused"]
        assert subject == "shard 0 from 0|0"
        assert rig.lease.committed == "start"  # nothing is skipped
        # It is told once, and not that all is well while it stands.
        rig.feed(20, lease=other)
        assert other.wait_settled(40)
        time.sleep(1.0)
        assert len([each for each in rig.said.begun if each.startswith("batch_refused")]) == 1
        assert "1 event of it is undelivered" in next(
            e.text for e in rig.said.standing() if e.name == "batch_refused"
        )
        assert not [each for each in rig.said.begun if "HEC_TOKEN" in each]
        assert not rig.sender.holding
        assert not [each for each in rig.said.ended if "accepts events again" in each]
        hec.faults.clear()
        assert rig.settled()
        wait_until(lambda: not rig.said.open)
        assert "batch_refused shard 0 from 0|0" in rig.said.ended[-1]


def test_after_minutes_it_becomes_a_dead_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "BURY_AFTER", 2.0)
    spool = Spool(tmp_path, 1 << 20, "a")
    with HecStandin() as hec, running(hec.url, batch_bytes=100_000, spool=spool) as rig:
        hec.faults.add(Fault("firewall", **FORBIDDEN))
        among_good_ones(rig)
        other = rig.assign()
        wait_until(lambda: rig.feed(1, lease=other) and rig.lease.wait_settled(0.3))
        (letter,) = [each for path in files(tmp_path) for each in read(path)]
        assert (letter.reason, letter.status, letter.code) == ("blocked", 403, None)
        assert letter.envelope == envelope("bad", host="SIGNATURE")
        assert rig.counts.dead == {("blocked", None): 1}
        wait_until(lambda: rig.said.open == [f"dead_letters {hec.url}"])


def test_a_page_for_everything_is_trouble_of_the_endpoint() -> None:
    with HecStandin() as hec, running(hec.url) as rig:
        hec.faults.add(Fault("proxy", "event", status=403))
        rig.feed(300)
        wait_until(lambda: rig.sender.holding)
        time.sleep(1.0)
        assert rig.said.open == [f"collector_holding {hec.url}"]
        (line,) = rig.said.begun
        assert "not Splunk's own answer" in line
        hec.faults.clear()
        assert rig.settled()
        assert indexed(hec) == Counter(rig.fed)


def test_what_lets_only_small_requests_pass_is_trouble_of_the_endpoint() -> None:
    evidence = Evidence("https://a")
    batches = [events(3) for _ in range(4)]
    found = [evidence.refused(each, lambda: True) for each in batches]
    assert found == [True, True, False, False]
    assert not evidence.refused(batches[0], lambda: True)
    evidence.passed()
    assert evidence.refused(batches[3], lambda: False)  # another one got through since its last refusal
    assert not evidence.refused(batches[3], lambda: False)


def test_reported_then_halved_then_saved() -> None:
    now = [0.0]
    said = Conditions(lambda: now[0])
    this = Refusals(said, lambda: now[0])
    batch = events(2)
    for number in range(1, HALVE_AT):
        assert this.refused(batch, "https://a", PAGE) is Next.AGAIN
        assert bool(said.standing()) is (number >= REPORT_AT)
    assert this.refused(batch, "https://a", PAGE) is Next.HALVE
    bad = batch.cut(1)
    this.passed()
    this.through(batch)
    assert said.is_active("batch_refused", "shard 3 from 3|0")
    for _ in range(3 * BURY_AT):
        assert this.refused(bad, "https://a", PAGE) is Next.AGAIN
    now[0] = BURY_AFTER
    assert this.refused(bad, "https://a", PAGE) is Next.BURY
    this.through(bad)
    assert said.standing() == []


def test_no_dead_letter_where_nothing_else_passes() -> None:
    now = [0.0]
    this = Refusals(Conditions(), lambda: now[0])
    one = events(1)
    for _ in range(5 * BURY_AT):
        now[0] += BURY_AFTER
        assert this.refused(one, "https://a", PAGE) is Next.AGAIN


def test_subjects_are_bounded() -> None:
    said = Conditions()
    this = Refusals(said)
    batches = []
    for number in range(40):
        pull = Lease(number, "c0", Fence(60)).begin("c1", 1, 0.0)
        batches.append(Batch([Piece(pull, envelope(f"{number}|0"), 1, 0.0)]))
        for _ in range(REPORT_AT):
            this.refused(batches[-1], "https://a", PAGE)
    assert len(said.standing()) == 17
    for batch in batches:
        this.through(batch)
    assert said.standing() == []


@pytest.mark.parametrize(
    ("status", "body", "suspect"),
    [
        (403, b"<html>", True),
        (403, b'{"text":"Invalid token","code":4}', False),
        (200, b"<html>", True),
        (302, b"", True),
        (500, b'{"text":"Internal server error","code":8}', True),
        (502, b"", True),
        (503, b"<html>", False),
        (429, b"<html>", False),
        (407, b"", False),
        (404, b'{"text":"The requested URL was not found on this server.","code":404}', False),
        (400, b'{"text":"Invalid data format","code":6}', False),
        (200, b'{"text":"Success","code":0}', False),
    ],
)
def test_which_answers_may_be_about_the_body(status: int, body: bytes, suspect: bool) -> None:
    assert classify(status, {}, body).may_be_the_body is suspect
