"""Carries out what an answer means for a batch: delivered, sent again, taken apart, or a dead letter."""

from __future__ import annotations

import threading
import time
from typing import Callable, Final

from sls_hec_forwarder.delivery.batcher import Batch, Piece
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.hec.api.answers import INCORRECT_INDEX, Action, Answer
from sls_hec_forwarder.hec.observer import HecObserver
from sls_hec_forwarder.hec.send.custody import Custody
from sls_hec_forwarder.hec.send.isolate import halved, judge
from sls_hec_forwarder.hec.send.refusals import Next, Refusals
from sls_hec_forwarder.retry.backoff import Backoff
from sls_hec_forwarder.spool.dead_letter import DeadLetter
from sls_hec_forwarder.spool.spool import Letterbox, SpoolFull
from sls_hec_forwarder.wire.envelope import index_of, with_key

# A dead letter that could not be saved is tried again after so many seconds, later at the pace of retries:
# its event is posted again, which also finds out when the collector accepts it.
_UNSAVED: Final = 5.0


class DeadLetters:
    """What becomes of single events that are refused for good."""

    def __init__(
        self,
        spool: Letterbox | None,
        observer: HecObserver,
        conditions: Conditions,
        *,
        drop_unsaved: bool = False,
        fallback_index: str = "",
    ) -> None:
        self.fallback_index = fallback_index
        self._spool = spool
        self._observer = observer
        self._conditions = conditions
        self._drop_unsaved = drop_unsaved
        self._unsaved: set[Piece] = set()
        self._lock = threading.Lock()

    @property
    def can_save(self) -> bool:
        """There is a spool."""
        return self._spool is not None

    def through(self, batch: Batch) -> None:
        """`batch` is accepted, saved or dropped; events of it may have been held because of the spool."""
        if not self._unsaved:
            return
        with self._lock:
            before = len(self._unsaved)
            self._unsaved.difference_update(batch.pieces)
            over = before and not self._unsaved
        if over:
            self._conditions.end("dead_letters_unsaved", "")

    def save(self, letter: DeadLetter, piece: Piece) -> bool:
        """Whether checkpoints may pass the event: it is saved, or given up as the settings want it."""
        try:
            if self._spool is None:
                raise SpoolFull("there is no folder for dead letters (RELAY_SPOOL_DIR)")
            self._spool.append(letter)
        except SpoolFull as error:
            what = f"{refusal(letter)}; it cannot be saved: {error}"
            if self._drop_unsaved:
                self._conditions.occurred("events_discarded", letter.endpoint, what)
                self._observer.discarded(letter.reason)
                return True
            with self._lock:
                self._unsaved.add(piece)
            self._conditions.begin("dead_letters_unsaved", "", f"{letter.endpoint} {what}")
            return False
        self._conditions.occurred("dead_letters", letter.endpoint, refusal(letter))
        self._observer.dead_lettered(letter.reason, letter.code)
        return True

    def rerouted(self, endpoint: str, answer: Answer, index: str) -> None:
        """An event goes to the fallback index."""
        text = f"refuses an event: {answer}: index {index!r}; it goes to {self.fallback_index!r}"
        self._conditions.occurred("events_rerouted", endpoint, text)
        self._observer.rerouted()


