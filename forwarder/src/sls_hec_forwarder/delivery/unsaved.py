"""How much a crash may repeat: what was read beyond the saved checkpoints, and the bound on that.

A kill repeats everything between the saved checkpoint and the last pull, delivered or not. The bound on
bytes in flight does not limit this: one event that is always refused holds a checkpoint where it is while
everything after it is delivered.
"""

from __future__ import annotations

import math
import threading

#: A shard saves its checkpoint early once half of a bound is used, if that frees this share of the bound.
_WORTH_SAVING = 1 / 32


class Unsaved:
    """The unsaved bytes of all shards of a process, and what each shard may do. Thread-safe; no clock.

    A shard is pulled while the unsaved bytes of all shards are below `max_bytes`, its own are below half of
    that (all of it, if the process holds no other shard), and its oldest are younger than `max_seconds`. A
    shard with nothing unsaved is always pulled, so that one stuck shard does not stop the others.

    A pull that has begun is always accepted, so each shard may exceed the bounds by one pull.
    """

    def __init__(self, max_bytes: float = math.inf, max_seconds: float = math.inf) -> None:
        self.max_bytes = max_bytes
        self.max_seconds = max_seconds
        self._total = 0
        self._shards = 0
        self._lock = threading.Lock()

    @property
    def total(self) -> int:
        """Bytes read beyond the saved checkpoints of all shards."""
        return self._total

    def join(self) -> None:
        """Count one more shard."""
        with self._lock:
            self._shards += 1

    def leave(self, own: int) -> None:
        """Count one shard less, of which `own` bytes were unsaved."""
        with self._lock:
            self._shards -= 1
            self._total -= own

    def change(self, by: int) -> None:
        """Add the bytes that a shard has read, or (below 0) that its saved checkpoint has passed."""
        with self._lock:
            self._total += by

    @property
    def _share(self) -> float:
        return self.max_bytes if self._shards <= 1 else self.max_bytes / 2

    def allows(self, own: int, age: float) -> bool:
        """Whether to pull a shard that has `own` bytes unsaved, the oldest read `age` seconds ago."""
        if age >= self.max_seconds:
            return False
        return not own or (own < self._share and self._total < self.max_bytes)

    def hurries(self, own: int, saveable: int) -> bool:
        """Whether a shard should save its checkpoint now because the `saveable` bytes it frees are needed."""
        short = own >= self._share / 2 or self._total >= self.max_bytes / 2
        return short and saveable >= self.max_bytes * _WORTH_SAVING
