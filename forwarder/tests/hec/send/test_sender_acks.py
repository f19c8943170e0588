"""Indexer acknowledgement: checkpoints move on acknowledged data only."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sls_hec_forwarder.spool.files import files
from sls_hec_forwarder.spool.spool import Spool
from sls_hec_standins.hec import DEMO_TOKEN, HecStandin, Token
from sls_hec_standins.http import Fault

from ...spool.letters import read
from .rig import Rig, envelope, indexed, running, wait_until

ACK = [Token(DEMO_TOKEN, name="demo", use_ack=True)]


def standin(**more: Any) -> HecStandin:
    return HecStandin(**{"tokens": ACK, "ack_latency": 0.3, **more})


def duplicates(rig: Rig, hec: HecStandin) -> int:
    """Copies beyond the first, once everything is there."""
    assert rig.settled()
    wait_until(lambda: rig.outbox.bytes_in_flight == 0)
    found = indexed(hec)
    assert found.keys() == set(rig.fed)
    assert all(lease.committed == rig.ends[lease.shard] for lease in rig.leases)
    return sum(found.values()) - len(rig.fed)


@pytest.mark.parametrize("ack", ["auto", "on"])
def test_checkpoints_wait_for_the_acknowledgement(ack: str) -> None:
    with standin() as hec, running(hec.url, ack=ack) as rig:
        hec.clock.freeze()
        rig.feed(300)
        wait_until(lambda: hec.store.total == 300)
        time.sleep(1.2)  # some questions
        assert rig.lease.committed == "start"
        assert rig.counts.totals["delivered"] == 0
        hec.clock.run()
        assert duplicates(rig, hec) == 0
        assert rig.counts.totals["acknowledged"] == 300
        assert rig.counts.totals["unacknowledged"] == 0
        asked = [each for each in hec.app.newest_requests() if each.route == "ack"]
        posts = [each for each in hec.app.newest_requests() if each.route == "event"]
        assert len(asked) < len(posts)  # many ids in one question
        assert rig.said.begun == []


def test_off_takes_accepted_for_delivered() -> None:
    with standin() as hec, running(hec.url, ack="off") as rig:
        hec.clock.freeze()
        rig.feed(100)
        assert duplicates(rig, hec) == 0
        assert not [each for each in hec.app.newest_requests() if each.route == "ack"]


def test_on_warns_where_the_token_gives_none() -> None:
    with HecStandin() as hec, running(hec.url, ack="on") as rig:
        rig.feed(100)
        assert duplicates(rig, hec) == 0
        (text,) = rig.said.begun
        assert "HEC_ACK" in text
        hec.tokens.change("demo", use_ack=True)
        rig.feed(10)
        assert duplicates(rig, hec) == 0
        assert rig.said.open == []


@pytest.mark.parametrize("params", [{"never": True}, {"lost": True}], ids=str)
def test_what_is_never_acknowledged_is_sent_again(params: dict[str, bool]) -> None:
    with standin() as hec, running(hec.url, ack_timeout=2.0) as rig:
        hec.faults.add(Fault("ack", "event", times=3, **params))
        rig.feed(300)
        twice = duplicates(rig, hec)
        assert rig.counts.totals["possible duplicates"] >= 3
        assert rig.counts.totals["unacknowledged"] == rig.counts.totals["possible duplicates"]
        assert twice == (0 if "lost" in params else rig.counts.totals["possible duplicates"])


def test_a_node_that_restarts_loses_no_event() -> None:
    """Batches that were in its memory only are gone with it; the others come twice."""
    with standin(ack_latency=2.0) as hec, running(hec.url, ack_timeout=20.0) as rig:
        hec.faults.add(Fault("ack", "event", times=5, lost=True))
        rig.feed(200)
        wait_until(lambda: sum(rig.counts.answers.values()) >= 14)
        for node in hec.cluster.nodes:
            node.restart()
        started = time.monotonic()
        rig.feed(200)  # their ids tell that the node counts from 0 again
        assert duplicates(rig, hec) <= rig.counts.totals["possible duplicates"]
        assert time.monotonic() - started < 19  # long before the time-out


def test_idle_for_eleven_minutes_then_ids_from_0_again() -> None:
    with standin() as hec, running(hec.url) as rig:
        rig.feed(50)
        assert duplicates(rig, hec) == 0
        hec.clock.advance(660)
        rig.feed(50)
        assert duplicates(rig, hec) == 0


@pytest.mark.parametrize("cookie", ["AWSELB", "AWSALB"])
def test_a_balancer_with_cookies_keeps_a_channel_on_its_node(cookie: str) -> None:
    options: dict[str, Any] = {"nodes": 3, "switches": {"sticky_cookie": cookie}}
    with standin(**options) as hec, running(hec.url, ack_timeout=5.0) as rig:
        rig.feed(300)
        assert duplicates(rig, hec) == 0
        # The node that a connection was tied to goes away, with what it had not acknowledged.
        hec.faults.add(Fault("ack", "event", delay=2.0, times=4))
        rig.feed(300)
        wait_until(lambda: hec.store.total >= 600)
        hec.cluster.nodes[0].up = False
        rig.feed(300)
        duplicates(rig, hec)


def test_a_balancer_without_cookies_costs_duplicates_but_no_event() -> None:
    with standin(nodes=2) as hec, running(hec.url, ack_timeout=3.0) as rig:
        rig.feed(100)
        duplicates(rig, hec)
        assert rig.counts.totals["unacknowledged"] > 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault("error", "ack", times=3, status=503, code=9),
        Fault("error", "ack", times=3, status=401, code=3),
        Fault("proxy", "ack", times=3, status=502),
        Fault("answer", "ack", times=3, status=200, body="<html>"),
        Fault("reset_before", "ack", times=3),
        Fault("truncate", "ack", times=1, at=0.5),
    ],
    ids=repr,
)
def test_questions_that_fail_are_asked_again(fault: Fault) -> None:
    with standin() as hec, running(hec.url, ack_timeout=10.0) as rig:
        hec.faults.add(fault)
        rig.feed(200)
        found = duplicates(rig, hec)
        # An answer that told of acknowledgements and was lost: true is told once.
        assert found == (0 if fault.kind != "truncate" else rig.counts.totals["possible duplicates"])
        assert hec.faults.fired() >= 1
        assert "does not report which of" in rig.said.begun[0]
        assert rig.said.open == []


def test_acknowledgement_is_switched_off_and_on_for_the_token() -> None:
    with standin(ack_latency=1.0) as hec, running(hec.url) as rig:
        rig.feed(100)
        wait_until(lambda: hec.store.total == 100)
        hec.tokens.change("demo", use_ack=False)
        rig.feed(100)
        assert duplicates(rig, hec) == rig.counts.totals["possible duplicates"]
        hec.tokens.change("demo", use_ack=True)
        before = rig.counts.totals["acknowledged"]
        rig.feed(100)
        duplicates(rig, hec)
        assert rig.counts.totals["acknowledged"] == before + 100


def test_a_prefix_that_was_taken_is_acknowledged_too(tmp_path: Path) -> None:
    with standin() as hec, running(hec.url, spool=Spool(tmp_path, 1 << 20, "a")) as rig:
        hec.clock.freeze()
        names = [f"0|{number}" for number in range(20)]
        rig.fed += names
        lines = [envelope(name) for name in names]
        lines.insert(8, b'{"event":null}')
        rig.put(lines)
        wait_until(lambda: hec.store.total == 20)
        time.sleep(0.8)
        assert rig.lease.committed == "start"
        assert [len(list(read(path))) for path in files(tmp_path)] == [1]
        hec.clock.run()
        assert duplicates(rig, hec) == 0
        assert rig.counts.totals["acknowledged"] == 20


def test_busy_and_warnings_with_acknowledgement() -> None:
    with standin() as hec, running(hec.url) as rig:
        hec.faults.add(Fault("busy", times=4, after=3))
        hec.faults.add(Fault("busy", times=4, code=27))
        hec.faults.add(Fault("warn", times=4, code=25))
        rig.feed(300)
        assert duplicates(rig, hec) == rig.counts.totals["possible duplicates"]


def test_what_waits_for_acknowledgement_makes_room_for_more() -> None:
    """More than the bound is accepted before the first acknowledgement, and comes back whole when lost."""
    bound = 100_000
    with standin() as hec, running(hec.url, max_bytes=bound, batch_bytes=10_000, ack_timeout=20.0) as rig:
        hec.clock.freeze()
        feeder = threading.Thread(target=rig.feed, args=(3000,))
        feeder.start()
        wait_until(lambda: hec.store.summary()["bytes"] > 2 * bound)
        assert rig.outbox.bytes_in_flight < bound + 10_000
        for node in hec.cluster.nodes:
            node.restart()
        hec.clock.run()
        rig.feed(10)
        duplicates(rig, hec)
        feeder.join()


def test_revoked_while_waiting_for_the_acknowledgement() -> None:
    with standin() as hec, running(hec.url, ack_timeout=2.0) as rig:
        hec.clock.freeze()
        rig.feed(100)
        wait_until(lambda: hec.store.total == 100)
        rig.lease.revoke()
        wait_until(lambda: rig.outbox.bytes_in_flight == 0)  # late, sent back, and dropped
        assert rig.lease.committed == "start"
        assert indexed(hec) == Counter(rig.fed)
