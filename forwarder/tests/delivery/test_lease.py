"""Leases: contiguous checkpoints, fences, revocation."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sls_hec_forwarder.delivery.lease import Fence, Lease


@given(st.data())
def test_committed_never_passes_a_pull_that_is_not_done(data: st.DataObject) -> None:
    chunks = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=12))
    lease = Lease(7, "start", Fence(60))
    pulls = [lease.begin(f"c{number}", count, float(number)) for number, count in enumerate(chunks)]
    left = dict(enumerate(chunks))

    def expected() -> str:
        done = "start"
        for number in range(len(chunks)):
            if left[number]:
                break
            done = f"c{number}"
        return done

    assert lease.committed == expected()
    deliveries = [number for number, count in enumerate(chunks) for _ in range(count)]
    for number in data.draw(st.permutations(deliveries)):
        pulls[number].chunk_delivered()
        left[number] -= 1
        assert lease.committed == expected()
        first = next((n for n in range(len(chunks)) if left[n]), None)
        assert lease.oldest_started == (None if first is None else float(first))
    assert lease.committed == f"c{len(chunks) - 1}"
    assert lease.pulls_in_flight == 0


def test_a_chunk_too_many_is_an_error_not_a_checkpoint() -> None:
    lease = Lease(7, "start", Fence(60))
    pull = lease.begin("c1", 1, 0.0)
    pull.chunk_delivered()
    with pytest.raises(AssertionError, match="shard 7"):
        pull.chunk_delivered()


def test_fence_counts_from_when_the_heartbeat_was_sent() -> None:
    now = 0.0
    fence = Fence(10, clock=lambda: now)
    lease = Lease(1, "c0", fence)
    now = 9.0
    fence.renew(4.0)
    now = 13.5
    assert lease.active
    now = 14.0
    assert not lease.active
    assert lease.suspended
    fence.renew(3.0)  # an old heartbeat that was answered late opens nothing
    assert lease.suspended
    fence.renew(13.0)
    assert lease.active
    lease.revoke()
    assert not lease.active
    assert not lease.suspended


def test_wait_settled_ends_when_the_last_pull_is_done() -> None:
    lease = Lease(1, "c0", Fence(60))
    assert lease.wait_settled(0.0)
    pull = lease.begin("c1", 2, 0.0)
    assert not lease.wait_settled(0.01)
    waiter_saw: list[bool] = []
    waiter = threading.Thread(target=lambda: waiter_saw.append(lease.wait_settled(30)))
    waiter.start()
    pull.chunk_delivered()
    pull.chunk_delivered()
    waiter.join(30)
    assert waiter_saw == [True]


def test_wait_settled_ends_when_the_lease_is_revoked() -> None:
    lease = Lease(1, "c0", Fence(60))
    lease.begin("c1", 1, 0.0)
    waiter_saw: list[bool] = []
    waiter = threading.Thread(target=lambda: waiter_saw.append(lease.wait_settled(30)))
    waiter.start()
    lease.revoke()
    waiter.join(30)
    assert waiter_saw == [True]
    assert lease.committed == "c0"
