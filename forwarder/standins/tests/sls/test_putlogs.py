"""PutLogs against the stand-in, which verifies signatures, and its signature against the SDK's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from sls_hec_standins.http import Fault
from sls_hec_standins.sls import wire
from sls_hec_standins.sls.generator import Generator
from sls_hec_standins.sls.loader import LoadThread, load
from sls_hec_standins.sls.putlogs import PutError, PutLogs
from sls_hec_standins.sls.standin import SlsStandin

KEY = ("LTAI4stand", "in-secret")


@pytest.fixture
def standin() -> Iterator[SlsStandin]:
    with SlsStandin() as standin:
        standin.add_key(*KEY)
        standin.create_logstore("prod-audit", "actiontrail", shards=3)
        yield standin


def client_of(standin: SlsStandin, endpoint: str = "http://sls.test", **options: Any) -> PutLogs:
    return PutLogs(endpoint, "prod-audit", "actiontrail", *KEY, **{"proxy": standin.proxy_url, **options})


def stored(standin: SlsStandin) -> list[bytes]:
    shards = standin.store.logstore("prod-audit", "actiontrail").shards.values()
    return [group.data for shard in shards for _, group in shard.span()]


def now_groups(logs: int, **options: Any) -> list[bytes]:
    return list(Generator(3, clock=time.time_ns, **options).groups(logs=logs))


@pytest.mark.parametrize("compression", ["lz4", "zstd", ""])
def test_groups_arrive_as_they_are(standin: SlsStandin, compression: str) -> None:
    groups = now_groups(600, nasty=0.2)
    with client_of(standin, compression=compression) as client:
        totals = load(iter(groups), client.put)
    assert totals.logs == 600
    assert sorted(stored(standin)) == sorted(groups)


def test_large_values_arrive(standin: SlsStandin) -> None:
    groups = now_groups(12, large=1.0)
    with client_of(standin) as client:
        load(iter(groups), client.put)
    assert sorted(stored(standin)) == sorted(groups)


def test_a_hash_key_chooses_the_shard(standin: SlsStandin) -> None:
    logstore = standin.store.logstore("prod-audit", "actiontrail")
    with client_of(standin) as client:
        for number, key in ((0, "0" * 32), (1, "7" + "f" * 31), (2, "f" * 32)):
            client.put(now_groups(1)[0], key)
            assert logstore.shards[number].received_groups == 1
        load(iter(now_groups(60, logs_per_group=1)), client.put, by_key=True)
    assert min(shard.received_groups for shard in logstore.shards.values()) > 3


def test_without_a_proxy_an_address_is_the_service(standin: SlsStandin) -> None:
    with client_of(standin, standin.url, proxy="") as client:
        client.put(now_groups(1)[0])
    assert len(stored(standin)) == 1


def test_load_from_outside_until_stopped(standin: SlsStandin) -> None:
    groups = Generator(1, clock=time.time_ns, logs_per_group=20).groups()
    with client_of(standin) as client, LoadThread(groups, client.put, logs_per_second=2000) as loading:
        assert not loading.wait(0.3)
    assert sum(map(wire.count_logs, stored(standin))) == loading.totals.logs > 0


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"secret": "wrong"}, 401, "SignatureNotMatch"),
        ({"key_id": "nobody"}, 401, "Unauthorized"),
        ({"project": "nowhere"}, 404, "ProjectNotExist"),
        ({"logstore": "nothing"}, 404, "LogStoreNotExist"),
        ({"token": "stale"}, 401, "Unauthorized"),
    ],
)
def test_refusals_are_told_and_not_repeated(
    standin: SlsStandin, change: dict[str, str], status: int, code: str
) -> None:
    where: Any = {"project": "prod-audit", "logstore": "actiontrail", "key_id": KEY[0], "secret": KEY[1]}
    pauses: list[float] = []
    client = PutLogs("http://sls.test", **{**where, **change}, proxy=standin.proxy_url, sleep=pauses.append)
    with client, pytest.raises(PutError, match=code) as caught:
        client.put(now_groups(1)[0])
    assert (caught.value.status, caught.value.code) == (status, code)
    assert KEY[1] not in str(caught.value)
    assert pauses == []
    assert stored(standin) == []


def test_what_passes_is_tried_again_after_growing_pauses(standin: SlsStandin) -> None:
    pauses: list[float] = []
    standin.faults.add(Fault("error", "PutLogs", times=4, status=503))
    with client_of(standin, sleep=pauses.append) as client:
        client.put(now_groups(1)[0])
    assert len(stored(standin)) == 1
    assert len(pauses) == 4
    assert all(0.1 * 2**n <= pause <= 0.2 * 2**n for n, pause in enumerate(pauses))


def test_an_unreachable_service_is_given_up(standin: SlsStandin) -> None:
    pauses: list[float] = []
    standin.faults.add(Fault("refuse"))
    with (
        client_of(standin, sleep=pauses.append) as client,
        pytest.raises(PutError, match="refused") as caught,
    ):
        client.put(now_groups(1)[0])
    assert caught.value.status == 0
    assert len(pauses) == 5


@pytest.mark.parametrize(
    ("endpoint", "proxy"),
    [
        ("ftp://sls.test", ""),
        ("http://", ""),
        ("https://sls.test", "http://p:1"),
        ("http://sls.test", "https://p"),
    ],
)
def test_wrong_addresses_are_named(endpoint: str, proxy: str) -> None:
    with pytest.raises(ValueError, match="http"):
        PutLogs(endpoint, "p", "l", *KEY, proxy=proxy)
