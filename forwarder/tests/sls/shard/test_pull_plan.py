"""Pauses, patience and the end of a shard; and the back-off and the one-line troubles they rest on."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api import errors
from sls_hec_forwarder.sls.api.pull_answer import PullAnswer
from sls_hec_forwarder.sls.api.trouble import Trouble
from sls_hec_forwarder.sls.shard.pull_plan import PullPlan


def answer(start: int, groups: int, *, skip: int = 0, caught_up: bool = False) -> PullAnswer:
    return PullAnswer(
        shard=0,
        cursor=cursors.encode(start),
        next_cursor=cursors.encode(start + groups + skip),
        groups=groups,
        first_cursor=start,
        cursor_time=1_700_000_000,
        caught_up=caught_up or not groups + skip,
        compression="",
        raw_bytes=groups,
        body=b"x" * groups,
    )


def test_no_pause_while_there_is_more() -> None:
    reader = PullPlan(cursors.encode(10), 0.5)
    assert reader.pulled(answer(10, 1000), read_only=False) == 0.0
    assert reader.cursor == cursors.encode(1010)
    assert not reader.caught_up
    # A filter on the server let nothing through, but there is more behind it.
    assert reader.pulled(answer(1010, 0, skip=500), read_only=False) == 0.0
    assert 0.4 < reader.pulled(answer(1510, 5, caught_up=True), read_only=False) < 0.6
    assert 0.4 < reader.pulled(answer(1515, 0), read_only=False) < 0.6
    assert reader.caught_up
    assert not reader.finished


def test_end_of_a_read_only_shard() -> None:
    reader = PullPlan(cursors.encode(10), 0.5)
    reader.pulled(answer(10, 5, caught_up=True), read_only=True)
    assert not reader.at_end  # only an empty answer says that nothing is behind it
    reader.pulled(answer(15, 0), read_only=True)
    assert reader.at_end
    assert reader.finished


@given(st.integers(0, 50), st.integers(0, 50))
def test_stop_position(position: int, stop: int) -> None:
    reader = PullPlan(cursors.encode(position), 0.5)
    assert not reader.stopped
    reader.stop = cursors.encode(stop)
    assert reader.stopped == (position >= stop)


def test_cursors_that_are_no_numbers_stop_at_the_same_text() -> None:
    reader = PullPlan("opaque-1", 0.5)
    reader.stop = "opaque-2"
    assert not reader.stopped
    reader.jump("opaque-2")
    assert reader.stopped


@pytest.mark.parametrize(
    ("error", "first", "cap"),
    [
        (errors.ServiceFault, 0.5, 30),
        (errors.Throttled, 1, 15),
        (errors.AuthFailed, 5, 60),
        (errors.Rejected, 5, 60),
        (errors.CorruptPull, 1, 60),
        (errors.Unreadable, 1, 60),
        (errors.CursorInvalid, 1, 60),
    ],
)
def test_patience(error: type[errors.SlsError], first: float, cap: float) -> None:
    reader = PullPlan(cursors.encode(10), 0.5)
    pauses = [reader.failed(error("x")) for _ in range(12)]
    assert first / 2 <= pauses[0] <= first
    assert all(pause <= cap for pause in pauses)
    assert pauses[-1] >= cap / 2
    assert reader.cursor == cursors.encode(10)  # nothing is skipped
    reader.pulled(answer(10, 1), read_only=False)
    assert reader.failed(error("x")) <= first


def test_another_kind_of_trouble_starts_anew() -> None:
    reader = PullPlan(cursors.encode(10), 0.5)
    for _ in range(10):
        reader.failed(errors.ServiceFault("x"))
    assert reader.failed(errors.Throttled("x")) <= 1


def test_trouble_is_told_once_and_its_end_once(caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    trouble = Trouble(Conditions(), "pull_failing", "shard 3")
    trouble.over()
    for _ in range(5):
        trouble.failed(errors.ServiceFault("no answer"))
    for _ in range(5):
        trouble.failed(errors.AuthFailed("wrong key"))
    trouble.over()
    trouble.over()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]
    assert "10 times" in caplog.messages[2]
    trouble.failed(errors.AuthFailed("wrong key"))
    assert len(caplog.records) == 4


def test_denied_call_names_the_right_that_it_needs() -> None:
    conditions = Conditions()
    problem = errors.Denied("UpdateCheckPoint p/l/0: Unauthorized")
    problem.call = "UpdateCheckPoint"
    Trouble(conditions, "checkpoint_failing", "shard 0").failed(problem)
    (standing,) = conditions.standing()
    assert standing.todo == "allow log:ConsumerGroupUpdateCheckPoint in the RAM policy"


def test_missing_logstore_is_one_condition_whoever_meets_it() -> None:
    conditions = Conditions()
    troubles = [Trouble(conditions, "pull_failing", f"shard {number}") for number in range(3)]
    for trouble in troubles:
        trouble.failed(errors.Rejected("no such logstore", status=404, code="LogStoreNotExist"))
    assert [each.name for each in conditions.standing()] == ["logstore_missing"]
    troubles[1].over()
    assert conditions.standing() == []
