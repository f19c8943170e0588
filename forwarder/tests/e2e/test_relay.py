"""The whole relay as a process, from the stand-in of SLS to that of HEC."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from sls_hec_standins.hec import DEMO_TOKEN, Token
from sls_hec_standins.http import Fault
from sls_hec_standins.sls import wire
from sls_hec_standins.sls.standin import SlsStandin
from sls_hec_standins.sls.switches import Switches

from .relay_process import interpreters
from .site import LOGSTORE, PROJECT, Site, wait_until

PYPY = next(path for path in interpreters() if "pypy" in path)


def test_everything_arrives_once_and_the_checkpoint_is_left_at_the_end(site: Site, python: str) -> None:
    site.load(logs=20_000, nasty=0.05)
    relay = site.relay(python, "relay-1").wait_ready()
    site.wait_indexed(20_000)
    assert relay.stop() == 0
    result = site.compare()
    assert result.exact, str(result)
    # Nothing is sent again by whoever comes next.
    site.relay(python, "relay-2").wait_ready()
    site.load(logs=100, seed=2)
    site.wait_indexed(20_100)
    result = site.compare()
    assert result.exact, str(result)


def test_asked_to_stop_until_it_has_ended_it_ends_in_good_order(site: Site, python: str) -> None:
    """At any moment of its end, that is; whoever restarts it may be impatient."""
    relay = site.relay(python, "relay-1").wait_ready()
    deadline = time.monotonic() + 60
    while relay.returncode is None and time.monotonic() < deadline:
        relay.signal(signal.SIGTERM)
        time.sleep(0.001)
    assert relay.returncode == 0, relay.log()


def test_a_mixed_group_with_the_sdk_loses_and_repeats_nothing_on_join_and_leave(
    site: Site, python: str
) -> None:
    """Each joins and leaves in turn while logs keep coming."""
    site.load(logs=24_000, rate=1_000)
    worker = site.sdk_worker("sdk-1")
    site.wait_shares("sdk-1")
    relay = site.relay(python, "relay-1").wait_ready()
    site.wait_shares("sdk-1", "relay-1")
    second = site.relay(python, "relay-2").wait_ready()
    site.wait_shares("sdk-1", "relay-1", "relay-2")
    assert second.stop() == 0
    site.wait_shares("sdk-1", "relay-1")
    assert relay.stop() == 0
    site.wait_shares("sdk-1")
    site.relay(python, "relay-3").wait_ready()
    site.wait_shares("sdk-1", "relay-3")
    worker.send_signal(signal.SIGTERM)
    worker.wait(60)
    site.wait_shares("relay-3")
    site.wait_indexed(24_000)
    result = site.compare()
    assert result.exact, str(result)


def test_a_mixed_group_survives_kills(site: Site, python: str) -> None:
    site.load(logs=16_000, rate=1_000)
    relay = site.relay(python, "relay-1").wait_ready()
    worker = site.sdk_worker("sdk-1")
    site.wait_shares("relay-1", "sdk-1")
    relay.kill()
    site.wait_shares("sdk-1")
    site.relay(python, "relay-2").wait_ready()
    site.wait_shares("relay-2", "sdk-1")
    worker.kill()
    site.wait_shares("relay-2")
    site.wait_indexed(16_000)
    result = site.compare()
    assert result.complete, str(result)


def test_twenty_kills_lose_nothing(site: Site) -> None:
    """Two relays, 200,000 logs, SIGKILL at random moments: duplicates only of what was in flight."""
    logs, kills = 200_000, 20
    in_flight = 4 * 1024 * 1024
    changes = {"RELAY_BYTES_IN_FLIGHT": str(in_flight), "RELAY_CHECKPOINT_INTERVAL": "0.5"}
    rng = random.Random(20)
    site.load(logs=logs, rate=logs / 60, nasty=0.02)
    relays = {name: site.relay(PYPY, name, **changes).wait_ready() for name in ("relay-1", "relay-2")}
    for _ in range(kills):
        time.sleep(rng.uniform(0.2, 3.0))
        name = rng.choice(sorted(relays))
        relays[name].kill()
        # The same name, as a restarted service has it: it gets its shards back without waiting.
        relays[name] = site.relay(PYPY, name, **changes)
    site.wait_indexed(logs, patience=240)
    for relay in relays.values():
        relay.wait_ready()
        assert relay.stop() == 0
    result = site.compare()
    assert result.complete, str(result)
    # Each kill repeats at most what was in flight plus what was delivered since the last checkpoint.
    average = site.hec.store.summary()["bytes"] / (result.found + result.duplicates)
    assert result.duplicates * average <= kills * 2 * in_flight, str(result)


def test_a_full_splunk_holds_everything_and_then_all_arrives(site: Site, python: str) -> None:
    """HEC down: heartbeats go on, memory is bounded, nothing is lost."""
    site.load(logs=2_000)
    relay = site.relay(python, "relay-1", RELAY_BYTES_IN_FLIGHT="2M", HEC_BATCH_BYTES="100K").wait_ready()
    site.wait_indexed(2_000)
    down = site.hec.faults.add(Fault("refuse"))
    site.load(logs=30_000, seed=2)
    time.sleep(15)  # more than twice the group's time-out
    assert set(site.holders().values()) == {"relay-1"}
    assert site.indexed == 2_000
    before = relay.rss()
    time.sleep(10)
    assert relay.rss() < before + 40 * 1024 * 1024
    site.hec.faults.remove(down)
    site.wait_indexed(32_000)
    assert relay.stop() == 0
    result = site.compare()
    assert result.complete, str(result)


def test_a_wrong_token_holds_until_the_file_changes(site: Site, python: str) -> None:
    token = site.folder / "token"
    environ = site.environ("relay-1")
    good = environ["HEC_TOKEN"]
    token.write_text("11111111-1111-1111-1111-111111111111")
    site.load(logs=1_000)
    relay = site.relay(python, "relay-1", HEC_TOKEN="", HEC_TOKEN_FILE=str(token)).wait_ready()
    wait_until(lambda: "holding" in relay.log(), "the relay to say that it holds")
    token.write_text(good)
    relay.signal(signal.SIGHUP)
    site.wait_indexed(1_000)
    assert relay.stop() == 0
    assert site.compare().exact
    assert good not in relay.log()


def test_a_frozen_relay_is_fenced_and_harms_nothing_when_it_wakes(site: Site, python: str) -> None:
    site.load(logs=20_000, rate=1_500)
    frozen = site.relay(python, "relay-1").wait_ready()
    site.wait_indexed(1_000)
    frozen.signal(signal.SIGSTOP)
    site.relay(python, "relay-2").wait_ready()
    site.wait_shares("relay-2")
    frozen.signal(signal.SIGCONT)
    site.wait_shares("relay-1", "relay-2")
    site.wait_indexed(20_000)
    result = site.compare()
    assert result.complete, str(result)


def test_a_backfill_ends_by_itself(site: Site, python: str) -> None:
    site.load(logs=5_000)
    time.sleep(1.1)  # the stop position has a resolution of a second
    relay = site.relay(python, "relay-1", SLS_STOP_POSITION="now")
    wait_until(lambda: relay.returncode is not None, "the backfill to end")
    assert relay.returncode == 0
    assert site.compare().exact


@pytest.mark.parametrize("kept_back", ["refused", "not acknowledged"])
def test_what_a_crash_repeats_is_bounded_though_one_event_stays_where_it_is(
    tmp_path: Path, python: str, kept_back: str
) -> None:
    """The first event of a shard is refused for ever, or its acknowledgement never comes."""
    bound, pulled = 1024 * 1024, 256 * 1024
    changes = {
        "RELAY_BYTES_UNSAVED": str(bound),
        "HEC_ACK_TIMEOUT": "3600",
        "HEC_TOPIC_RULES": '{"forbidden": {"index": "forbidden"}}',
    }
    sls = SlsStandin(switches=Switches(pull_bytes=pulled))
    with Site(tmp_path, shards=2, sls=sls) as site:
        refused = kept_back == "refused"
        site.hec.tokens.put(Token(DEMO_TOKEN, use_ack=not refused, indexes=("main",)))
        if refused:
            group = wire.write_log_group([(int(time.time()), None, [("text", "first")])], "forbidden")
            with site.logstore.lock:
                site.logstore.append(group, 1, shard=0)
        else:
            site.hec.faults.add(Fault("ack", times=1, never=True))
        site.load(logs=20_000)
        relay = site.relay(python, "relay-1", **changes).wait_ready()
        wait_until(lambda: "[checkpoint_stuck]" in relay.log(), "the relay to say that a shard stands")
        if refused:  # else events of both shards may be in the batch that waits
            site.wait_indexed(sum(row["shard"] == 1 for row in sls.service.truth(PROJECT, LOGSTORE)))
        assert site.indexed < 20_000, "the shard was read on"
        relay.kill()
        site.hec.tokens.put(Token(DEMO_TOKEN, indexes=("main", "forbidden")))
        relay = site.relay(python, "relay-1", **changes).wait_ready()
        site.wait_indexed(20_000 + refused)
        assert relay.stop() == 0
        result = site.compare()
        assert result.complete, str(result)
        average = site.hec.store.summary()["bytes"] / (result.found + result.duplicates)
        # As JSON a pull is about half as long again.
        assert 0 < result.duplicates * average <= bound + 2 * 2 * pulled, str(result)
