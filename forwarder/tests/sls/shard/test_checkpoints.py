"""Checkpoints: saved when they move, never when they are not ours, retried when that fails."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sls_hec_forwarder.delivery.lease import Fence, Lease
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.observer import SlsObserver
from sls_hec_forwarder.sls.shard.checkpoints import Checkpoints, Saver
from sls_hec_standins.http import Fault


class Setup:
    """A shard that the consumer "me" holds, at position 0, and its lease."""

    def __init__(self, cloud: Any) -> None:
        cloud.make(shards=1)
        self.client = cloud.client("me")
        self.client.create_group(40, False)
        assert self.client.heartbeat([]) == [0]
        self.client.save_checkpoint(0, cursors.encode(0))
        self.now = 0.0
        self.fence = Fence(30, lambda: self.now)
        self.lease = Lease(0, cursors.encode(0), self.fence)
        self.lost = 0
        self.group_lost: list[str] = []
        self.moved: list[str] = []
        self.saver = Saver(
            self.client,
            self.lease,
            observer=SlsObserver(),
            conditions=Conditions(),
            lost=self._lose,
            group_lost=self.group_lost.append,
            moved=self.moved.append,
        )

    def _lose(self) -> None:
        self.lost += 1
        self.lease.revoke()

    def deliver(self, position: int) -> None:
        self.lease.begin(cursors.encode(position), 0, 0.0)

    @property
    def checkpoint(self) -> int:
        return cursors.decode(self.client.checkpoints()[0].cursor)


@pytest.fixture
def setup(cloud: Any) -> Setup:
    return Setup(cloud)


def test_save_when_it_moved_only(setup: Setup, cloud: Any) -> None:
    number = cloud.standin.faults.add(Fault("latency", "UpdateCheckPoint", delay=0))
    assert not setup.saver.due
    assert setup.saver.save()
    assert cloud.standin.faults.fired(number) == 0
    setup.deliver(5)
    assert setup.saver.due
    assert setup.saver.save()
    assert setup.saver.save()
    assert cloud.standin.faults.fired(number) == 1
    assert setup.checkpoint == 5
    assert setup.saver.save(again=True)
    assert cloud.standin.faults.fired(number) == 2


def test_suspended_lease_is_not_saved(setup: Setup) -> None:
    setup.deliver(5)
    setup.now = 100.0
    assert not setup.saver.due
    assert not setup.saver.save()
    assert not setup.saver.save_finally(0.3)
    assert setup.checkpoint == 0
    setup.fence.renew(100.0)
    assert setup.saver.save_finally(5)
    assert setup.checkpoint == 5


def test_checkpoint_of_another_consumer_is_not_overwritten(setup: Setup, cloud: Any) -> None:
    with cloud.store.lock:
        cloud.store.groups["relay"].kick("me", cloud.standin.clock.now())
    other = cloud.client("other")
    assert other.heartbeat([]) == [0]
    other.save_checkpoint(0, cursors.encode(9))
    setup.deliver(5)
    assert not setup.saver.save()
    assert setup.lost == 1
    assert setup.lease.revoked
    assert not setup.saver.save_finally(5)
    assert setup.checkpoint == 9


def test_failure_is_tried_again_after_a_pause(setup: Setup, cloud: Any) -> None:
    cloud.standin.faults.add(
        Fault("error", "UpdateCheckPoint", times=2, status=500, code="InternalServerError", text="x")
    )
    setup.deliver(5)
    assert not setup.saver.save()
    assert not setup.saver.due
    assert setup.saver.save_finally(30)
    assert setup.checkpoint == 5
    assert setup.lost == 0


def test_saving_gives_up_in_time(setup: Setup, cloud: Any) -> None:
    cloud.standin.faults.add(
        Fault("error", "UpdateCheckPoint", status=403, code="ProjectForbidden", text="x")
    )
    setup.deliver(5)
    began = time.monotonic()
    assert not setup.saver.save_finally(0.5)
    assert time.monotonic() - began < 20


def test_thread_saves_by_and_by_and_at_the_end(setup: Setup, cloud: Any, eventually: Any) -> None:
    checkpoints = Checkpoints(0.1, setup.client.checkpoints, Conditions())
    checkpoints.add(setup.saver)
    checkpoints.start()
    setup.deliver(5)
    eventually(lambda: setup.checkpoint == 5)
    slow = Checkpoints(3600, setup.client.checkpoints, Conditions())
    slow.add(setup.saver)
    slow.start()
    checkpoints.remove(setup.saver)
    setup.deliver(6)
    assert slow.finish(30)
    assert setup.checkpoint == 6
    assert checkpoints.finish(30)


def set_by_somebody(cloud: Any, position: int) -> None:
    cloud.standin.console.set_checkpoint("proj", "store", "relay", to=cursors.encode(position), shard=0)


def test_checkpoint_that_somebody_set_is_told_and_not_overwritten(setup: Setup, cloud: Any) -> None:
    checkpoints = Checkpoints(3600, setup.client.checkpoints, Conditions())
    checkpoints.add(setup.saver)
    setup.deliver(5)
    set_by_somebody(cloud, 3)
    checkpoints.start()
    checkpoints.finish(10)  # saves what is due a last time
    assert setup.moved == [cursors.encode(3)]
    assert setup.checkpoint == 3


def test_own_checkpoint_and_one_without_an_answer_are_nobody_elses(setup: Setup, cloud: Any) -> None:
    checkpoints = Checkpoints(3600, setup.client.checkpoints, Conditions())
    checkpoints.add(setup.saver)
    checkpoints.compare(setup.client.checkpoints())
    cloud.standin.faults.add(Fault("reset_after", "UpdateCheckPoint", times=1))
    setup.deliver(5)
    assert not setup.saver.save()
    assert setup.checkpoint == 5
    checkpoints.compare(setup.client.checkpoints())
    assert setup.moved == []
    assert setup.saver.saved != setup.lease.committed  # to be saved again


def test_checkpoint_that_is_seen_only_once_is_not_obeyed(setup: Setup) -> None:
    """It was overtaken by a save of our own between the look and the comparison."""
    checkpoints = Checkpoints(3600, setup.client.checkpoints, Conditions())
    checkpoints.add(setup.saver)
    stale = setup.client.checkpoints()
    setup.deliver(5)
    assert setup.saver.save()
    checkpoints.compare(stale)
    assert setup.moved == []


def test_checkpoint_that_is_gone_is_a_group_that_was_deleted(setup: Setup, cloud: Any) -> None:
    checkpoints = Checkpoints(3600, setup.client.checkpoints, Conditions())
    checkpoints.add(setup.saver)
    with cloud.store.lock:
        cloud.standin.console.delete_group("proj", "store", "relay")
        cloud.standin.console.put_group("proj", "store", "relay")
    checkpoints.compare(setup.client.checkpoints())
    assert len(setup.group_lost) == 1
    assert setup.moved == []


def test_nobody_compares_while_the_fence_is_closed(setup: Setup, cloud: Any) -> None:
    """Another consumer may own the shard then, and save."""
    checkpoints = Checkpoints(3600, setup.client.checkpoints, Conditions())
    checkpoints.add(setup.saver)
    set_by_somebody(cloud, 3)
    setup.now = 31.0
    checkpoints.compare(setup.client.checkpoints())
    assert setup.moved == []
