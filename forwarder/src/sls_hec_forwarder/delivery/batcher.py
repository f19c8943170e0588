"""Joins chunks into batches by size and age, and splits batches again. No locks, no clock."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

import zstd

from sls_hec_forwarder.delivery.lease import Pull

# Fast: it shrinks envelopes to a quarter, at less than half the cost of zlib's level 1.
_LEVEL: Final = -1


class Piece:
    """One chunk of one pull, or a part of one: envelopes joined by LF.

    `size`: bytes that count as in flight; the sizes of a chunk's parts add up to the size of the chunk.
    `original`: a single event as it was before its index was changed.
    """

    __slots__ = ("added", "body", "events", "original", "pull", "size")

    def __init__(self, pull: Pull, body: bytes, events: int, added: float, size: int | None = None) -> None:
        self.pull = pull
        self.body = body
        self.events = events
        self.added = added
        self.size = len(body) if size is None else size
        self.original: bytes | None = None

    def cut(self, events: int) -> Piece:
        """Keep the first `events` and return the rest; neither part may be empty."""
        end = -1
        for _ in range(events):
            end = self.body.index(b"\n", end + 1)
        rest = self.body[end + 1 :]
        self.pull.chunk_split()
        other = Piece(self.pull, rest, self.events - events, self.added)
        self.body = self.body[:end]
        self.events = events
        self.size -= other.size
        return other


class _Packed(NamedTuple):
    """A batch's compressed body, and how to split it into its pieces again."""

    data: bytes
    lengths: list[int]
    sizes: list[int]


class Case:
    """A batch that is refused while others pass, shared by its parts. `left`: events not yet settled."""

    __slots__ = ("begun", "left", "passed", "subject")

    def __init__(self, subject: str, begun: float, passed: int) -> None:
        self.subject = subject
        self.begun = begun
        self.passed = passed
        self.left = 0


class Batch:
    """Pieces that travel in one request.

    It keeps its history and passes it to its parts: `attempts` counts the requests that failed, `isolated`
    the refused events that were taken out, `unacked` how often it was accepted but not acknowledged,
    `refused` the refusals that were its own fault. While it is packed it has no body and cannot be split.
    """

    __slots__ = ("_packed", "attempts", "case", "isolated", "mark", "pieces", "refused", "unacked")

    def __init__(self, pieces: list[Piece], attempts: int = 0, isolated: int = 0) -> None:
        self.pieces = pieces
        self.attempts = attempts
        self.isolated = isolated
        self.unacked = 0
        self.refused = 0
        #: The endpoint that refused it last, and how many batches had passed there by then.
        self.mark: tuple[str, int] | None = None
        self.case: Case | None = None
        self._packed: _Packed | None = None

    def _part(self, pieces: list[Piece]) -> Batch:
        part = Batch(pieces, self.attempts, self.isolated)
        part.unacked, part.refused = self.unacked, self.refused
        part.mark, part.case = self.mark, self.case
        return part

    def body(self) -> bytes:
        return b"\n".join([piece.body for piece in self.pieces])

    @property
    def events(self) -> int:
        return sum(piece.events for piece in self.pieces)

    @property
    def size(self) -> int:
        """Bytes of it that count as in flight."""
        return sum(piece.size for piece in self.pieces)

    @property
    def raw_size(self) -> int:
        """The `size` that it has unpacked."""
        return self.size if self._packed is None else sum(self._packed.sizes)

    def pack(self) -> None:
        """Compress it, for a time in which its body is not expected to be needed."""
        if self._packed is not None:
            return
        lengths = [len(piece.body) for piece in self.pieces]
        self._packed = _Packed(
            zstd.compress(self.body(), _LEVEL), lengths, [piece.size for piece in self.pieces]
        )
        for piece in self.pieces:
            piece.body = b""
            piece.size = 0
        self.pieces[0].size = len(self._packed.data)

    def unpack(self) -> None:
        """The reverse of `pack`."""
        if self._packed is None:
            return
        body, at = zstd.decompress(self._packed.data), 0
        for piece, length, size in zip(self.pieces, self._packed.lengths, self._packed.sizes):
            piece.body = body[at : at + length]
            piece.size = size
            at += length + 1
        self._packed = None

    @property
    def suspended(self) -> bool:
        """Whether another consumer may own one of its shards now: do not send it yet."""
        return any(piece.pull.lease.suspended for piece in self.pieces)

    @property
    def revoked(self) -> bool:
        """Whether all of its leases are revoked."""
        return all(piece.pull.lease.revoked for piece in self.pieces)

    def split_revoked(self) -> Batch | None:
        """Take out the pieces whose lease is revoked and return them, or None if there are none."""
        gone = [piece for piece in self.pieces if piece.pull.lease.revoked]
        if not gone:
            return None
        held = {id(piece) for piece in gone}
        self.pieces = [piece for piece in self.pieces if id(piece) not in held]
        return self._part(gone)

    def event(self, number: int) -> tuple[bytes, bool]:
        """The envelope with that number (from 0), and whether its index was changed before."""
        for piece in self.pieces:
            if number < piece.events:
                return piece.body.split(b"\n", number + 1)[number], piece.original is not None
            number -= piece.events
        raise IndexError("no such event")

    def cut(self, events: int) -> Batch:
        """Keep the first `events` (from 0 to all) and return the rest as another batch."""
        kept: list[Piece] = []
        left = events
        for number, piece in enumerate(self.pieces):
            if left < piece.events:
                others = self.pieces[number:]
                if left:
                    others[0] = piece.cut(left)
                    kept.append(piece)
                break
            kept.append(piece)
            left -= piece.events
        else:
            others = []
        self.pieces = kept
        return self._part(others)


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
        self._hurried = 0

    def add(self, piece: Piece) -> None:
        self._waiting.append(piece)
        self._waiting_bytes += len(piece.body) + 1

    def hurry(self) -> None:
        """Make all pieces that wait now ready, whatever their age."""
        self._hurried = len(self._waiting)

    def due_in(self, now: float) -> float | None:
        """Seconds until a batch is ready: 0 when one is, None when nothing waits."""
        if not self._waiting:
            return None
        if self._hurried or self._waiting_bytes > self._batch_bytes:
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
        self._hurried = max(0, self._hurried - len(pieces))
        return Batch(pieces)
