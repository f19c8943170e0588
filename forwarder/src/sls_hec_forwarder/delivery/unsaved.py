"""How much a crash may repeat: what was read beyond the checkpoints that are saved, and the bound of that.

A kill repeats everything between the saved checkpoint and the last pull, delivered or not. One event that is
refused for ever keeps a checkpoint where it is while all that is behind it is delivered, so bytes in flight
do not bound this.
"""

from __future__ import annotations

import math
import threading

#: A shard saves its checkpoint ahead of time once half of a bound is used, if that frees this part of it.
_WORTH_SAVING = 1 / 32


class Unsaved:
    """The sum over the shards of a process, and what each of them may do. Thread-safe; no clock.

    A shard is pulled while all that is unsaved is below `max_bytes`, its own part below half of that (all of
    it, if the process holds no other shard), and its oldest part younger than `max_seconds`. A shard of which
    nothing is unsaved is always pulled, so that others go on whatever one of them waits for.

    A pull that has begun is taken over, so the bounds hold up to one pull for each shard.
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
        """A shard more."""
        with self._lock:
            self._shards += 1

    def leave(self, own: int) -> None:
        """A shard less, of which `own` bytes were unsaved."""
        with self._lock:
            self._shards -= 1
            self._total -= own

    def change(self, by: int) -> None:
        """A shard has read so many bytes more, or saved its checkpoint beyond so many (less than 0)."""
        with self._lock:
            self._total += by

    @property
    def _share(self) -> float:
        return self.max_bytes if self._shards <= 1 else self.max_bytes / 2

    def allows(self, own: int, age: float) -> bool:
        """Whether a shard with `own` bytes unsaved, the oldest read `age` seconds ago, may be pulled."""
        if age >= self.max_seconds:
            return False
        return not own or (own < self._share and self._total < self.max_bytes)

    def hurries(self, own: int, saveable: int) -> bool:
        """Whether a shard should save its checkpoint now: that frees `saveable` bytes, which are short."""
        short = own >= self._share / 2 or self._total >= self.max_bytes / 2
        return short and saveable >= self.max_bytes * _WORTH_SAVING
