"""Joining chunks into batches, and taking batches apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sls_hec_forwarder.delivery.batcher import Batch, Batcher, Piece
from sls_hec_forwarder.delivery.lease import Fence, Lease


def lease(shard: int = 0) -> Lease:
    return Lease(shard, "c0", Fence(60))


def piece(body: bytes, owner: Lease | None = None, added: float = 0.0) -> Piece:
    pull = (owner or lease()).begin("c1", 1, 0.0)
    return Piece(pull, body, body.count(b"\n") + 1, added)


def test_batch_is_due_when_full_or_old() -> None:
    batcher = Batcher(batch_bytes=10, batch_age=1.0)
    assert batcher.due_in(5.0) is None
    batcher.add(piece(b"aaaa", added=5.0))
    assert batcher.due_in(5.25) == 0.75
    assert batcher.due_in(6.0) == 0.0
    batcher.add(piece(b"bbbb", added=5.1))
    assert batcher.due_in(5.25) == 0.75  # 9 of 10 bytes: one of none fits, but it is not full
    batcher.add(piece(b"c", added=5.2))
    assert batcher.due_in(5.25) == 0.0
    assert batcher.cut().body() == b"aaaa\nbbbb"
    assert batcher.cut().body() == b"c"
    assert batcher.due_in(9.0) is None
    assert batcher.cut().pieces == []


def test_exactly_full_batch_is_due() -> None:
    batcher = Batcher(batch_bytes=9, batch_age=60)
    batcher.add(piece(b"aaaa"))
    batcher.add(piece(b"bbbb"))
    assert batcher.due_in(0.0) == 0.0
    assert batcher.cut().body() == b"aaaa\nbbbb"


def test_piece_larger_than_a_batch_travels_alone() -> None:
    batcher = Batcher(batch_bytes=4, batch_age=60)
    for body in (b"a", b"bbbbbbbb", b"c"):
        batcher.add(piece(body))
    assert [batcher.cut().body() for _ in range(3)] == [b"a", b"bbbbbbbb", b"c"]


def test_hurry_makes_what_waits_ready_but_not_what_comes_later() -> None:
    batcher = Batcher(batch_bytes=100, batch_age=60)
    batcher.add(piece(b"a"))
    batcher.hurry()
    assert batcher.due_in(0.0) == 0.0
    assert batcher.cut().body() == b"a"
    batcher.add(piece(b"b"))
    assert batcher.due_in(0.0) == 60.0


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=40),
    batch_bytes=st.integers(1, 60),
)
def test_batches_keep_order_and_bound(sizes: list[int], batch_bytes: int) -> None:
    batcher = Batcher(batch_bytes, batch_age=1.0)
    bodies = [bytes([65 + number % 26]) * size for number, size in enumerate(sizes)]
    for body in bodies:
        batcher.add(piece(body))
    out: list[Batch] = []
    while batcher.due_in(99.0) is not None:
        out.append(batcher.cut())
    assert [each.body for batch in out for each in batch.pieces] == bodies
    for batch, following in zip(out, [*out[1:], None]):
        assert len(batch.body()) <= batch_bytes or len(batch.pieces) == 1
        if following is not None:  # nothing was cut short
            assert len(batch.body()) + 1 + len(following.pieces[0].body) > batch_bytes


@given(st.data())
def test_cut_splits_at_the_event_and_keeps_bytes_and_chunk_counts(data: st.DataObject) -> None:
    shard = lease()
    groups = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    lines: list[bytes] = []
    pieces = []
    pull = shard.begin("c1", len(groups), 0.0)
    for events in groups:
        mine = [b'{"event":%d}' % (len(lines) + number) for number in range(events)]
        lines += mine
        pieces.append(Piece(pull, b"\n".join(mine), events, 0.0))
    batch = Batch(pieces, attempts=3)
    size = batch.size
    at = data.draw(st.integers(0, len(lines)))
    rest = batch.cut(at)

    assert [line for line in batch.body().split(b"\n") if line] == lines[:at]
    assert [line for line in rest.body().split(b"\n") if line] == lines[at:]
    assert (batch.events, rest.events) == (at, len(lines) - at)
    assert batch.size + rest.size == size
    assert rest.attempts == 3
    for each in [*batch.pieces, *rest.pieces]:
        assert shard.committed == "c0"
        each.pull.chunk_delivered()
    assert shard.committed == "c1"


def test_split_revoked_takes_only_the_pieces_of_revoked_leases() -> None:
    one, two = lease(1), lease(2)
    batch = Batch([piece(b"a", one), piece(b"b", two), piece(b"c", one)])
    assert batch.split_revoked() is None
    one.revoke()
    gone = batch.split_revoked()
    assert gone is not None
    assert gone.body() == b"a\nc"
    assert batch.body() == b"b"


def test_suspended_while_the_fence_of_a_piece_is_closed() -> None:
    now = 100.0
    fence = Fence(30, clock=lambda: now)
    batch = Batch([piece(b"a", Lease(1, "c0", fence))])
    assert not batch.suspended
    now = 130.0
    assert batch.suspended
    fence.renew(101.0)
    assert not batch.suspended
