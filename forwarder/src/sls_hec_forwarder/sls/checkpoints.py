"""Saves how far each shard has been delivered, every few seconds and whenever a shard is handed over."""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import Callable, Protocol

from sls_hec_forwarder.backoff import CountingBackoff
from sls_hec_forwarder.delivery.lease import Lease
from sls_hec_forwarder.periodic import Periodic
from sls_hec_forwarder.sls.errors import NotMember, SlsError
from sls_hec_forwarder.sls.observer import Observer
from sls_hec_forwarder.sls.trouble import Trouble

#: First and longest pause (seconds) between two tries of the same checkpoint.
_RETRY = (0.5, 15.0)

_log = logging.getLogger(__name__)


class CheckpointCalls(Protocol):
    """The one call of SlsClient that is used here."""

    def save_checkpoint(self, shard: int, cursor: str) -> None: ...


class Saver:
    """Saves the checkpoint of one lease; saves never overtake each other.

    `lost` is called when SLS says that another consumer holds the shard.
    """

    def __init__(
        self,
        client: CheckpointCalls,
        lease: Lease,
        observer: Observer,
        lost: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lease = lease
        self._client = client
        self._observer = observer
        self._lost = lost
        self._clock = clock
        self._saved = lease.committed
        self._backoff = CountingBackoff(*_RETRY)
        self._not_before = 0.0
        self._trouble = Trouble(_log, f"checkpoint of shard {lease.shard}", clock)
        self._lock = threading.Lock()

    @property
    def saved(self) -> str:
        """The checkpoint that SLS has."""
        return self._saved

    @property
    def due(self) -> bool:
        """There is something to save, it is ours to save, and the last failure was long enough ago."""
        return self.lease.committed != self._saved and self.lease.active and self._clock() >= self._not_before

    def save(self, *, again: bool = False) -> bool:
        """Save what is committed, if that is new or `again`; whether SLS has it now."""
        with self._lock:
            checkpoint = self.lease.checkpoint()
            cursor = checkpoint.cursor
            if cursor == self._saved and not again:
                return True
            if not self.lease.active:  # another consumer may own the shard and be further already
                return False
            try:
                self._client.save_checkpoint(self.lease.shard, cursor)
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
            self._saved = cursor
            self.lease.saved(checkpoint)
            self._not_before = 0.0
            self._backoff.reset()
            self._trouble.over()
            self._observer.checkpoint_saved(self.lease.shard)
            return True

    def save_finally(self, timeout: float) -> bool:
        """Try until what is committed is saved, the lease is revoked or `timeout` seconds ran out."""
        deadline = self._clock() + timeout
        while not self.save():
            left = deadline - self._clock()
            if self.lease.revoked or left <= 0:
                return False
            pause = max(0.1, self._not_before - self._clock())  # while suspended there is no back-off
            time.sleep(min(pause, left))
        return True


class Checkpoints:
    """The thread that saves the checkpoints of all shards that are read."""

    def __init__(self, interval: float, rng: random.Random | None = None) -> None:
        self._savers: dict[int, Saver] = {}
        self._lock = threading.Lock()
        self._thread = Periodic(
            *("sls-checkpoints", "saving checkpoints", self._save_all),
            log=_log,
            interval=interval,
            # Not longer than usual: one shard's trouble must not keep the others waiting.
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

    def finish(self, timeout: float) -> bool:
        """Save what is still unsaved and end the thread; False when `timeout` seconds were not enough."""
        return self._thread.stop(timeout)

    def _save_all(self) -> None:
        unforeseen: tuple[int, Exception] | None = None
        for saver in self._snapshot():
            try:
                if saver.due:
                    saver.save()
            except Exception as problem:  # noqa: BLE001, PERF203 - costs one save, not all; raised below
                unforeseen = saver.lease.shard, problem
        if unforeseen is not None:
            shard, error = unforeseen
            raise RuntimeError(f"checkpoint of shard {shard}: {error}") from error

    def _snapshot(self) -> list[Saver]:
        with self._lock:
            return list(self._savers.values())
