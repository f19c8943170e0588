"""Joins chunks into batches by size and age. A plain object: no locks, no clock."""

from __future__ import annotations

from collections import deque

from sls_hec_forwarder.delivery.lease import Pull


class Piece:
    """One chunk of one pull: envelopes joined by LF."""

    __slots__ = ("added", "body", "events", "pull")

    def __init__(self, pull: Pull, body: bytes, events: int, added: float) -> None:
        self.pull = pull
        self.body = body
        self.events = events
        self.added = added


class Batch:
    """Pieces that travel in one request."""

    __slots__ = ("pieces",)

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces

    def body(self) -> bytes:
        return b"\n".join([piece.body for piece in self.pieces])

    @property
    def events(self) -> int:
        return sum(piece.events for piece in self.pieces)

    @property
    def size(self) -> int:
        """Bytes of the pieces, without the LF between them."""
        return sum(len(piece.body) for piece in self.pieces)

    @property
    def suspended(self) -> bool:
        """Some shard in it may belong to another consumer by now: do not send yet."""
        return any(piece.pull.lease.suspended for piece in self.pieces)

    def split_revoked(self) -> Batch | None:
        """Take out the pieces whose lease is revoked and return them, or None if there are none."""
        gone = [piece for piece in self.pieces if piece.pull.lease.revoked]
        if not gone:
            return None
        self.pieces = [piece for piece in self.pieces if not piece.pull.lease.revoked]
        return Batch(gone)


class Batcher:
    """Pieces in, batches out, in order.

    A batch is ready when the next piece would not fit into `batch_bytes`, or when its first piece is
    `batch_age` seconds old. A piece larger than `batch_bytes` travels alone.
    """

    def __init__(self, batch_bytes: int, batch_age: float) -> None:
        self._batch_bytes = batch_bytes
        self._batch_age = batch_age
        self._waiting: deque[Piece] = deque()
        self._waiting_bytes = 0

    def add(self, piece: Piece) -> None:
        self._waiting.append(piece)
        self._waiting_bytes += len(piece.body) + 1

    def due_in(self, now: float) -> float | None:
        """Seconds until a batch is ready: 0 when one is, None when nothing waits."""
        if not self._waiting:
            return None
        if self._waiting_bytes > self._batch_bytes:
            return 0.0
        return max(0.0, self._waiting[0].added + self._batch_age - now)

    def cut(self) -> Batch:
        """The next batch, ready or not; empty when nothing waits."""
        pieces: list[Piece] = []
        room = self._batch_bytes + 1  # the last piece needs no LF behind it
        while self._waiting:
            size = len(self._waiting[0].body) + 1
            if pieces and size > room:
                break
            room -= size
            self._waiting_bytes -= size
            pieces.append(self._waiting.popleft())
        return Batch(pieces)
