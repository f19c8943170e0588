"""The bounded queue between shard readers and senders.

Its bound is what keeps the process's memory flat: a reader that cannot put does not pull, and SLS, whose
retention is days, is the queue. Bytes count from `put` until the batch is delivered or dropped.
"""

from __future__ import annotations

import threading
import time
from typing import Callable

from sls_hec_forwarder.delivery.batcher import Batch, Batcher, Piece
from sls_hec_forwarder.delivery.lease import Pull


class Outbox:
    """Thread-safe: many readers put, many senders take; every wait is bounded by its `timeout` (seconds)."""

    def __init__(
        self,
        *,
        max_bytes: int,
        batch_bytes: int,
        batch_age: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_bytes = max_bytes
        self._batcher = Batcher(batch_bytes, batch_age)
        self._clock = clock
        self._in_flight = 0
        self._closed = False
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._work = threading.Condition(self._lock)

    @property
    def bytes_in_flight(self) -> int:
        """Bytes put and neither delivered nor dropped."""
        return self._in_flight

    @property
    def closed(self) -> bool:
        return self._closed

    def put(self, pull: Pull, body: bytes, events: int, timeout: float) -> bool:
        """Queue one chunk of `pull`; False when there was no room in time or the outbox is closed.

        A chunk larger than the whole bound passes when nothing else is in flight.
        """
        size = len(body)
        with self._room:
            if not self._room.wait_for(
                lambda: self._closed or not self._in_flight or self._in_flight + size <= self.max_bytes,
                timeout,
            ):
                return False
            if self._closed:
                return False
            self._in_flight += size
            self._batcher.add(Piece(pull, body, events, self._clock()))
            self._work.notify()
            return True

    def take(self, timeout: float) -> Batch | None:
        """The next batch that is ready, or None when none became ready in time or the outbox is closed."""
        deadline = self._clock() + timeout
        with self._work:
            while not self._closed:
                now = self._clock()
                due = self._batcher.due_in(now)
                if due == 0.0:
                    batch = self._batcher.cut()
                    self._work.notify()  # more may be ready, and this notification may have been the only one
                    return batch
                left = deadline - now
                if left <= 0:
                    return None
                self._work.wait(left if due is None else min(left, due))
            return None

    def delivered(self, batch: Batch) -> None:
        """Every event of `batch` is at its destination: checkpoints may pass it."""
        for piece in batch.pieces:
            piece.pull.chunk_delivered()
        self._release(batch)

    def dropped(self, batch: Batch) -> None:
        """`batch` belongs to revoked leases and is forgotten; the next owner reads it again."""
        self._release(batch)

    def _release(self, batch: Batch) -> None:
        with self._room:
            self._in_flight -= batch.size
            self._room.notify_all()

    def close(self) -> None:
        """Wake and refuse everybody; what is queued stays undelivered."""
        with self._lock:
            self._closed = True
            self._room.notify_all()
            self._work.notify_all()
