"""A shard that is open: its lease, its next cursor, its checkpoint. Also the order to leave a shard."""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass
from typing import Callable

from sls_hec_forwarder.delivery.lease import Lease
from sls_hec_forwarder.sls.api.trouble import Trouble
from sls_hec_forwarder.sls.shard.checkpoints import Saver
from sls_hec_forwarder.sls.shard.positions import Start
from sls_hec_forwarder.sls.shard.pull_plan import PullPlan
from sls_hec_forwarder.sls.shard.shard_conditions import ShardConditions
from sls_hec_forwarder.sls.shard.shard_context import ShardContext


class Phase(enum.Enum):
    """Where a reader is in its life."""

    STARTING = "starting"
    READING = "reading"
    FINISHED = "finished"
    EXPIRED = "stopped at an expired cursor"
    DRAINING = "draining"
    ENDED = "ended"


@dataclass
class OpenShard:
    """Changed by the reader's thread only; others look at it."""

    lease: Lease
    start: Start
    #: What to pull next.
    plan: PullPlan
    #: Saves its checkpoint.
    saver: Saver
    #: The condition for pulls that fail.
    trouble: Trouble
    #: Its other conditions.
    conditions: ShardConditions
    #: When the cursor was last known to belong to the shard, in unix seconds.
    valid: float
    phase: Phase = Phase.READING
    #: When the last answer to a pull came, on the clock of the context; None before the first.
    last_pull: float | None = None
    #: Whether it waits for room in the outbox.
    waiting: bool = False
    #: Since when pulls have been held back because too much is unsaved; None when they are not.
    full_since: float | None = None

    @property
    def number(self) -> int:
        return self.lease.shard

    @property
    def subject(self) -> str:
        """The subject of its conditions."""
        return f"shard {self.number}"


class Leave:
    """Tells a reader to leave its shard, and holds the lease, which this may end. Thread-safe.

    `term` is the membership's number of this lease.
    """

    def __init__(self, term: int, clock: Callable[[], float]) -> None:
        self._term = term
        self._clock = clock
        self._told = threading.Event()
        self._revoked = False
        self._lease: Lease | None = None
        self._drain_until = float("inf")
        self._lock = threading.Lock()  # keeps the creation of the lease and `revoke` apart

    def release(self, drain_time: float) -> None:
        """Leave in good order, within `drain_time` seconds."""
        self._drain_until = self._clock() + drain_time
        self._told.set()

    def revoke(self) -> None:
        """Leave at once; from now on nothing of the shard may be sent or saved."""
        with self._lock:
            self._revoked = True
            if self._lease is not None:
                self._lease.revoke()
        self._told.set()

    def drop(self) -> None:
        """End the lease because a defect ends the reader."""
        if self._lease is not None:
            self._lease.revoke()

    def lease(self, shard: int, cursor: str, around: ShardContext) -> Lease | None:
        """Begin the lease; None if the shard was revoked before that."""
        with self._lock:
            if not self._revoked:
                self._lease = Lease(shard, cursor, around.fence, around.unsaved, term=self._term)
            return self._lease

    @property
    def told(self) -> bool:
        """Whether the shard has to be left, in good order or at once."""
        return self._told.is_set()

    @property
    def revoked(self) -> bool:
        return self._revoked

    @property
    def drain_left(self) -> float:
        """Seconds left to deliver and save what is in flight; negative when the time is up."""
        return self._drain_until - self._clock()

    def wait(self, seconds: float) -> None:
        """Wait, but return at once when the shard has to be left."""
        self._told.wait(seconds)
