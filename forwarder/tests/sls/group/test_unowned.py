"""Shards that nobody holds though somebody should."""

from __future__ import annotations

from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.client import Checkpoint, Shard
from sls_hec_forwarder.sls.group.unowned import Unowned


class Ends:
    """Every shard ends at position 100."""

    asked = 0

    def cursor(self, shard: int, at: str | int) -> str:
        assert at == "end"
        self.asked += 1
        return cursors.encode(100)


def entry(shard: int, position: int | None, owner: str = "") -> Checkpoint:
    return Checkpoint(shard, "" if position is None else cursors.encode(position), owner, 1.0)


def test_unowned_since_when() -> None:
    now = [0.0]
    unowned = Unowned(Ends(), lambda: now[0])
    shards = [Shard(n, False, 0) for n in range(3)]
    owned = {n: entry(n, 5, "a") for n in range(3)}
    unowned.looked(shards, owned, in_order=False)
    assert unowned.found() == ((), 0.0)
    unowned.looked(shards, {**owned, 1: entry(1, 5)}, in_order=False)
    now[0] = 50.0
    unowned.looked(shards, {**owned, 1: entry(1, 5), 2: entry(2, None)}, in_order=False)
    assert unowned.found() == ((1, 2), 50.0)
    now[0] = 90.0
    assert unowned.found() == ((1, 2), 50.0), "nobody has looked since"
    now[0] = 50.0
    unowned.looked(shards, {**owned, 2: entry(2, None)}, in_order=False)
    assert unowned.found() == ((2,), 0.0)


def test_finished_shards_and_children_that_wait_are_nobodys_by_right() -> None:
    ends = Ends()
    unowned = Unowned(ends)
    shards = [Shard(0, True, 0), Shard(1, False, 5), Shard(2, False, 5)]
    parent_open = {0: entry(0, 50, "a"), 1: entry(1, None), 2: entry(2, None)}
    unowned.looked(shards, parent_open, in_order=True)
    assert unowned.found()[0] == ()
    unowned.looked(shards, parent_open, in_order=False)
    assert unowned.found()[0] == (1, 2)
    unowned.looked(shards, {**parent_open, 0: entry(0, 100)}, in_order=True)
    assert unowned.found()[0] == (1, 2)
    unowned.looked(shards, {**parent_open, 0: entry(0, 50)}, in_order=True)
    assert unowned.found()[0] == (0,)
    assert ends.asked == 1
