"""What a crash may repeat: counted exactly, and bounded whatever the order of events."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sls_hec_forwarder.delivery.lease import Committed, Fence, Lease, Pull
from sls_hec_forwarder.delivery.unsaved import Unsaved

MAX_BYTES, MAX_SECONDS, LARGEST = 100, 50.0, 60


@dataclass
class Shard:
    """A lease, and the plain books on it."""

    lease: Lease
    pulling: bool = False  # allowed to pull, has not taken the answer over
    pulls: list[tuple[int, Pull, float]] = field(default_factory=list)  # all since the saved checkpoint
    open: deque[Pull] = field(default_factory=deque)
    saving: Committed | None = None

    @property
    def unsaved(self) -> int:
        return sum(size for size, _, _ in self.pulls)


class Books(RuleBasedStateMachine):
    """Shards that pull when they may, deliver in any order, and save when they like or never."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.unsaved = Unsaved(MAX_BYTES, MAX_SECONDS)
        self.fence = Fence(1000, clock=lambda: 0.0)
        self.shards: list[Shard] = []
        self.count = 0

    @rule()
    def assigned(self) -> None:
        if len(self.shards) < 5:
            lease = Lease(len(self.shards), "start", self.fence, self.unsaved)
            self.shards.append(Shard(lease))

    @precondition(lambda self: len(self.shards) > 3)  # else few live long enough to fill up
    @rule(data=st.data())
    def revoked(self, data: st.DataObject) -> None:
        shard = self._one(data)
        self.shards.remove(shard)
        shard.lease.revoke()
        shard.lease.revoke()  # twice is as once

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.shards)
    @rule(data=st.data())
    def asks(self, data: st.DataObject) -> None:
        shard = self._one(data)
        allowed = shard.lease.may_pull(self.now)
        age = self.now - shard.pulls[0][2] if shard.pulls else 0.0
        own, total = shard.unsaved, sum(each.unsaved for each in self.shards)
        share = MAX_BYTES if len(self.shards) == 1 else MAX_BYTES / 2
        assert allowed == (age < MAX_SECONDS and (not own or (own < share and total < MAX_BYTES)))
        shard.pulling = shard.pulling or allowed

    @precondition(lambda self: any(shard.pulling for shard in self.shards))
    @rule(data=st.data(), size=st.integers(0, LARGEST))
    def pulled(self, data: st.DataObject, size: int) -> None:
        shard = data.draw(st.sampled_from([each for each in self.shards if each.pulling]))
        shard.pulling = False
        self.count += 1
        pull = shard.lease.begin(f"c{self.count}", 1 if size else 0, self.now, size)
        shard.pulls.append((size, pull, self.now))
        if size:
            shard.open.append(pull)

    @precondition(lambda self: any(shard.open for shard in self.shards))
    @rule(data=st.data())
    def delivered(self, data: st.DataObject) -> None:
        shard = data.draw(st.sampled_from([each for each in self.shards if each.open]))
        pull = data.draw(st.sampled_from(list(shard.open)))
        shard.open.remove(pull)
        pull.chunk_delivered()

    @precondition(lambda self: self.shards)
    @rule(data=st.data())
    def save_begins(self, data: st.DataObject) -> None:
        shard = self._one(data)
        shard.saving = shard.lease.checkpoint()  # of one that failed nothing more is heard

    @precondition(lambda self: any(shard.saving for shard in self.shards))
    @rule(data=st.data())
    def save_succeeds(self, data: st.DataObject) -> None:
        shard = data.draw(st.sampled_from([each for each in self.shards if each.saving]))
        saved, shard.saving = shard.saving, None
        assert saved is not None
        shard.lease.saved(saved)
        cursors = [pull.next_cursor for _, pull, _ in shard.pulls]
        if saved.cursor in cursors:
            del shard.pulls[: cursors.index(saved.cursor) + 1]

    def _one(self, data: st.DataObject) -> Shard:
        return data.draw(st.sampled_from(self.shards))

    @invariant()
    def the_books_agree(self) -> None:
        for shard in self.shards:
            assert shard.lease.unsaved_bytes == shard.unsaved
        assert self.unsaved.total == sum(shard.unsaved for shard in self.shards)

    @invariant()
    def it_is_bounded(self) -> None:
        """The bound that the documentation promises: one pull for each shard beyond the settings."""
        for shard in self.shards:
            assert shard.unsaved <= MAX_BYTES + LARGEST
        largest = sum(max((size for size, _, _ in shard.pulls), default=0) for shard in self.shards)
        assert self.unsaved.total <= MAX_BYTES + largest


TestBooks = Books.TestCase


def test_one_stuck_shard_has_half_and_others_go_on() -> None:
    unsaved = Unsaved(100)
    stuck, other = (Lease(shard, "start", Fence(60), unsaved) for shard in (1, 2))
    stuck.begin("c1", 1, 0.0, 50)
    assert not stuck.may_pull(0.0)
    assert other.may_pull(0.0)
    third = Lease(3, "start", Fence(60), unsaved)
    third.begin("c1", 1, 0.0, 50)
    # Two of them have it all. A pull at a time is always possible.
    assert other.may_pull(0.0)
    other.begin("c1", 0, 0.0, 1)
    assert not other.may_pull(0.0)
    other.saved(other.checkpoint())
    assert other.may_pull(0.0)
    # Whoever stays alone may use it all.
    third.revoke()
    other.revoke()
    assert stuck.may_pull(0.0)


def test_what_is_delivered_but_not_saved_counts_until_it_is_saved() -> None:
    lease = Lease(1, "start", Fence(60), Unsaved(100, 10.0))
    lease.begin("c1", 1, 1.0, 100).chunk_delivered()
    assert lease.committed == "c1"
    assert not lease.may_pull(1.0)
    checkpoint = lease.checkpoint()
    lease.begin("c2", 1, 5.0, 10)  # while it is being saved
    lease.saved(checkpoint)
    assert lease.unsaved_bytes == 10
    assert lease.may_pull(14.9)
    assert not lease.may_pull(15.0)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 8))
def test_a_shard_at_the_bound_always_hurries_to_save_what_it_can(
    own: int, saveable: int, shards: int
) -> None:
    """Else a shard would stand until the next regular save, though all is delivered."""
    unsaved = Unsaved(100)
    for _ in range(shards):
        unsaved.join()
    unsaved.change(own)
    if not unsaved.allows(own, 0.0) and saveable >= 100 / 32:
        assert unsaved.hurries(own, saveable)
    if own < 25:
        assert not unsaved.hurries(own, saveable)


def test_a_revoked_lease_counts_no_more() -> None:
    unsaved = Unsaved(100)
    lease = Lease(1, "start", Fence(60), unsaved)
    pull = lease.begin("c1", 1, 0.0, 70)
    checkpoint = lease.checkpoint()
    lease.revoke()
    assert unsaved.total == 0
    pull.chunk_delivered()
    lease.begin("c2", 1, 0.0, 10)
    lease.saved(checkpoint)
    assert unsaved.total == 0


@pytest.mark.parametrize("size", [101, 10_000])
def test_a_pull_larger_than_the_bound_passes_by_itself(size: int) -> None:
    lease = Lease(1, "start", Fence(60), Unsaved(100))
    for number in range(3):
        assert lease.may_pull(0.0)
        pull = lease.begin(f"c{number}", 1, 0.0, size)
        assert not lease.may_pull(0.0)
        pull.chunk_delivered()
        lease.saved(lease.checkpoint())
