"""The right to read one shard, and how far its events have been delivered.

A lease is *held* from assignment until it is revoked. While its fence is closed (no heartbeat got through for
the group's time-out, so another consumer may own the shard by now) it is *suspended*: nothing is sent for
it and nothing is saved, but nothing is thrown away either, because the next heartbeat may say that the shard
is still ours. A revoked lease never comes back: what is in flight is dropped, the next owner reads it again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Callable, NamedTuple

from sls_hec_forwarder.delivery.unsaved import Unsaved


class Fence:
    """Closes when no heartbeat has succeeded for `timeout` seconds; shared by the leases of a process.

    The time that counts is when a heartbeat was *sent*: the server cannot have counted from later than its
    arrival, so the fence never stays open longer than the server's own patience.
    """

    def __init__(self, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.timeout = timeout
        self.clock = clock
        self._renewed = clock()

    def renew(self, sent_at: float) -> None:
        """A heartbeat sent at `sent_at` (of the fence's clock) was answered."""
        self._renewed = max(self._renewed, sent_at)

    def close(self) -> None:
        """Closed until the next heartbeat is answered: the group that held the shards is gone."""
        self._renewed = float("-inf")

    def is_open(self) -> bool:
        return self.clock() - self._renewed < self.timeout


class Committed(NamedTuple):
    """A place up to which everything is delivered: its cursor, and the bytes that the lease read up to it."""

    cursor: str
    position: int


class Pull:
    """One answer of PullLogs on its way: done when all of its chunks are delivered.

    `position` is the number of bytes that the lease has read up to its end.
    """

    __slots__ = ("_chunks_left", "lease", "next_cursor", "position", "started")

    def __init__(self, lease: Lease, next_cursor: str, chunks: int, started: float, position: int) -> None:
        self.lease = lease
        self.next_cursor = next_cursor
        self.started = started
        self.position = position
        self._chunks_left = chunks

    def chunk_split(self) -> None:
        """One chunk travels in two parts from now on; each is delivered by itself."""
        with self.lease._lock:
            self._chunks_left += 1

    def chunk_delivered(self) -> None:
        """One chunk more is at its destination: accepted, acknowledged where asked for, or dead-lettered."""
        with self.lease._lock:
            if not self._chunks_left:
                raise AssertionError(f"shard {self.lease.shard}: more chunks delivered than were registered")
            self._chunks_left -= 1
            if not self._chunks_left:
                self.lease._advance()

    @property
    def done(self) -> bool:
        return not self._chunks_left


class Lease:
    """One shard held by this process. Thread-safe.

    `committed` is the checkpoint: the cursor up to which every event was delivered. It moves only over pulls
    that are done *and* whose predecessors are done. What was read beyond the checkpoint that is *saved*
    counts in `unsaved`, which the leases of a process share. `term` is that of the membership: of two leases
    of one shard, the one with the higher term is the later.
    """

    def __init__(
        self, shard: int, cursor: str, fence: Fence, unsaved: Unsaved | None = None, *, term: int = 0
    ) -> None:
        self.shard = shard
        self.term = term
        self._fence = fence
        self._unsaved = unsaved or Unsaved()
        self._committed = Committed(cursor, 0)
        self._read = 0  # bytes, by all pulls
        self._saved = 0  # the position of the saved checkpoint
        self._unsaved_since: float | None = None  # when the first pull beyond that was answered
        self._next_since: float | None = None  # the same of the checkpoint that is being saved
        self._pulls: deque[Pull] = deque()
        #: When the checkpoint last moved, on the fence's clock; None before the first time.
        self.last_advance: float | None = None
        self._revoked = False
        self._lock = threading.RLock()
        self._settled = threading.Condition(self._lock)
        self._unsaved.join()

    def begin(self, next_cursor: str, chunks: int, started: float, size: int = 0) -> Pull:
        """Register the pull that ends at `next_cursor`, in the order of the shard.

        `chunks` may be 0 (an empty or fully filtered pull), which moves the checkpoint by itself.
        `started` is the monotonic time at which the pull was answered, `size` the bytes of its chunks.
        """
        with self._lock:
            self._read += size
            if not self._revoked:
                self._unsaved.change(size)
            if self._unsaved_since is None:
                self._unsaved_since = started
            if self._next_since is None:
                self._next_since = started
            pull = Pull(self, next_cursor, chunks, started, self._read)
            self._pulls.append(pull)
            if not chunks:
                self._advance()
        return pull

    def _advance(self) -> None:
        while self._pulls and self._pulls[0].done:
            done = self._pulls.popleft()
            self._committed = Committed(done.next_cursor, done.position)
            self.last_advance = self._fence.clock()
        if not self._pulls:
            self._settled.notify_all()

    @property
    def committed(self) -> str:
        with self._lock:
            return self._committed.cursor

    # What is saved

    def checkpoint(self) -> Committed:
        """What is to be saved now; `saved` is told when it is, before this is called again."""
        with self._lock:
            self._next_since = self._pulls[0].started if self._pulls else None
            return self._committed

    def saved(self, checkpoint: Committed) -> None:
        """What `checkpoint` gave last is saved: a crash does not repeat what is before it."""
        with self._lock:
            if not self._revoked:
                self._unsaved.change(self._saved - checkpoint.position)
            self._saved = checkpoint.position
            self._unsaved_since = self._next_since

    @property
    def unsaved_bytes(self) -> int:
        """Bytes that were read beyond the saved checkpoint."""
        return self._read - self._saved

    def may_pull(self, now: float) -> bool:
        """Whether what is unsaved leaves room for another pull; `now` is of the clock of `started`."""
        with self._lock:
            age = 0.0 if self._unsaved_since is None else now - self._unsaved_since
            return self._unsaved.allows(self._read - self._saved, age)

    @property
    def should_save(self) -> bool:
        """The checkpoint should be saved ahead of time, so that there is room for other pulls."""
        with self._lock:
            return self._unsaved.hurries(self._read - self._saved, self._committed.position - self._saved)

    # On its way

    @property
    def pulls_in_flight(self) -> int:
        with self._lock:
            return len(self._pulls)

    @property
    def oldest_started(self) -> float | None:
        """When the oldest pull that is not delivered yet was answered, or None."""
        with self._lock:
            return self._pulls[0].started if self._pulls else None

    def revoke(self) -> None:
        """End the lease: nothing of it is sent or saved any more."""
        with self._lock:
            if not self._revoked:
                self._unsaved.leave(self._read - self._saved)
            self._revoked = True
            self._settled.notify_all()

    @property
    def revoked(self) -> bool:
        return self._revoked

    @property
    def suspended(self) -> bool:
        """Held, but it cannot be told whether still ours: wait."""
        return not self._revoked and not self._fence.is_open()

    @property
    def active(self) -> bool:
        """Events of this shard may be sent, and its checkpoint saved, now."""
        return not self._revoked and self._fence.is_open()

    def wait_settled(self, timeout: float) -> bool:
        """Wait until nothing is in flight, or the lease is revoked; False when `timeout` seconds ran out."""
        with self._settled:
            return self._settled.wait_for(lambda: not self._pulls or self._revoked, timeout)
