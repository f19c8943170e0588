"""Several collectors: who is well carries the load, who is not is left alone until a probe succeeds."""

from __future__ import annotations

import time
from collections import Counter

from sls_hec_standins.hec import HecStandin
from sls_hec_standins.http import Fault

from .rig import Rig, indexed, running, wait_until


def all_once(rig: Rig, *standins: HecStandin) -> None:
    assert rig.settled()
    assert sum((indexed(hec) for hec in standins), Counter()) == Counter(rig.fed)


def seconds_for(rig: Rig, events: int) -> float:
    started = time.monotonic()
    rig.feed(events)
    assert rig.settled()
    return time.monotonic() - started


def test_load_is_shared() -> None:
    with HecStandin() as one, HecStandin() as two, running(one.url, two.url) as rig:
        for hec in (one, two):
            hec.faults.add(Fault("latency", "event", delay=0.02))
        rig.feed(600)
        all_once(rig, one, two)
        assert min(one.store.total, two.store.total) > 100


def test_one_that_is_busy_is_left_alone_and_comes_back() -> None:
    with HecStandin() as one, HecStandin() as two, running(one.url, two.url) as rig:
        busy = one.faults.add(Fault("busy"))
        rig.feed(600)
        all_once(rig, one, two)
        assert one.store.total == 0
        assert one.faults.fired(busy) < 40  # probes, not a share of the load
        assert rig.said.open == [f"collector_failing {one.url}"]
        one.faults.clear()
        wait_until(lambda: rig.feed(10) and rig.settled() and not rig.said.open)
        assert one.store.total > 0
        all_once(rig, one, two)


def test_one_with_a_wrong_token_holds_the_other_goes_on() -> None:
    with HecStandin() as one, HecStandin() as two, running(one.url, two.url) as rig:
        one.tokens.change("demo", disabled=True)
        rig.feed(300)
        all_once(rig, one, two)
        assert rig.sender.holding == (one.url,)
        one.tokens.change("demo", disabled=False)
        wait_until(lambda: rig.feed(10) and rig.settled() and not rig.sender.holding)
        all_once(rig, one, two)


def test_one_that_is_down_costs_no_event_and_little_time() -> None:
    with HecStandin() as one, HecStandin() as two:
        one.faults.add(Fault("refuse"))
        with running(one.url, two.url) as rig:
            rig.feed(600)
            all_once(rig, two)


def test_one_slow_endpoint_does_not_halve_the_others() -> None:
    """The well one alone, then with one beside it that takes a hundred times as long."""
    with HecStandin() as well, HecStandin() as slow:
        well.faults.add(Fault("latency", "event", delay=0.02))
        with running(well.url) as rig:
            seconds_for(rig, 300)
            alone = seconds_for(rig, 1500)
        well.store.clear()
        slow.faults.add(Fault("latency", "event", delay=2.0))
        with running(well.url, slow.url) as rig:
            rig.feed(300)
            wait_until(lambda: well.store.total >= 150)
            started = time.monotonic()
            rig.feed(1500)
            wait_until(lambda: well.store.total >= 1500)
            beside = time.monotonic() - started
            all_once(rig, well, slow)
        assert beside < 2 * alone + 1.0


def test_one_that_hangs_keeps_only_what_it_has() -> None:
    with HecStandin() as well, HecStandin() as dead, running(well.url, dead.url, timeout=1.0) as rig:
        dead.faults.add(Fault("hang", "event", delay=60))
        rig.feed(900)
        at_most = rig.settings.connections * rig.settings.batch_bytes
        wait_until(lambda: rig.outbox.bytes_in_flight <= at_most)
        all_once(rig, well)


def test_one_that_is_dead_keeps_no_batch_after_its_first() -> None:
    with HecStandin() as well, HecStandin() as dead, running(well.url, dead.url, timeout=2.0) as rig:
        dead.faults.add(Fault("hang", delay=60))
        rig.feed(300)
        all_once(rig, well)
        attempts = rig.counts.answers[0, None]
        for _ in range(10):
            time.sleep(0.3)
            rig.feed(30)
        all_once(rig, well)
        assert rig.counts.answers[0, None] == attempts
        dead.faults.clear()
        wait_until(lambda: rig.feed(10) and rig.settled() and dead.store.total > 0)
        all_once(rig, well, dead)


def test_all_down_and_back() -> None:
    with HecStandin() as one, HecStandin() as two, running(one.url, two.url) as rig:
        for hec in (one, two):
            hec.faults.add(Fault("refuse"))
        rig.feed(300)
        time.sleep(2.0)
        assert rig.lease.committed == "start"
        attempts = sum(rig.counts.answers.values())
        assert attempts < 60
        for hec in (one, two):
            hec.faults.clear()
        wait_until(lambda: rig.feed(10) and rig.settled() and not rig.said.open)
        all_once(rig, one, two)
        assert len(rig.said.begun) == 2


def test_a_name_with_several_addresses_of_which_one_is_dead() -> None:
    """`localhost` has ::1 and 127.0.0.1 where IPv6 is on; only one of them listens."""
    with HecStandin() as hec, running(hec.url.replace("127.0.0.1", "localhost")) as rig:
        rig.feed(100)
        all_once(rig, hec)
