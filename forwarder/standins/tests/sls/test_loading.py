"""Loads of generated logs, counted and bounded."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sls_hec_standins.http import Clock
from sls_hec_standins.sls import wire
from sls_hec_standins.sls.errors import SlsError
from sls_hec_standins.sls.loading import Loader, LoadPlan
from sls_hec_standins.sls.shards import StoredGroup
from sls_hec_standins.sls.store import Store

NOW = 1_800_000_000.0


@pytest.fixture
def store() -> Store:
    made = Store(Clock(lambda: NOW))
    made.create_project("proj").create_logstore("store")
    return made


def plan(**options: Any) -> LoadPlan:
    return LoadPlan("proj", "store", **options)


def stored(store: Store) -> list[StoredGroup]:
    return [group for shard in store.logstore("proj", "store").shards.values() for _, group in shard.span()]


def test_number_of_logs_is_exact(store: Store) -> None:
    load = Loader(store).start(plan(logs=1234))
    groups = stored(store)
    assert load.finished.is_set()
    assert sum(group.logs for group in groups) == load.logs == 1234
    assert sum(len(group.data) for group in groups) == load.bytes
    assert all(group.logs == wire.check_log_group(group.data) for group in groups)
    assert {group.received for group in groups} == {NOW}


def test_megabytes(store: Store) -> None:
    load = Loader(store).start(plan(megabytes=2))
    assert 2e6 <= load.bytes < 4e6


def test_both_shards_are_filled_unless_one_is_named(store: Store) -> None:
    loader = Loader(store)
    loader.start(plan(logs=1000))
    shards = store.logstore("proj", "store").shards
    before = shards[0].received_logs
    assert before == shards[1].received_logs == 500
    loader.start(plan(logs=300, shard=1))
    assert (shards[0].received_logs, shards[1].received_logs) == (before, before + 300)


def test_same_seed_same_logs(store: Store) -> None:
    loader = Loader(store)
    for seed in (1, 1, 2):
        loader.start(plan(logs=100, shard=0, seed=seed))
    first, second, third = [group.data for group in stored(store)]
    assert first == second != third


def test_event_and_receive_times_over_the_past(store: Store) -> None:
    Loader(store).start(plan(logs=2000, shard=0, over=1000))
    groups = stored(store)
    times = [group.received for group in groups]
    assert times == sorted(times)
    assert times[0] == NOW - 1000
    assert NOW - 100 < times[-1] < NOW
    for group in groups:
        assert all(group.received - 2 <= log.time <= group.received for log in wire.iter_logs(group.data))


def test_rate_runs_in_the_background_until_stopped(store: Store) -> None:
    loader = Loader(store)
    started = time.monotonic()
    load = loader.start(plan(rate=2000.0, logs_per_group=10))
    while load.logs < 500:
        assert time.monotonic() < started + 60
        time.sleep(0.01)
    assert time.monotonic() - started > 0.2  # 500 logs take a quarter of a second
    assert not load.finished.is_set()
    assert load.as_json()["running"]
    assert loader.stop()
    assert load.finished.is_set()
    assert sum(group.logs for group in stored(store)) == load.logs


def test_rate_with_a_bound_ends_by_itself(store: Store) -> None:
    load = Loader(store).start(plan(rate=100_000.0, logs=500))
    assert load.finished.wait(30)
    assert load.logs == 500


def test_stopping_one_of_none(store: Store) -> None:
    assert not Loader(store).stop(7)
    assert not Loader(store).stop()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"logs": 0},
        {"megabytes": -1.0},
        {"rate": 0.0},
        {"rate": 5.0, "over": 10.0},
        {"logs": 1, "over": -1.0},
        {"logs": 1, "mix": "nothing"},
        {"logs": 1, "nasty": 2.0},
    ],
)
def test_plan_that_cannot_be(store: Store, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Loader(store).start(plan(**options))


@pytest.mark.parametrize("options", [{"shard": 9}, {"logstore": "none"}, {"project": "none"}])
def test_load_into_nowhere(store: Store, options: dict[str, Any]) -> None:
    with pytest.raises(SlsError):
        Loader(store).start(LoadPlan(**{"project": "proj", "logstore": "store", "logs": 5, **options}))


def test_load_that_is_refused_on_its_way_says_so(store: Store) -> None:
    loader = Loader(store)
    load = loader.start(plan(rate=1000.0, logs_per_group=10, shard=0))
    logstore = store.logstore("proj", "store")
    with logstore.lock:
        logstore.split(0)
    assert load.finished.wait(30)
    assert "invalid shard id" in load.as_json()["error"]
