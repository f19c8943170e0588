"""A thread that does the same again and again, whatever happens."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Callable

import pytest

from sls_hec_forwarder.errors import OperatorError, TransientError
from sls_hec_forwarder.retry.backoff import CountingBackoff
from sls_hec_forwarder.retry.periodic import Periodic

_log = logging.getLogger("test.periodic")
SOON = 30.0  # seconds that nothing here takes


def periodic(work: Callable[[], float | None], interval: float = 0.0, **more: Any) -> Periodic:
    backoff = more.pop("backoff", CountingBackoff(0.001, 0.002))
    return Periodic("test", "the work", work, log=_log, interval=interval, backoff=backoff, **more)


class Script:
    """What each call does; after the last one, `done` is set."""

    def __init__(self, *calls: float | Exception | None) -> None:
        self._calls = list(calls)
        self.done = threading.Event()

    def __call__(self) -> float | None:
        if not self._calls:
            self.done.set()
            return SOON
        call = self._calls.pop(0)
        if isinstance(call, Exception):
            raise call
        return call


def test_errors_are_outlived_and_told_once_for_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    work = Script(
        *[ZeroDivisionError("boom")] * 3, *[TransientError("busy")] * 3, OperatorError("no such"), None
    )
    thread = periodic(work)
    with caplog.at_level(logging.INFO):
        thread.start()
        assert work.done.wait(SOON)
    assert thread.alive
    assert (thread.failures, thread.problem) == (0, None)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "the work: unexpected error: ZeroDivisionError: boom; trying again until it works"),
        ("WARNING", "the work: busy; trying again until it works"),
        ("ERROR", "the work: no such; trying again until it works"),
        ("INFO", "the work: works again, after 7 failures"),
    ]
    assert [record.exc_info is not None for record in caplog.records] == [True, False, False, False]
    assert thread.stop(SOON)


def test_a_failure_can_be_seen_while_it_lasts() -> None:
    failing = threading.Semaphore(0)

    def work() -> None:
        failing.release()
        raise TransientError("busy")

    thread = periodic(work)
    thread.start()
    for _ in range(3):
        assert failing.acquire(timeout=SOON)
    assert thread.failures >= 2
    assert str(thread.problem) == "busy"
    assert thread.stop(SOON)
    assert not thread.alive


@pytest.mark.parametrize("pause", [SOON, 9e99])
def test_it_ends_at_once_in_the_middle_of_a_pause(pause: float) -> None:
    called = threading.Event()

    def work() -> float:
        called.set()
        return pause

    thread = periodic(work)
    thread.start()
    assert called.wait(SOON)
    began = time.monotonic()
    assert thread.stop(SOON)
    assert time.monotonic() - began < SOON / 2
    assert thread.stop(0)


def test_it_is_woken_but_not_by_the_hundred() -> None:
    calls = []
    thread = periodic(lambda: calls.append(time.monotonic()), interval=SOON, least_pause=0.2)
    thread.start()
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        thread.wake()
        time.sleep(0.001)
    assert thread.stop(SOON)
    assert len(calls) > 1
    assert all(later - earlier >= 0.2 for earlier, later in zip(calls, calls[1:]))


def test_the_last_call_comes_when_it_is_stopped() -> None:
    calls = []
    thread = periodic(lambda: calls.append(1), first_pause=SOON, interval=SOON, once_more=True)
    thread.start()
    assert thread.stop(SOON)
    assert len(calls) == 1


def test_without_a_start_it_can_be_stopped() -> None:
    thread = periodic(lambda: None)
    assert not thread.alive
    assert thread.stop(0)
