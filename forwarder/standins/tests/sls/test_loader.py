from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sls_hec_standins.http import Clock
from sls_hec_standins.sls import wire
from sls_hec_standins.sls.generator import Generator
from sls_hec_standins.sls.loader import LoadThread, Pace, into, load
from sls_hec_standins.sls.store import Logstore
from sls_hec_standins.sls.truth import Totals


@pytest.fixture
def logstore() -> Logstore:
    return Logstore("audit", 30, 4, Clock())


def stored(logstore: Logstore) -> dict[int, list[bytes]]:
    return {n: [group.data for _, group in shard.span()] for n, shard in logstore.shards.items()}


def test_at_once_everything_arrives_in_turn(logstore: Logstore) -> None:
    expected = list(Generator(1, nasty=0.1).groups(logs=2000))
    totals = load(iter(expected), into(logstore))
    assert totals == (20, 2000, sum(map(len, expected)))
    shards = stored(logstore)
    assert sorted(data for groups in shards.values() for data in groups) == sorted(expected)
    assert {len(groups) for groups in shards.values()} == {5}
    assert all(
        group.logs == wire.count_logs(group.data)
        for shard in logstore.shards.values()
        for _, group in shard.span()
    )


def test_by_key_every_shard_gets_some_and_splits_are_followed(logstore: Logstore) -> None:
    generator = Generator(1, logs_per_group=1)
    load(generator.groups(logs=400), into(logstore), by_key=True)
    counts = {number: len(groups) for number, groups in stored(logstore).items()}
    assert min(counts.values()) > 60
    logstore.split(0)
    load(generator.groups(logs=400), into(logstore), by_key=True)
    after = {number: len(groups) for number, groups in stored(logstore).items()}
    assert after[0] == counts[0]
    assert min(after[4], after[5]) > 20


@given(
    st.floats(0.1, 1e6),
    st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 1e6)), min_size=1, max_size=50),
    st.floats(0, 3),
)
def test_a_pace_is_never_exceeded(rate: float, steps: list[tuple[float, float]], patience: float) -> None:
    """Whatever the delays: from any moment on, no more goes than the rate and the patience allow."""
    now = 100.0
    pace = Pace(rate, now, patience)
    sent = []
    for delay, amount in steps:
        now += pace.wait(now) + delay
        assert pace.wait(now) == 0.0
        pace.spend(amount, now)
        sent.append((now, amount))
    for start in range(len(sent)):
        for end in range(start, len(sent)):
            # The last one is always let go and paid for afterwards.
            amount = sum(amount for _, amount in sent[start:end])
            allowed = rate * (sent[end][0] - sent[start][0] + patience)
            assert amount <= allowed * (1 + 1e-9) + 1e-6


def test_a_pace_is_kept_and_small_delays_are_made_up_for() -> None:
    pace = Pace(100, 0.0)
    now = 0.0
    for _ in range(50):
        now += pace.wait(now) + 0.003
        pace.spend(10, now)
    assert now + pace.wait(now) == pytest.approx(500 / 100)


def test_after_a_long_halt_there_is_no_flood() -> None:
    pace = Pace(100, 0.0, patience=1.0)
    pace.spend(1, 3600.0)
    for _ in range(99):
        pace.spend(1, 3600.0)
    assert pace.wait(3600.0) == pytest.approx(0.0, abs=1e-6)
    pace.spend(1, 3600.0)
    assert pace.wait(3600.0) == pytest.approx(0.01)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_is_above_zero(rate: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Pace(rate, 0.0)


def test_a_rate_takes_its_time(logstore: Logstore) -> None:
    groups = Generator(1, logs_per_group=20)
    start = time.monotonic()
    assert load(groups.groups(logs=200), into(logstore), logs_per_second=1000).logs == 200
    assert time.monotonic() - start >= 0.19
    start = time.monotonic()
    size = load(groups.groups(logs=200), into(logstore), bytes_per_second=500_000).bytes
    assert time.monotonic() - start >= size / 500_000 * 0.95


def test_an_endless_load_stops_when_told(logstore: Logstore) -> None:
    generator = Generator(1, logs_per_group=10, clock=time.time_ns)
    with LoadThread(generator.groups(), into(logstore), logs_per_second=5000) as loading:
        assert not loading.wait(0.2)
        assert loading.running
    assert not loading.running
    assert loading.totals.logs > 0
    assert sum(shard.received_logs for shard in logstore.shards.values()) == loading.totals.logs


def test_stopping_does_not_wait_for_the_schedule(logstore: Logstore) -> None:
    loading = LoadThread(Generator(1).groups(), into(logstore), logs_per_second=0.001).start()
    deadline = time.monotonic() + 20
    while not loading.totals.logs and time.monotonic() < deadline:
        time.sleep(0.005)
    assert loading.stop().groups == 1  # the next one is due after a day


def test_a_load_that_ends_by_itself(logstore: Logstore) -> None:
    loading = LoadThread(Generator(1).groups(logs=300), into(logstore)).start()
    assert loading.wait(20)
    assert loading.stop() == loading.totals
    assert loading.totals.logs == 300


def test_what_ended_a_load_is_raised_by_stop(logstore: Logstore) -> None:
    def groups() -> Iterator[bytes]:
        yield from Generator(1).groups(logs=100)
        raise OSError("disk on fire")

    loading = LoadThread(groups(), into(logstore)).start()
    assert loading.wait(20)
    with pytest.raises(OSError, match="disk on fire"):
        loading.stop()
    assert loading.totals.logs == 100


def test_progress_is_told_group_by_group(logstore: Logstore) -> None:
    seen: list[Totals] = []
    stop = threading.Event()

    def progress(totals: Totals) -> None:
        seen.append(totals)
        if len(seen) == 3:
            stop.set()

    last = load(Generator(1, logs_per_group=5).groups(), into(logstore), stop=stop, progress=progress)
    assert [totals.logs for totals in seen] == [5, 10, 15]
    assert last == seen[-1]
