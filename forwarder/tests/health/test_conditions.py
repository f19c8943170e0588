"""What stands, what is logged of it, and when a warning becomes critical."""

from __future__ import annotations

import logging

import pytest

from sls_hec_forwarder.health.catalogue import CATALOGUE, HICCUP, QUIET, Severity
from sls_hec_forwarder.health.conditions import Conditions

HEC = "https://idx1:8088"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def conditions(clock: Clock, caplog: pytest.LogCaptureFixture) -> Conditions:
    caplog.set_level(logging.INFO, logger="sls_hec_forwarder")
    return Conditions(clock, wall=lambda: 1_795_000_000.0 + clock.now)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_condition_stands_from_its_begin_to_its_end(
    conditions: Conditions, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    conditions.begin("collector_holding", HEC, "Invalid token (HTTP 403, code 4)", todo="check HEC_TOKEN")
    clock.now += 5
    conditions.begin("collector_holding", HEC, "Invalid token (HTTP 403, code 4)", todo="check HEC_TOKEN")
    (standing,) = conditions.standing()
    assert (standing.name, standing.subject, standing.count) == ("collector_holding", HEC, 2)
    assert standing.severity is Severity.CRITICAL
    assert standing.todo == "check HEC_TOKEN"
    conditions.end("collector_holding", HEC)
    assert conditions.standing() == []
    begun, ended = lines(caplog)
    assert HEC in begun
    assert "Invalid token" in begun
    assert "check HEC_TOKEN" in begun
    assert "accepts events again, after 5 s (2 times)" in ended


def test_each_further_cause_of_a_condition_is_told_once(
    conditions: Conditions, caplog: pytest.LogCaptureFixture
) -> None:
    for cause in ("transient", "denied", "transient", "denied"):
        conditions.begin("pull_failing", "shard 3", f"it is {cause}", cause=cause)
    assert len(lines(caplog)) == 2


def test_causes_from_outside_cannot_fill_the_log(
    conditions: Conditions, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1000):
        conditions.begin("pull_failing", "shard 3", "no", cause=str(number))
    assert len(lines(caplog)) <= 20


def test_what_occurs_is_told_at_the_first_and_each_tenfold(
    conditions: Conditions, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(870):
        conditions.occurred("dead_letters", HEC, "Incorrect index (HTTP 400, code 7)")
    told = lines(caplog)
    assert len(told) == 3
    assert "10 so far" in told[1]
    assert "100 so far" in told[2]
    assert conditions.total("dead_letters") == 870
    assert conditions.standing()[0].severity is Severity.CRITICAL


def test_many_at_once_are_told_once(conditions: Conditions, caplog: pytest.LogCaptureFixture) -> None:
    conditions.occurred("dead_letters", HEC, "no")
    conditions.occurred("dead_letters", HEC, "no", count=5000)
    conditions.occurred("dead_letters", HEC, "no")
    assert len(lines(caplog)) == 2
    assert "5001 so far" in lines(caplog)[1]


def test_what_occurs_is_over_when_it_was_quiet_for_long(
    conditions: Conditions, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    conditions.occurred("dead_letters", HEC, "no")
    clock.now += QUIET - 1
    conditions.occurred("dead_letters", HEC, "no")
    clock.now += QUIET - 1
    conditions.tick()
    assert conditions.is_active("dead_letters", HEC)
    clock.now += 1
    conditions.tick()
    assert not conditions.is_active("dead_letters", HEC)
    assert "no more events were refused" in lines(caplog)[-1]
    assert conditions.total("dead_letters") == 2


def test_a_warning_that_lasts_becomes_critical_and_that_is_told_once(
    conditions: Conditions, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    conditions.begin("collector_failing", HEC, "timed out")
    conditions.tick()
    assert conditions.standing()[0].severity is Severity.WARNING
    clock.now += HICCUP
    for _ in range(3):
        conditions.tick()
    assert conditions.standing()[0].severity is Severity.CRITICAL
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.ERROR]
    assert "critical now" in lines(caplog)[1]


def test_critical_ones_stand_first(conditions: Conditions, clock: Clock) -> None:
    conditions.begin("acks_missing", HEC, "none")
    clock.now += 1
    conditions.begin("checkpoint_stuck", "shard 1", "stuck")
    assert [each.name for each in conditions.standing()] == ["checkpoint_stuck", "acks_missing"]


def test_what_is_measured_again_and_again_counts_once(
    conditions: Conditions, caplog: pytest.LogCaptureFixture
) -> None:
    for age in range(5):
        conditions.measured("heartbeat_late", "", f"{age} s")
    (standing,) = conditions.standing()
    assert (standing.count, standing.text) == (1, "4 s")
    assert len(lines(caplog)) == 1


def test_the_end_of_what_does_not_stand_says_nothing(
    conditions: Conditions, caplog: pytest.LogCaptureFixture
) -> None:
    conditions.end("pull_failing", "shard 3")
    assert lines(caplog) == []


def test_every_kind_says_what_it_means_what_the_relay_does_and_what_to_do() -> None:
    for name, kind in CATALOGUE.items():
        assert name == kind.name
        assert name.replace("_", "").isalpha()
        assert name.islower()
        for text in (kind.meaning, kind.does, kind.todo, kind.over):
            assert text
            assert text == text.strip()
            assert not text.endswith(".")


def test_words_of_others_are_made_safe_where_they_enter(
    conditions: Conditions, caplog: pytest.LogCaptureFixture
) -> None:
    conditions.begin("collector_holding", HEC, "\x1b[2J\udcff\u202e\n" + "x" * 100_000)
    text = conditions.standing()[0].text
    assert text.isprintable()
    assert len(text) < 2000
    assert all(line.isprintable() for line in lines(caplog))
