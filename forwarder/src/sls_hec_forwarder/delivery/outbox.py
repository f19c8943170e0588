"""The bounded queue between shard readers and senders.

Its bound keeps the process's memory flat: a reader that cannot put does not pull, and the logs wait in SLS,
which keeps them for days. Bytes count from `put` until the batch is delivered or dropped.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from typing import Callable

from sls_hec_forwarder.delivery.batcher import Batch, Batcher, Piece
from sls_hec_forwarder.delivery.lease import Pull


class Outbox:
    """Thread-safe: many readers put, many senders take; every wait is bounded by its `timeout` (seconds).

    A sender settles what it takes, whole or in parts, in one of three ways: `delivered`, `dropped`, or
    `put_back`, after which any sender may take it again.
    """

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
        self._returned: list[tuple[float, int, Batch]] = []
        self._returns = itertools.count()
        self._in_flight = 0
        self._closed = False
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._work = threading.Condition(self._lock)

    @property
    def bytes_in_flight(self) -> int:
        """Bytes that were put and are neither delivered nor dropped."""
        return self._in_flight

    @property
    def closed(self) -> bool:
        return self._closed

    def put(self, pull: Pull, body: bytes, events: int, timeout: float) -> bool:
        """Queue one chunk of `pull`; False if there was no room in time or the outbox is closed.

        There is room while less than `max_bytes` is in flight, so the last chunk may exceed the bound.
        Otherwise a large chunk could wait for ever while small ones that still fit go first.
        """
        with self._room:
            self._room.wait_for(lambda: self._closed or self._in_flight < self.max_bytes, timeout)
            if self._closed or self._in_flight >= self.max_bytes:
                return False
            self._in_flight += len(body)
            self._batcher.add(Piece(pull, body, events, self._clock()))
            self._work.notify()
            return True

    def hurry(self) -> None:
        """Send what is queued now at once, whatever its age: a shard is being handed over."""
        with self._work:
            self._batcher.hurry()
            self._work.notify()

    def take(self, timeout: float) -> Batch | None:
        """The next batch that is ready; None if none became ready in time or the outbox is closed."""
        deadline = self._clock() + timeout
        with self._work:
            while not self._closed:
                now = self._clock()
                due = self._due_in(now)
                if due == 0.0:
                    batch = self._next(now)
                    self._work.notify()  # more may be ready, and this notification may have been the only one
                    return batch
                left = deadline - now
                if left <= 0:
                    self._work.notify()  # another sender has to wait for the next one now
                    return None
                self._work.wait(left if due is None else min(left, due))
            return None

    def _due_in(self, now: float) -> float | None:
        fresh = self._batcher.due_in(now)
        if not self._returned:
            return fresh
        back = max(0.0, self._returned[0][0] - now)
        return back if fresh is None else min(back, fresh)

    def _next(self, now: float) -> Batch:
        if self._returned and self._returned[0][0] <= now:
            return heapq.heappop(self._returned)[2]
        return self._batcher.cut()

    def keep(self, batch: Batch) -> None:
        """`batch` is accepted but not acknowledged: compress it if the bytes in flight are near their bound.

        Otherwise throughput could not exceed the bound divided by the time that an acknowledgement takes.
        """
        if self._in_flight <= self.max_bytes // 2:
            return
        before = batch.size
        batch.pack()
        with self._room:
            self._in_flight += batch.size - before
            self._room.notify_all()

    def put_back(self, batch: Batch, delay: float) -> None:
        """Offer `batch` again, at the earliest in `delay` seconds."""
        before = batch.size
        batch.unpack()
        with self._work:
            self._in_flight += batch.size - before
            heapq.heappush(self._returned, (self._clock() + delay, next(self._returns), batch))
            self._work.notify()

    def delivered(self, batch: Batch) -> None:
        """Every event of `batch` is settled: checkpoints may move past it."""
        for piece in batch.pieces:
            piece.pull.chunk_delivered()
        self._release(batch)

    def dropped(self, batch: Batch) -> None:
        """Forget `batch`, whose leases are revoked; the next owner reads it again."""
        self._release(batch)

    def _release(self, batch: Batch) -> None:
        with self._room:
            self._in_flight -= batch.size
            self._room.notify_all()

    def close(self) -> None:
        """Wake and refuse all threads; what is queued stays undelivered."""
        with self._lock:
            self._closed = True
            self._room.notify_all()
            self._work.notify_all()