class Outcomes:
    """For one thread. `accepted` is told what the collector took, whether or not it has acknowledged it."""

    def __init__(
        self,
        endpoint: str,
        custody: Custody,
        retry: Backoff,
        dead_letters: DeadLetters,
        refusals: Refusals,
        observer: HecObserver,
        *,
        atomic: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._endpoint = endpoint
        self._custody = custody
        self._retry = retry
        self._refusals = refusals
        self._dead_letters = dead_letters
        self._observer = observer
        self._atomic = atomic
        self._clock = clock

    def settle(
        self, batch: Batch, answer: Answer, accepted: Callable[[Batch], None], at_fault: bool = False
    ) -> None:
        """Act on the answer to `batch`. `at_fault`: it was refused because of itself, others pass."""
        if answer.action in (Action.DONE, Action.DONE_SLOW_DOWN):
            self._refusals.passed()
            self._accepted(batch, accepted)
        elif answer.action in (Action.SPLIT, Action.ISOLATE) or answer.accepted_prefix:
            verdict = judge(batch, answer, self._atomic)
            parts = [verdict.taken, verdict.dead, *verdict.again]
            self._custody.divide(batch, [part for part in parts if part is not None])
            for part in verdict.again:
                if answer.action is Action.RETRY:
                    self.again(part, answer.may_have_taken)
                else:
                    self._custody.put_back(part, 0.0)
            if verdict.taken is not None:
                self._accepted(verdict.taken, accepted)
            if verdict.dead is not None:
                self._refused(verdict.dead, answer)
        elif at_fault:
            self._at_fault(batch, answer)
        else:
            self.again(batch, answer.may_have_taken)

    def _accepted(self, batch: Batch, accepted: Callable[[Batch], None]) -> None:
        self._through(batch)
        accepted(batch)

    def _at_fault(self, batch: Batch, answer: Answer) -> None:
        what = self._refusals.refused(batch, self._endpoint, answer)
        if what is Next.HALVE:
            halves = halved(batch).again
            self._custody.divide(batch, halves)
            for half in halves:
                half.attempts = 0  # the pause was for the whole
                self.again(half, answer.may_have_taken)
        elif what is Next.BURY and self._dead_letters.can_save:
            self._refused(batch, answer, "blocked")
        else:
            self.again(batch, answer.may_have_taken)

    def delivered(self, batch: Batch) -> None:
        """All of it is at its destination."""
        events, size = batch.events, batch.raw_size
        self._custody.delivered(batch)
        self._observer.delivered(self._endpoint, events, size)

    def dropped(self, batch: Batch) -> None:
        """It belongs to another consumer now."""
        events = batch.events
        self._through(batch)
        self._custody.dropped(batch)
        self._observer.dropped(events)

    def again(self, batch: Batch, may_have_taken: bool) -> None:
        """Send it again, here or elsewhere, after a pause that grows with its attempts."""
        batch.attempts += 1
        events = batch.events
        self._custody.put_back(batch, self._retry.delay(batch.attempts))
        self._observer.retried(self._endpoint, events, events if may_have_taken else 0)

    def _through(self, batch: Batch) -> None:
        self._refusals.through(batch)
        self._dead_letters.through(batch)

    def _refused(self, one: Batch, answer: Answer, reason: str = "refused") -> None:
        """One event that will never be taken as it is."""
        piece = one.pieces[0]
        fallback = self._dead_letters.fallback_index
        if answer.code == INCORRECT_INDEX and fallback and piece.original is None:
            rerouted = _rerouted(piece.body, fallback)
            if rerouted != piece.body:
                piece.original, piece.body = piece.body, rerouted
                self._dead_letters.rerouted(self._endpoint, answer, index_of(piece.original))
                self._custody.put_back(one, 0.0)
                return
        now = self._clock()
        twice = piece.original is not None  # its own index was refused too
        letter = DeadLetter(
            time=now,
            reason="oversize" if answer.action is Action.SPLIT else reason,
            status=answer.status,
            code=answer.code,
            text=answer.text,
            endpoint=self._endpoint,
            shard=piece.pull.lease.shard,
            envelope=piece.body if piece.original is None else piece.original,
            refusals=2 if twice else 1,
            again=now if twice else None,
            tried={"index": fallback} if twice else {},
        )
        if self._dead_letters.save(letter, piece):
            self._through(one)
            self._custody.delivered(one)
        else:
            one.attempts += 1
            self._custody.put_back(one, max(_UNSAVED, self._retry.delay(one.attempts)))


def refusal(letter: DeadLetter) -> str:
    """The collector's words, and the index that they may be about."""
    code = "" if letter.code is None else f", code {letter.code}"
    status = f" (HTTP {letter.status}{code})" if letter.status else ""
    index = index_of(letter.envelope)
    return f"refuses an event: {letter.text}{status}" + (f": index {index!r}" if index else "")


def _rerouted(envelope: bytes, index: str) -> bytes:
    try:
        return with_key(envelope, "index", index)
    except ValueError:
        return envelope
