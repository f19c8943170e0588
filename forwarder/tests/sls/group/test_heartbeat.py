"""The heartbeat's thread, on answers that are made up one by one."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Union

from sls_hec_forwarder.delivery.lease import Fence
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.sls.api.errors import GroupMissing, NotMember, Rejected, ServiceFault
from sls_hec_forwarder.sls.group.heartbeat import Heartbeat
from sls_hec_forwarder.sls.group.membership import Do, ShardAction

Answer = Union["list[int]", Exception, Callable[[], "list[int]"]]


class Script:
    """A server that gives these answers, then the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.reports: list[list[int]] = []
        self.times: list[float] = []

    def heartbeat(self, shards: list[int]) -> list[int]:
        self.reports.append(shards)
        self.times.append(time.monotonic())
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


class Beating:
    """A heartbeat on such a script."""

    def __init__(
        self, script: Script, act: Callable[[ShardAction], None] | None = None, interval: float = 0.05
    ) -> None:
        self.actions: list[ShardAction] = []
        self.fence = Fence(30)
        self.heartbeat = Heartbeat(
            script,
            self.fence,
            act or self.actions.append,
            interval=interval,
            group_timeout=40,
            conditions=Conditions(),
        )
        self.heartbeat.start()


def test_refusal_revokes_and_joins_anew_at_once(eventually: Any) -> None:
    script = Script([1, 2], NotMember("x"), [2])
    beating = Beating(script, interval=0.5)
    eventually(lambda: len(script.reports) >= 4)
    assert script.reports[:4] == [[], [1, 2], [], [2]]
    assert script.times[2] - script.times[1] < 0.4
    done = [(action.do, action.shard) for action in beating.actions]
    assert done == [(Do.START, 1), (Do.START, 2), (Do.REVOKE, 1), (Do.REVOKE, 2), (Do.START, 2)]
    assert beating.heartbeat.finish(10)


def test_refusal_of_an_empty_report_does_not_spin() -> None:
    script = Script(NotMember("x"))
    beating = Beating(script, interval=5)
    time.sleep(1)
    assert len(script.reports) < 10
    assert beating.heartbeat.finish(10)


def test_it_outlives_every_error(eventually: Any, caplog: Any) -> None:
    script = Script(ServiceFault("a"), Rejected("b"), ZeroDivisionError("a bug"), [7])
    beating = Beating(script)
    eventually(lambda: beating.actions == [ShardAction(Do.START, 7, 1)])
    assert "unexpected error" in caplog.text
    assert beating.heartbeat.alive
    assert beating.heartbeat.finish(10)
    assert not beating.heartbeat.alive


def test_shard_that_no_thread_can_be_started_for_is_not_held(eventually: Any) -> None:
    def act(action: ShardAction) -> None:
        raise RuntimeError("can't start new thread")

    script = Script([7])
    beating = Beating(script, act)
    eventually(lambda: len(script.reports) >= 3)
    assert all(report == [] for report in script.reports)
    assert beating.heartbeat.finish(10)


def test_what_is_given_up_is_told_at_once_and_at_the_end(eventually: Any) -> None:
    script = Script([1, 2], [1], [1], [1])
    beating = Beating(script, interval=60)
    eventually(lambda: beating.actions == [ShardAction(Do.START, 1, 1), ShardAction(Do.START, 2, 2)])
    beating.heartbeat.release_all()
    assert beating.actions[2:] == [ShardAction(Do.RELEASE, 1, 1), ShardAction(Do.RELEASE, 2, 2)]
    beating.heartbeat.given_up(2, 2)
    eventually(lambda: script.reports[-1] == [1])
    assert beating.heartbeat._membership.report() == [1]
    beating.heartbeat.given_up(1, 1)
    assert beating.heartbeat._membership.report() == []
    assert beating.heartbeat.finish(10)
    assert script.reports[-1] == []


def test_last_heartbeat_is_tried_again_but_not_for_ever(eventually: Any) -> None:
    script = Script([1], [1], ServiceFault("down"))
    beating = Beating(script, interval=0.2)
    eventually(lambda: len(script.reports) == 3)
    beating.heartbeat.release_all()
    beating.heartbeat.given_up(1, 1)
    assert beating.heartbeat.finish(30)
    assert script.reports[-1] == []
    assert script.reports.count([]) <= 6


def test_fence_counts_from_the_time_of_sending(eventually: Any) -> None:
    gate = threading.Event()

    def slow() -> list[int]:
        gate.wait(30)
        return []

    script = Script(slow)
    beating = Beating(script, interval=60)
    eventually(lambda: script.reports)
    time.sleep(0.5)
    gate.set()
    eventually(lambda: beating.heartbeat.last_success is not None)
    assert beating.heartbeat.last_success is not None
    assert beating.heartbeat.last_success <= script.times[0]
    assert beating.heartbeat.finish(10)


def test_finish_without_start() -> None:
    heartbeat = Heartbeat(Script([]), Fence(30), print, interval=1, group_timeout=40, conditions=Conditions())
    assert heartbeat.finish(1)


def test_missing_group_and_a_refusal_in_time_are_told_apart(eventually: Any) -> None:
    missing: list[str] = []
    forgotten: list[int] = []
    script = Script([1], NotMember("x"), [1], GroupMissing("gone"), GroupMissing("gone"), NotMember("x"), [1])
    heartbeat = Heartbeat(
        *(script, Fence(30), lambda _: None),
        interval=0.05,
        group_timeout=40,
        conditions=Conditions(),
        missing=missing.append,
        forgotten=lambda: forgotten.append(len(script.reports)),
    )
    heartbeat.start()
    eventually(lambda: len(script.reports) >= 8)
    assert heartbeat.finish(10)
    assert missing == ["gone", "gone"]
    assert forgotten[0] == 2
