"""The sender against a HEC that answers as a real one does: nothing lost, nothing twice without a reason."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sls_hec_forwarder.hec.send import worker
from sls_hec_forwarder.hec.send.custody import Custody
from sls_hec_forwarder.spool.spool import Spool
from sls_hec_standins.hec import DEMO_TOKEN, HecStandin, Token
from sls_hec_standins.http import Fault

from .rig import LONG, Rig, envelope, indexed, running, wait_until


def exactly_once(rig: Rig, hec: HecStandin) -> None:
    assert indexed(hec) == Counter(rig.fed)
    assert {lease.shard: lease.committed for lease in rig.leases} == rig.ends
    # Counted last, by threads that may be in the middle of it.
    wait_until(lambda: rig.outbox.bytes_in_flight == 0 and rig.counts.totals["delivered"] >= len(rig.fed))
    assert rig.counts.totals["delivered"] == len(rig.fed)


@pytest.mark.parametrize("gzip_level", [0, 1, 6])
def test_every_event_once_in_order_of_its_batch(gzip_level: int) -> None:
    with HecStandin() as hec, running(hec.url, gzip_level=gzip_level) as rig:
        rig.feed(500)
        assert rig.settled()
        exactly_once(rig, hec)
        assert rig.counts.answers.keys() == {(200, 0)}
        requests = hec.app.newest_requests()
        assert len(requests) < 100  # small chunks travelled together
        assert all(each.size <= rig.settings.batch_bytes for each in requests)
        assert (rig.counts.totals["wire"] < rig.counts.totals["raw"]) is (gzip_level > 0)
        assert hec.server.connects <= rig.settings.connections
        assert len({each.channel for each in requests}) == 1
        assert rig.said.begun == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("busy", times=5),
        Fault("busy", times=2, retry_after=1),
        Fault("busy", times=3, code=26),
        Fault("busy", times=3, code=23),
        Fault("error", "event", times=2, status=429, headers={"Retry-After": "1"}),
        Fault("error", "event", times=3, status=500, code=8),
        Fault("error", "event", times=3, status=404, code=404),
        Fault("proxy", "event", times=3, status=502),
        Fault("proxy", "event", times=2, status=503, retry_after=1),
        Fault("proxy", "event", times=3, status=504),
        Fault("proxy", "event", times=3, status=408),
        Fault("reset_before", "event", times=3),
        Fault("reset_during", "event", times=3),
        Fault("hang", "event", times=2, delay=1.0),
        Fault("refuse", seconds=1.0),
        # Somebody has to do something, and does.
        Fault("error", "event", times=3, status=401, code=2),
        Fault("error", "event", times=3, status=403, code=4),
        Fault("proxy", "event", times=3, status=403),
        Fault("proxy", "event", times=3, status=400),
        Fault("proxy", "event", times=3, status=302, location="http://127.0.0.1:1/"),
        Fault("error", "event", times=9, status=404, code=404),
        Fault("answer", "event", times=3, status=200, body=""),
        Fault("answer", "event", times=3, status=200, body="<html>"),
        Fault("answer", "event", times=3, status=200, body='{"text":"?","code":5}'),
    ],
    ids=repr,
)
def test_what_was_not_taken_arrives_once(fault: Fault) -> None:
    with HecStandin() as hec, running(hec.url, timeout=5.0) as rig:
        hec.faults.add(fault)
        rig.feed(300)
        assert rig.settled()
        assert hec.faults.fired() >= 1
        exactly_once(rig, hec)
        assert rig.said.open == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("reset_after", "event", times=3),
        Fault("truncate", "event", times=3, at=0.5),
        Fault("hang", "event", times=1, delay=1.5, handled=True),
        Fault("answer", "event", times=2, status=500, body="<html>", handled=True),
        Fault("answer", "event", times=2, status=502, body="<html>", handled=True),
        Fault("answer", "event", times=2, status=200, body="<html>", handled=True),
    ],
    ids=repr,
)
def test_a_lost_answer_costs_duplicates_that_are_counted(fault: Fault) -> None:
    with HecStandin() as hec, running(hec.url, timeout=1.0) as rig:
        hec.faults.add(fault)
        rig.feed(300)
        assert rig.settled()
        found = indexed(hec)
        assert found.keys() == set(rig.fed)
        duplicates = sum(found.values()) - len(rig.fed)
        assert duplicates > 0
        assert rig.counts.totals["possible duplicates"] == duplicates
        wait_until(lambda: rig.outbox.bytes_in_flight == 0)


def test_nearly_full_queues_are_a_success() -> None:
    with HecStandin() as hec, running(hec.url) as rig:
        hec.faults.add(Fault("warn", times=3))
        hec.faults.add(Fault("warn", times=3, code=25))
        rig.feed(300)
        assert rig.settled()
        exactly_once(rig, hec)
        assert rig.counts.totals["retried"] == 0


def test_drip_and_corrupt_answers_and_slow_ones() -> None:
    with HecStandin() as hec, running(hec.url) as rig:
        hec.faults.add(Fault("drip", "event", times=2, size=7, delay=0.02))
        hec.faults.add(Fault("latency", "event", times=5, delay=0.3))
        rig.feed(300)
        assert rig.settled()
        exactly_once(rig, hec)


def test_busy_in_the_middle_of_a_batch_repeats_nothing() -> None:
    with HecStandin() as hec, running(hec.url) as rig:
        hec.faults.add(Fault("busy", times=6, after=4))
        rig.feed(300)
        assert rig.settled()
        exactly_once(rig, hec)


def test_a_wrong_token_holds_all_until_it_is_replaced() -> None:
    with HecStandin() as hec, running(hec.url, token="not-the-token", connections=4) as rig:
        rig.feed(300)
        wait_until(lambda: rig.sender.holding and rig.said.begun)
        time.sleep(1.0)
        attempts = rig.counts.answers[403, 4]
        assert 1 <= attempts <= 4 + 10  # those on their way, then one probe at a time with growing pauses
        assert hec.store.total == 0
        assert rig.lease.committed == "start"
        rig.sender.token.value = DEMO_TOKEN
        rig.sender.reload()
        assert rig.settled()
        exactly_once(rig, hec)
        wait_until(lambda: not rig.sender.holding)
        assert rig.counts.holds == [True, False]
        assert len(rig.said.begun) == 1
        assert "HEC_TOKEN" in rig.said.begun[0]
        assert "code 4" in rig.said.begun[0]
        assert len(rig.said.ended) == 1


def test_a_token_file_is_read_again_without_being_told() -> None:
    current = ["wrong"]
    with HecStandin() as hec, running(hec.url, token="wrong", read_token=lambda: current[0]) as rig:
        rig.feed(100)
        wait_until(lambda: rig.sender.holding and rig.said.begun)
        current[0] = DEMO_TOKEN
        assert rig.settled()
        exactly_once(rig, hec)


def test_a_token_that_is_disabled_and_enabled_again() -> None:
    with HecStandin() as hec, running(hec.url) as rig:
        rig.feed(50)
        assert rig.settled()
        hec.tokens.change("demo", disabled=True)
        rig.feed(50)
        wait_until(lambda: rig.sender.holding and rig.said.begun)
        hec.tokens.change("demo", disabled=False)
        assert rig.settled()
        exactly_once(rig, hec)


def test_no_token_in_what_is_said_or_shown(caplog: pytest.LogCaptureFixture) -> None:
    with HecStandin() as hec, running(hec.url, token="very-secret-token") as rig:
        hec.faults.add(
            Fault("error", "event", times=1, status=403, code=4, text="no: Splunk very-secret-token")
        )
        rig.feed(10)
        wait_until(lambda: rig.sender.holding and rig.said.begun)
        shown = f"{rig.said.begun} {caplog.text} {rig.settings} {rig.sender.token}"
        assert "***" in shown
        assert "very-secret-token" not in shown


def test_revoked_events_are_neither_sent_nor_checkpointed() -> None:
    with HecStandin() as hec, running(hec.url) as rig:
        hec.faults.add(Fault("busy"))
        other = rig.assign()
        rig.feed(50)
        lost = rig.feed(50, lease=other)
        wait_until(lambda: rig.counts.answers[503, 9] >= 3)
        other.revoke()
        hec.faults.clear()
        assert rig.settled()
        wait_until(lambda: rig.outbox.bytes_in_flight == 0)
        assert indexed(hec) == Counter(set(rig.fed) - set(lost))
        assert other.committed == "start"
        assert rig.counts.totals["dropped"] == 50


def test_suspended_events_wait_for_the_heartbeat() -> None:
    with HecStandin() as hec:
        rig = Rig(hec.url)
        rig.fence.timeout = 0.0  # no heartbeat got through for too long
        rig.sender.start()
        try:
            rig.feed(50)
            time.sleep(1.0)
            assert hec.store.total == 0
            assert rig.counts.answers == Counter()
            rig.fence.timeout = 3600.0
            assert rig.settled()
            exactly_once(rig, hec)
        finally:
            rig.outbox.close()
            assert rig.sender.stop(LONG)


@pytest.mark.parametrize("fault", [Fault("hang", delay=60), Fault("busy"), Fault("refuse")], ids=repr)
def test_stop_is_prompt_and_leaves_the_checkpoint_behind_what_was_not_delivered(fault: Fault) -> None:
    with HecStandin() as hec, running(hec.url, timeout=60.0) as rig:
        hec.faults.add(fault)
        rig.feed(100)
        time.sleep(0.5)
        rig.outbox.close()
        assert rig.sender.stop(10)
        assert rig.lease.committed == "start"
        assert hec.store.total == 0


def test_stop_of_an_idle_sender_is_prompt() -> None:
    with HecStandin() as hec, running(hec.url) as rig:
        started = time.monotonic()
        rig.outbox.close()
        assert rig.sender.stop(LONG)
        assert time.monotonic() - started < 10


def test_channel_is_sent_where_acknowledgement_asks_for_one() -> None:
    tokens = [Token(DEMO_TOKEN, name="demo", use_ack=True)]
    with HecStandin(tokens=tokens) as hec, running(hec.url) as rig:
        rig.feed(50)
        assert rig.settled()
        exactly_once(rig, hec)


def test_two_endpoints_share_and_one_takes_over() -> None:
    with HecStandin() as one, HecStandin() as two, running(one.url, two.url) as rig:
        for hec in (one, two):
            hec.faults.add(Fault("latency", "event", delay=0.02))
        rig.feed(600)
        assert rig.settled()
        assert min(one.store.total, two.store.total) > 100
        one.faults.add(Fault("busy"))
        before = one.store.total
        rig.feed(300)
        assert rig.settled()
        assert one.store.total == before
        one.faults.clear()
        wait_until(lambda: rig.feed(10) and rig.settled() and one.store.total > before)
        assert indexed(one) + indexed(two) == Counter(rig.fed)


def test_unexpected_errors_end_neither_thread_nor_events(caplog: pytest.LogCaptureFixture) -> None:
    with HecStandin() as hec, running(hec.url) as rig:
        told = rig.counts.sent
        failures = iter([RuntimeError("first"), RuntimeError("second")])

        def sent(*args: Any) -> None:
            for failure in failures:
                raise failure
            told(*args)

        rig.counts.sent = sent  # type: ignore[assignment,method-assign]
        rig.feed(100)
        assert rig.settled()
        assert indexed(hec).keys() == set(rig.fed)
        assert caplog.text.count("unexpected error") == 2


@pytest.mark.parametrize("where", ["delivered", "retried", "dead_lettered", "rerouted", "acknowledged"])
def test_an_error_in_the_middle_of_settling_leaves_no_batch_behind(where: str, tmp_path: Path) -> None:
    tokens = [Token(DEMO_TOKEN, name="demo", use_ack=where == "acknowledged", indexes=("main", "audit"))]
    options: dict[str, Any] = {"spool": Spool(tmp_path, 1 << 20, "a")}
    if where == "rerouted":
        options["fallback_index"] = "audit"
    with HecStandin(tokens=tokens) as hec, running(hec.url, **options) as rig:
        told, failures = getattr(rig.counts, where), [RuntimeError("first"), RuntimeError("second")]

        def tell(*args: Any) -> None:
            if failures:
                raise failures.pop()
            told(*args)

        setattr(rig.counts, where, tell)
        hec.faults.add(Fault("busy", times=6))
        rig.feed(100)
        for number in range(3):
            rig.put([envelope(f"0|bad {number}", index="nowhere")])
        assert rig.settled()
        wait_until(lambda: rig.outbox.bytes_in_flight == 0)
        assert not failures
        assert rig.said.total("thread_failing") == 2
        assert set(rig.fed) <= set(indexed(hec))
        wait_until(lambda: not any("thread_failing" in each for each in rig.said.open))


@pytest.mark.parametrize("where", ["decide", "divide"])
def test_an_error_before_results_are_carried_out_leaves_no_batch_behind(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place: Any = worker if where == "decide" else Custody
    real, failures = getattr(place, where), [RuntimeError("first"), RuntimeError("second")]

    def failing(*args: Any, **more: Any) -> Any:
        found = real(*args, **more)
        if failures and (where == "decide" or len(found) > 1):
            raise failures.pop()
        return found

    monkeypatch.setattr(place, where, failing)
    spool = Spool(tmp_path, 1 << 20, "a")
    with HecStandin() as hec, running(hec.url, spool=spool, connections=1) as rig:
        for _ in range(3):
            lines = [envelope(f"0|{len(rig.fed) + number}") for number in range(10)]
            rig.fed += [f"0|{len(rig.fed) + number}" for number in range(10)]
            rig.put([*lines[:5], b'{"event":null}', *lines[5:]])
        assert rig.settled()
        wait_until(lambda: rig.outbox.bytes_in_flight == 0)
        assert not failures
        assert rig.said.total("thread_failing") == 2
        assert set(rig.fed) == set(indexed(hec))
