"""From facts to one report: what the numbers say, and that no number is shown that was not measured."""

from __future__ import annotations

import dataclasses

import pytest

from sls_hec_forwarder.health.assess import ASSESSED, EXPIRING, SKEWED, STALLED, UNDELIVERED, assess
from sls_hec_forwarder.health.catalogue import CATALOGUE
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.health.facts import Facts, ShardFacts
from sls_hec_forwarder.health.model import Health, Lag

SHARD = ShardFacts(
    shard=3,
    phase="reading",
    pulling=True,
    lag=2.0,
    oldest_undelivered=None,
    last_pull=0.1,
    last_delivery=0.2,
    last_checkpoint=1.0,
)
WELL = Facts(joined=True, heartbeat_age=1.0, group_timeout=40.0, shards=(SHARD,), clock_skew=0.5)


def names(facts: Facts) -> set[str]:
    return {each.name for each in assess(facts)}


def shard(**changes: object) -> Facts:
    return dataclasses.replace(WELL, shards=(dataclasses.replace(SHARD, **changes),))  # type: ignore[arg-type]


def test_all_is_well() -> None:
    assert names(WELL) == set()


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert names(Facts()) == set()
    unknown = ShardFacts(3, "starting", pulling=False, lag=None, oldest_undelivered=None,
                         last_pull=None, last_delivery=None, last_checkpoint=None)  # fmt: skip
    assert names(Facts(shards=(unknown,))) == set()


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (dataclasses.replace(WELL, heartbeat_age=40.5), "heartbeat_late"),
        (dataclasses.replace(WELL, unowned=(1, 2), unowned_for=41.0), "shards_unowned"),
        (shard(last_pull=STALLED + 1), "shard_stalled"),
        (shard(oldest_undelivered=UNDELIVERED + 1), "delivery_stalled"),
        (dataclasses.replace(WELL, clock_skew=-SKEWED - 1), "clock_skewed"),
        (dataclasses.replace(WELL, credentials_left=EXPIRING - 1), "credentials_expiring"),
        (dataclasses.replace(WELL, spool_bytes=80, spool_limit=100), "spool_filling"),
    ],
)
def test_a_number_that_is_too_large_is_a_condition(facts: Facts, name: str) -> None:
    assert names(facts) == {name}


def test_a_shard_that_has_nothing_to_pull_is_not_stalled() -> None:
    assert names(shard(last_pull=STALLED + 1, pulling=False)) == set()


def test_every_name_that_the_numbers_can_give_is_in_the_catalogue() -> None:
    assert set(ASSESSED) <= set(CATALOGUE)


def test_what_follows_from_numbers_begins_and_ends_with_them() -> None:
    facts = [dataclasses.replace(WELL, heartbeat_age=99.0)]
    health = Health(Conditions(), lambda: facts[0])
    report = health.report()
    assert (report["status"], report["ready"]) == ("critical", False)
    assert [each["name"] for each in report["conditions"]] == ["heartbeat_late"]
    facts[0] = WELL
    report = health.report()
    assert (report["status"], report["ready"], report["conditions"]) == ("ok", True, [])


def test_what_others_report_is_not_ended_by_the_numbers() -> None:
    conditions = Conditions()
    health = Health(conditions, lambda: WELL)
    conditions.begin("collector_holding", "https://idx1:8088", "no token")
    assert health.report()["conditions"][0]["name"] == "collector_holding"
    assert not health.ready


def test_no_member_is_ready_before_it_has_joined() -> None:
    health = Health(Conditions(), Facts)
    report = health.report()
    assert (report["status"], report["ready"]) == ("ok", False)
    assert health.line() == "not a member of the consumer group yet"


@pytest.mark.parametrize(
    ("lags", "text"),
    [
        ([2.4, 7.0], "lag 7 s"),
        ([0.0], "lag 0 s"),
        ([None], "lag unknown"),
        ([None, 3.0], "lag 3 s (unknown for 1)"),
        ([], "no lag to measure"),
    ],
)
def test_a_lag_that_is_not_known_is_never_a_zero(lags: list[float | None], text: str) -> None:
    assert str(Lag.of(lags)) == text


def test_the_line_shows_the_worst_condition_and_how_many_there_are() -> None:
    conditions = Conditions()
    health = Health(conditions, lambda: WELL)
    health.update()
    assert health.line() == "1 shards, lag 2 s"
    conditions.begin("acks_missing", "https://idx1:8088", "none")
    conditions.begin("collector_holding", "https://idx2:8088", "no token")
    line = health.line()
    assert "CRITICAL collector_holding https://idx2:8088: no token" in line
    assert "(and 1 more)" in line


def test_a_report_counts_dead_letters_from_the_start() -> None:
    conditions = Conditions()
    conditions.occurred("dead_letters", "https://idx1:8088", "no", count=870)
    report = Health(conditions, lambda: WELL).report()
    assert report["dead_letters"] == {"begun": 870, "rerouted": 0, "discarded": 0}
