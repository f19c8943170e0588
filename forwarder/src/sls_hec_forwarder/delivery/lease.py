"""The right to read one shard, and how far its events have been delivered.

A lease is *held* from assignment until it is revoked. While its fence is closed (no heartbeat has succeeded
for so long that another consumer may own the shard) it is *suspended*: nothing of it is sent or saved, but
nothing is thrown away either, because the next heartbeat may show that the shard is still ours. A revoked
lease never comes back: what is in flight is dropped, and the next owner reads it again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Callable, NamedTuple

from sls_hec_forwarder.delivery.unsaved import Unsaved


class Fence:
    """Closes when no heartbeat has succeeded for `timeout` seconds; shared by the leases of a process.

    The time counts from when a heartbeat was *sent*. The server counts from its arrival, which is not
    earlier, so the fence never stays open longer than the server waits.
    """

    def __init__(self, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.timeout = timeout
        self.clock = clock
        self._renewed = clock()

    def renew(self, sent_at: float) -> None:
        """A heartbeat sent at `sent_at` (of the fence's clock) was answered."""
        self._renewed = max(self._renewed, sent_at)

    def close(self) -> None:
        """Close it until the next heartbeat is answered: the group that held the shards is gone."""
        self._renewed = float("-inf")

    def is_open(self) -> bool:
        return self.clock() - self._renewed < self.timeout


class Committed(NamedTuple):
    """A cursor up to which everything is delivered, and how many bytes the lease had read up to there."""

    cursor: str
    position: int


class Pull:
    """One answer of PullLogs in delivery: done when all of its chunks are delivered.

    `position` is how many bytes the lease had read up to the end of this pull.
    """

    __slots__ = ("_chunks_left", "lease", "next_cursor", "position", "started")

    def __init__(self, lease: Lease, next_cursor: str, chunks: int, started: float, position: int) -> None:
        self.lease = lease
        self.next_cursor = next_cursor
        self.started = started
        self.position = position
        self._chunks_left = chunks

    def chunk_split(self) -> None:
        """One chunk was split in two; each part is delivered by itself."""
        with self.lease._lock:
            self._chunks_left += 1

    def chunk_delivered(self) -> None:
        """One more chunk is settled: accepted (and acknowledged, if asked for) or saved as dead letters."""
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
    that are done *and* whose predecessors are done. Bytes read beyond the *saved* checkpoint count in
    `unsaved`, which all leases of a process share. `term` comes from the membership: of two leases of one
    shard, the one with the higher term is the later.
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
        self._next_since: float | None = None  # the same for the checkpoint being saved
        self._pulls: deque[Pull] = deque()
        #: When the checkpoint last moved, on the fence's clock; None if it has not moved yet.
        self.last_advance: float | None = None
        self._revoked = False
        self._lock = threading.RLock()
        self._settled = threading.Condition(self._lock)
        self._unsaved.join()

    def begin(self, next_cursor: str, chunks: int, started: float, size: int = 0) -> Pull:
        """Register the pull that ends at `next_cursor`. Call it in the order of the shard.

        `chunks` may be 0 (an empty or fully filtered pull); such a pull is done at once.
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
        """The checkpoint to save now; call `saved` once that is done, before calling this again."""
        with self._lock:
            self._next_since = self._pulls[0].started if self._pulls else None
            return self._committed

    def saved(self, checkpoint: Committed) -> None:
        """The last result of `checkpoint` is saved: a crash does not repeat anything before it."""
        with self._lock:
            if not self._revoked:
                self._unsaved.change(self._saved - checkpoint.position)
            self._saved = checkpoint.position
            self._unsaved_since = self._next_since

    @property
    def unsaved_bytes(self) -> int:
        """Bytes read beyond the saved checkpoint."""
        return self._read - self._saved

    def may_pull(self, now: float) -> bool:
        """Whether the unsaved bytes leave room for another pull; `now` is on the same clock as `started`."""
        with self._lock:
            age = 0.0 if self._unsaved_since is None else now - self._unsaved_since
            return self._unsaved.allows(self._read - self._saved, age)

    @property
    def should_save(self) -> bool:
        """Whether to save the checkpoint early, to make room for other pulls."""
        with self._lock:
            return self._unsaved.hurries(self._read - self._saved, self._committed.position - self._saved)

    # What is in flight

    @property
    def pulls_in_flight(self) -> int:
        with self._lock:
            return len(self._pulls)

    @property
    def oldest_started(self) -> float | None:
        """When the oldest undelivered pull was answered, or None."""
        with self._lock:
            return self._pulls[0].started if self._pulls else None

    def revoke(self) -> None:
        """End the lease: nothing more of it is sent or saved."""
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
        """Whether it is held but may have passed to another consumer: wait."""
        return not self._revoked and not self._fence.is_open()

    @property
    def active(self) -> bool:
        """Whether events of this shard may be sent, and its checkpoint saved, now."""
        return not self._revoked and self._fence.is_open()

    def wait_settled(self, timeout: float) -> bool:
        """Wait until nothing is in flight or the lease is revoked; False if not within `timeout` seconds."""
        with self._settled:
            return self._settled.wait_for(lambda: not self._pulls or self._revoked, timeout)
