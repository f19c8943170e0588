"""Saves how far each shard has been delivered, every few seconds and whenever a shard is handed over."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Callable, Protocol

from sls_hec_forwarder.delivery.lease import Lease
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.retry.backoff import CountingBackoff
from sls_hec_forwarder.retry.periodic import Periodic
from sls_hec_forwarder.sls.api.client import Checkpoint
from sls_hec_forwarder.sls.api.errors import GroupMissing, NotMember, SlsError
from sls_hec_forwarder.sls.api.trouble import Trouble
from sls_hec_forwarder.sls.observer import SlsObserver

#: First and longest pause (seconds) between two tries of the same checkpoint.
_RETRY = (0.5, 15.0)
#: How often (seconds) `save_finally` looks whether to try again.
_LOOK = 0.1

_log = logging.getLogger(__name__)


class CheckpointCalls(Protocol):
    """The one call of SlsClient that is used here."""

    def save_checkpoint(self, shard: int, cursor: str) -> None: ...


class Saver:
    """Saves the checkpoint of one lease; saves never overtake each other.

    `lost` is called when SLS says that another consumer holds the shard, `group_lost` when the group is
    missing or was replaced by one without its checkpoints, and `moved` with a checkpoint that somebody else
    has set.
    """

    def __init__(
        self,
        client: CheckpointCalls,
        lease: Lease,
        *,
        observer: SlsObserver,
        conditions: Conditions,
        lost: Callable[[], None],
        group_lost: Callable[[str], None],
        moved: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lease = lease
        self._client = client
        self._observer = observer
        self._lost = lost
        self.group_lost = group_lost
        self._moved = moved
        # Cursors whose saves got no good answer: SLS may have saved them nevertheless, or may do so later.
        self._unanswered: deque[str] = deque(maxlen=16)
        self._clock = clock
        self._saved = lease.committed
        #: When a checkpoint was last saved, on `clock`; None before the first.
        self.saved_at: float | None = None
        self._backoff = CountingBackoff(*_RETRY)
        self._not_before = 0.0
        self._trouble = Trouble(conditions, "checkpoint_failing", f"shard {lease.shard}")
        self._lock = threading.Lock()

    def close(self, why: str) -> None:
        """The lease saves no more checkpoints; a save that is under way may still fail."""
        self._trouble.close(why)

    @property
    def saved(self) -> str:
        """The checkpoint that SLS has."""
        return self._saved

    @property
    def due(self) -> bool:
        """There is something to save, the lease is active, and the pause after the last failure is over."""
        return self.lease.committed != self._saved and self.lease.active and self._clock() >= self._not_before

    def save(self, *, again: bool = False) -> bool:
        """Save what is committed, if it is new or if `again` is set; return whether SLS has it now."""
        with self._lock:
            checkpoint = self.lease.checkpoint()
            cursor = checkpoint.cursor
            if cursor == self._saved and not again:
                return True
            if not self.lease.active:  # another consumer may own the shard and be further along
                return False
            self._unanswered.append(cursor)
            try:
                self._client.save_checkpoint(self.lease.shard, cursor)
            except GroupMissing as problem:
                self._not_before = self._clock() + self._backoff.next()
                self._observer.failed("checkpoint", problem.kind)
                self.group_lost(str(problem))
                return False
            except NotMember as problem:
                self._trouble.failed(problem)
                self._observer.failed("checkpoint", problem.kind)
                self._lost()
                return False
            except SlsError as problem:
                self._not_before = self._clock() + self._backoff.next()
                self._trouble.failed(problem)
                self._observer.failed("checkpoint", problem.kind)
                return False
            self._unanswered.pop()
            self._saved = cursor
            self.lease.saved(checkpoint)
            self.saved_at = self._clock()
            self._not_before = 0.0
            self._backoff.reset()
            self._trouble.over()
            self._observer.checkpoint_saved(self.lease.shard)
            return True

    def is_foreign(self, in_group: str) -> bool:
        """Whether `in_group` is a checkpoint that this saver neither saved nor would save now."""
        own = in_group in (self._saved, self.lease.committed) or in_group in self._unanswered
        return self.lease.active and not own

    def foreign(self, in_group: str) -> None:
        """The group had this checkpoint of somebody else in two looks in a row."""
        if not self.lease.active:
            return
        if in_group:
            self._moved(in_group)
        else:
            self.group_lost(f"the consumer group no longer has a checkpoint of shard {self.lease.shard}")

    def save_finally(self, timeout: float) -> bool:
        """Try until what is committed is saved, the lease is revoked or `timeout` seconds ran out."""
        deadline = self._clock() + timeout
        while not self.save():
            again = max(self._clock() + _LOOK, self._not_before)  # a suspended lease sets no back-off
            while True:
                if self.lease.revoked or self._clock() >= deadline:
                    return False
                if self._clock() >= again:
                    break
                time.sleep(_LOOK)
        return True


class Checkpoints:
    """The thread that saves the checkpoints of all shards that are read."""

    def __init__(
        self,
        interval: float,
        look: Callable[[], Mapping[int, Checkpoint]],
        conditions: Conditions,
        rng: random.Random | None = None,
    ) -> None:
        """`interval` in seconds; `look` asks SLS for the group's checkpoints."""
        self._look = look
        self._savers: dict[int, Saver] = {}
        self._lock = threading.Lock()
        self._thread = Periodic(
            *("sls-checkpoints", "saving checkpoints", self._save_due),
            log=_log,
            conditions=conditions,
            interval=interval,
            # No longer than usual: one shard's failure must not delay the others.
            backoff=CountingBackoff(interval, interval),
            first_pause=interval,
            once_more=True,
            rng=rng,
        )

    def start(self) -> None:
        self._thread.start()

    def add(self, saver: Saver) -> None:
        with self._lock:
            self._savers[id(saver)] = saver

    def remove(self, saver: Saver) -> None:
        with self._lock:
            self._savers.pop(id(saver), None)

    def save(self, saver: Saver, *, again: bool = False) -> bool:
        """As `Saver.save`, but not over a checkpoint that somebody else has set."""
        return not self._obey([saver]) and saver.save(again=again)

    def save_finally(self, saver: Saver, timeout: float) -> bool:
        """As `Saver.save_finally`, but not over a checkpoint that somebody else has set."""
        if saver.saved == saver.lease.committed:
            return True
        return not self._obey([saver]) and saver.save_finally(timeout)

    def finish(self, timeout: float) -> bool:
        """Save what is still unsaved and end the thread; False if `timeout` seconds were not enough."""
        return self._thread.stop(timeout)

    def compare(self, in_group: Mapping[int, Checkpoint]) -> None:
        """Check in the group's checkpoints, as SLS has them, whether somebody else has set one of ours."""
        self._obey([each for each in self._snapshot() if _is_foreign(each, in_group)])

    def _save_due(self) -> None:
        due = [each for each in self._snapshot() if each.due]
        if not due:
            return
        # A checkpoint that somebody set meanwhile, for example in the console, must not be overwritten.
        foreign = self._obey(due)
        unforeseen: tuple[int, Exception] | None = None
        for saver in due:
            try:
                if saver not in foreign and saver.due:
                    saver.save()
            except Exception as problem:  # noqa: BLE001, PERF203 - costs one save, not all; raised below
                unforeseen = saver.lease.shard, problem
        if unforeseen is not None:
            shard, error = unforeseen
            raise RuntimeError(f"checkpoint of shard {shard}: {error}") from error

    def _obey(self, savers: list[Saver]) -> list[Saver]:
        """Return, and inform, the savers for which two looks in a row find the same foreign checkpoint."""
        first = self._find_foreign(savers)
        second = self._find_foreign(list(first)) if first else {}
        foreign = [saver for saver, cursor in second.items() if first[saver] == cursor]
        for saver in foreign:
            saver.foreign(second[saver])
        return foreign

    def _find_foreign(self, savers: list[Saver]) -> dict[Saver, str]:
        if not savers:
            return {}
        before = [(saver, saver.saved) for saver in savers]
        try:
            in_group = self._look()
        except GroupMissing as problem:
            savers[0].group_lost(str(problem))
            return {}
        except SlsError:  # the watch makes the same call and reports its failure; saving continues
            return {}
        return {
            saver: in_group[saver.lease.shard].cursor
            for saver, saved in before
            if saver.saved == saved and _is_foreign(saver, in_group)
        }

    def _snapshot(self) -> list[Saver]:
        with self._lock:
            return list(self._savers.values())


def _is_foreign(saver: Saver, in_group: Mapping[int, Checkpoint]) -> bool:
    entry = in_group.get(saver.lease.shard)
    return entry is not None and saver.is_foreign(entry.cursor)
