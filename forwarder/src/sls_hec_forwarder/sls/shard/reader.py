"""One leased shard, from assignment to release: a thread that opens it, reads it, and gives it up."""

from __future__ import annotations

import logging
import threading
from typing import Callable

from sls_hec_forwarder.health.facts import ShardFacts
from sls_hec_forwarder.sls.shard import draining
from sls_hec_forwarder.sls.shard.open_shard import Leave, OpenShard, Phase
from sls_hec_forwarder.sls.shard.opening import Opening
from sls_hec_forwarder.sls.shard.reading import Reading
from sls_hec_forwarder.sls.shard.shard_context import ShardContext

#: Pause (seconds) after an unexpected error, before the shard is given back.
_AFTER_BUG = 5.0

_NOT_HERE = "this process no longer reads the shard"

_log = logging.getLogger(__name__)


class ShardReader:
    """Started for a shard that was assigned; ends by `release` or `revoke`, and then calls `ended`.

    The shard is held, and reported in heartbeats, until `ended` is called, from the reader's own thread.
    """

    def __init__(
        self, shard: int, term: int, around: ShardContext, ended: Callable[[ShardReader], None]
    ) -> None:
        self.shard = shard
        self.term = term
        #: Set once the shard is open.
        self.opened: OpenShard | None = None
        #: Whether everything that was read is delivered and saved; final when the reader has ended.
        self.complete = False
        self._over = False
        self._around = around
        self._ended = ended
        self._leave = Leave(term, around.clock)
        self._opening = Opening(shard, around, self._leave)
        self._thread = threading.Thread(target=self._run, name=f"sls-shard-{shard}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def release(self, drain_time: float) -> None:
        """Deliver what is in flight, for at most `drain_time` seconds, save the checkpoint, end."""
        self._leave.release(drain_time)

    def revoke(self) -> None:
        """Drop everything and end: the shard is, or may be, another consumer's."""
        self._leave.revoke()

    def join(self, timeout: float) -> bool:
        """Wait for the end of the thread; False when `timeout` seconds were not enough."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def phase(self) -> Phase:
        if self._over:
            return Phase.ENDED
        return Phase.STARTING if self.opened is None else self.opened.phase

    def _run(self) -> None:
        reason = "failed"
        try:
            self.opened = shard = self._opening.open()
            if shard is not None:
                _log.info(
                    "shard %d: reading from %s, %s",
                    *(self.shard, shard.start.cursor, shard.start.origin.value),
                )
                self._around.observer.lease_started(self.shard)
                Reading(shard, self._around, self._leave).read()
                if not self._leave.revoked:
                    self._drain(shard)
            else:
                self.complete = not self._leave.revoked
            reason = "revoked" if self._leave.revoked else "released"
        except Exception as error:  # noqa: BLE001 - logged; a reader that died silently would keep its shard
            # Given back after a pause: the next reader, here or elsewhere, starts at the checkpoint.
            _log.exception("shard %d: unexpected error, giving the shard back", self.shard)
            text = f"{type(error).__name__}: {error}"
            self._around.conditions.occurred("reader_failed", f"shard {self.shard}", text)
            self._leave.drop()
            self._leave.wait(_AFTER_BUG)
        finally:
            self._over = True
            if self.opened is not None:
                self._around.checkpoints.remove(self.opened.saver)
                self.opened.saver.close(_NOT_HERE)
            try:
                self._around.observer.lease_ended(self.shard, reason)
                _log.info("shard %d: %s", self.shard, reason)
                self._opening.trouble.close(_NOT_HERE)
                if self.opened is not None:
                    self.opened.trouble.close(_NOT_HERE)
                self._opening.conditions.close(_NOT_HERE)
            finally:
                self._ended(self)

    def _drain(self, shard: OpenShard) -> None:
        """Deliver and save as much as the time allows; the next owner repeats the rest."""
        shard.phase = Phase.DRAINING
        settled = draining.deliver(shard, self._around, self._leave)
        if not settled:
            _log.warning(
                "shard %d: %d pulls could not be delivered in time; the next owner of the shard repeats them",
                *(self.shard, shard.lease.pulls_in_flight),
            )
        saved = draining.save(shard, self._around, self._leave)
        if not saved and not shard.lease.revoked:
            _log.warning(
                "shard %d: the last checkpoint could not be saved; the next owner continues at %s",
                *(self.shard, shard.saver.saved),
            )
        self.complete = settled and saved
        draining.hand_over(shard, self._around, saved=saved)

    def facts(self, lag: float | None) -> ShardFacts:
        """Measurements of the shard; `lag` in seconds."""
        now = self._around.clock()

        def ago(moment: float | None) -> float | None:
            return None if moment is None else max(0.0, now - moment)

        phase, shard = self.phase, self.opened
        if shard is None:
            return ShardFacts(
                shard=self.shard,
                phase=phase.value,
                pulling=False,
                lag=lag,
                oldest_undelivered=None,
                last_pull=None,
                last_delivery=None,
                last_checkpoint=None,
            )
        return ShardFacts(
            shard=self.shard,
            phase=phase.value,
            pulling=phase is Phase.READING and not shard.waiting and shard.lease.active,
            lag=lag,
            oldest_undelivered=ago(shard.lease.oldest_started),
            last_pull=ago(shard.last_pull),
            last_delivery=ago(shard.lease.last_advance),
            last_checkpoint=ago(shard.saver.saved_at),
        )
