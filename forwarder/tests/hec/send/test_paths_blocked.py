"""Paths beside that of the events are blocked, or a node behind a balancer is sick: events go on."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sls_hec_forwarder.hec.send.acks import COPIES
from sls_hec_standins.hec import DEMO_TOKEN, HecStandin, Token
from sls_hec_standins.http import Fault

from .rig import indexed, running, wait_until

ACK = [Token(DEMO_TOKEN, name="demo", use_ack=True)]
BLOCKED = [
    Fault("proxy", "ack", status=403),
    Fault("reset_before", "ack"),
    Fault("hang", "ack", delay=600),
]


@pytest.mark.parametrize(
    "fault", [Fault("reset_before", "health"), Fault("hang", "health", delay=600)], ids=repr
)
@pytest.mark.parametrize("connections", [1, 3])
def test_the_health_check_is_not_needed(fault: Fault, connections: int) -> None:
    with HecStandin() as hec, running(hec.url, connections=connections, timeout=1.0) as rig:
        hec.faults.add(fault)
        hec.faults.add(Fault("reset_before", "event", times=1))
        rig.feed(100)
        assert rig.settled()
        assert set(indexed(hec)) == set(rig.fed)


def test_requests_without_events_are_not_needed_either() -> None:
    with HecStandin() as hec, running(hec.url, connections=1, retry_max_delay=0.05) as rig:
        hec.faults.add(Fault("reset_before", "event", times=30))
        rig.feed(100)
        assert rig.settled()
        assert rig.counts.answers[0, None] >= 2  # some tries had an event
        assert set(indexed(hec)) == set(rig.fed)


@pytest.mark.parametrize("fault", BLOCKED, ids=repr)
def test_while_nobody_says_what_is_indexed_nothing_is_sent_again(fault: Fault) -> None:
    options: dict[str, Any] = {"ack_timeout": 1.0, "timeout": 1.0, "connections": 2}
    with HecStandin(tokens=ACK, ack_latency=0.1) as hec, running(hec.url, **options) as rig:
        number = hec.faults.add(fault)
        rig.feed(200)
        wait_until(lambda: set(indexed(hec)) == set(rig.fed))
        wait_until(lambda: rig.said.is_active("acks_failing", hec.url))
        time.sleep(4.0)  # several times what may be waited for an acknowledgement
        assert hec.store.total == 200
        assert rig.lease.committed == "start"
        more = rig.feed(100)  # events go on
        wait_until(lambda: set(more) <= set(indexed(hec)))
        assert hec.store.total == 300
        assert len([each for each in rig.said.begun if "acks_failing" in each]) == 1
        hec.faults.remove(number)
        assert rig.settled(120)
        assert hec.store.total <= 600
        wait_until(lambda: not rig.said.open, 120)


def test_copies_of_what_is_never_acknowledged_are_bounded() -> None:
    with HecStandin(tokens=ACK, ack_latency=0.1) as hec, running(hec.url, ack_timeout=0.2) as rig:
        hec.faults.add(Fault("ack", "event", never=True))
        rig.feed(10)
        wait_until(lambda: rig.said.is_active("acks_denied", hec.url), 120)
        time.sleep(3.0)
        assert set(indexed(hec).values()) == {1 + COPIES}
        assert rig.lease.committed == "start"
        hec.faults.clear()
        rig.feed(10)  # others go on
        wait_until(lambda: rig.counts.totals["acknowledged"] == 10)
        assert rig.said.is_active("acks_denied", hec.url)
        rig.sender.reload()  # what SIGHUP does
        assert rig.settled()
        wait_until(lambda: not rig.said.open)
        assert max(indexed(hec).values()) == 2 + COPIES


def test_a_collector_that_is_gone_does_not_keep_what_another_can_take() -> None:
    gone, well = (HecStandin(tokens=ACK, ack_latency=latency) for latency in (3600, 0.1))
    with gone, well, running(gone.url, well.url, ack_timeout=2.0, timeout=1.0) as rig:
        wait_until(lambda: rig.feed(10) and gone.store.total > 0 and well.store.total > 0)
        gone.faults.add(Fault("refuse"))
        assert rig.settled(120)
        assert set(indexed(well)) == set(rig.fed)


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_sick_node_behind_a_balancer_of_connections_is_left(status: int) -> None:
    options: dict[str, Any] = {"nodes": 2, "switches": {"balance": "connection"}}
    with HecStandin(**options) as hec, running(hec.url, connections=1) as rig:
        rig.feed(10)
        assert rig.settled()
        sick = hec.faults.add(Fault("sick", node=0, status=status))
        hec.faults.add(Fault("sick", node=1, status=status, times=1))
        for _ in range(4):
            rig.feed(10)
            assert rig.settled()
        assert set(indexed(hec)) == set(rig.fed)
        assert hec.faults.fired(sick) <= 2
