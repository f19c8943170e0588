"""Remembers how far every shard of the group was delivered, as far as this member knows. No network.

SLS keeps the checkpoints with the consumer group: whoever deletes the group deletes them. Each member
therefore remembers the exact positions of its own shards, by their leases, and the checkpoints of the other
shards at the last look. A remembered position is never beyond what was delivered, so that reading from it
skips nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Callable

from sls_hec_forwarder.delivery.lease import Lease
from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.client import Checkpoint, Shard


@dataclass(frozen=True)
class Position:
    """`own`: this member was the last to hold the shard, so that no other has a better position.

    `since`: when this member began to hold it, on the memory's clock; None if it never did.
    """

    cursor: str
    own: bool
    since: float | None = None
    held: bool = False


class _Held:
    """A shard that this member holds or was the last to hold. Deliveries may reach its lease after the end.

    `handed_over`: it was given up in good order, so once its next owner has begun, that one knows better.
    """

    def __init__(self, lease: Lease, since: float) -> None:
        self.lease = lease
        self.since = since
        self.handed_over = False


class Memory:
    """Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[int, _Held] = {}
        self._seen: dict[int, str] = {}
        self._created: dict[int, int] = {}
        self._renewed: set[int] = set()
        self._lost_at: float | None = None
        self._lock = threading.Lock()

    # What happens

    def hold(self, lease: Lease) -> None:
        """This member begins to hold a shard; ignored if a later lease of it has begun."""
        with self._lock:
            if not self._is_late(lease):
                self._held[lease.shard] = _Held(lease, self._clock())

    def handed_over(self, lease: Lease) -> None:
        """The shard was given up in good order."""
        with self._lock:
            held = self._held.get(lease.shard)
            if held is not None and held.lease is lease:
                held.handed_over = True

    def _is_late(self, lease: Lease) -> bool:
        """Whether a later lease of the shard has begun, and this one's reader has yet to notice its end."""
        held = self._held.get(lease.shard)
        return held is not None and held.lease.term > lease.term

    def looked(self, checkpoints: Iterable[Checkpoint], consumer: str) -> None:
        """Take the group's checkpoints as SLS has them now. Empty ones are ignored: the group may be new."""
        with self._lock:
            for each in checkpoints:
                held = self._held.get(each.shard)
                if not each.cursor or (held is not None and not held.lease.revoked):
                    continue
                if held is not None and each.owner in ("", consumer):
                    continue  # what the lease delivered may be ahead of the checkpoint
                self._held.pop(each.shard, None)
                self._seen[each.shard] = each.cursor

    def moved(self, lease: Lease, cursor: str) -> None:
        """Somebody set the checkpoint: it is the position from now on, whatever was delivered.

        Ignored if a later lease has begun: that lease has started there, or will be informed itself.
        """
        with self._lock:
            if not self._is_late(lease):
                self._held.pop(lease.shard, None)
                self._seen[lease.shard] = cursor

    def group_lost(self) -> None:
        """The consumer group was found missing, or without its checkpoints."""
        with self._lock:
            self._lost_at = self._clock()

    def listed(self, shards: Iterable[Shard]) -> list[int]:
        """Take the shards of the logstore; forget and return those that were created again.

        The shards of a logstore that was deleted and created again have the same numbers, but another
        createTime; cursors of the old shards mean nothing in the new ones.
        """
        renewed = []
        created = {each.shard: each.created for each in shards}
        with self._lock:
            for shard, when in created.items():
                if self._created.get(shard, when) != when:
                    renewed.append(shard)
                    self._held.pop(shard, None)
            self._renewed.update(renewed)
            if created:  # shards that no longer exist are forgotten, so that memory use is bounded
                self._created = created
                self._renewed &= created.keys()
                self._seen = {
                    shard: cursor
                    for shard, cursor in self._seen.items()
                    if shard in created and shard not in renewed
                }
        return renewed

    # What is known

    def position(self, shard: int) -> Position | None:
        """How far the shard was delivered; None when that is not known."""
        with self._lock:
            held = self._held.get(shard)
            if held is not None:
                lease = held.lease
                own = not held.handed_over
                return Position(lease.committed, own=own, since=held.since, held=not lease.revoked)
            seen = self._seen.get(shard)
            return None if seen is None else Position(seen, own=False)

    def own(self) -> dict[int, Position]:
        """The shards that this member was the last to hold."""
        return {shard: known for shard, known in self._last_held().items() if known.own}

    def left(self) -> dict[int, Position]:
        """The shards that this member handed over and for which no newer checkpoint has been seen."""
        return {shard: known for shard, known in self._last_held().items() if not known.own}

    def _last_held(self) -> dict[int, Position]:
        with self._lock:
            numbers = list(self._held)
        found = {shard: self.position(shard) for shard in numbers}
        return {shard: known for shard, known in found.items() if known is not None}

    def created(self, shard: int) -> int | None:
        """When the shard was created (unix seconds), by the last listing."""
        with self._lock:
            return self._created.get(shard)

    def group_was_lost(self, within: float) -> bool:
        """Whether the group was lost in the last `within` seconds: its members are restoring checkpoints."""
        with self._lock:
            return self._lost_at is not None and self._clock() - self._lost_at <= within

    def renewed(self, shard: int) -> bool:
        """Whether the shard is one of a logstore that was created again while this process ran."""
        with self._lock:
            return shard in self._renewed


def behind(cursor: str, other: str) -> bool:
    """Whether `cursor` is empty or certainly before `other`."""
    if not cursor:
        return True
    groups = cursors.distance(cursor, other)
    return groups is not None and groups > 0
