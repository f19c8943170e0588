"""Handles single events that are refused for good."""

from __future__ import annotations

import threading

from sls_hec_forwarder.delivery.batcher import Batch, Piece
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.hec.api.answers import Answer
from sls_hec_forwarder.hec.observer import HecObserver
from sls_hec_forwarder.spool.dead_letter import DeadLetter
from sls_hec_forwarder.spool.spool import Letterbox, SpoolFull
from sls_hec_forwarder.wire.envelope import index_of


class DeadLetters:
    """Saves events, and holds or drops those that cannot be saved. Shared by the threads of a process."""

    def __init__(
        self,
        spool: Letterbox | None,
        observer: HecObserver,
        conditions: Conditions,
        *,
        drop_unsaved: bool = False,
    ) -> None:
        self._spool = spool
        self._observer = observer
        self._conditions = conditions
        self._drop_unsaved = drop_unsaved
        self._unsaved: set[Piece] = set()
        self._lock = threading.Lock()

    def through(self, batch: Batch) -> None:
        """`batch` is accepted, saved or dropped; some of its events may have been held for a full spool."""
        if not self._unsaved:
            return
        with self._lock:
            before = len(self._unsaved)
            self._unsaved.difference_update(batch.pieces)
            over = before and not self._unsaved
        if over:
            self._conditions.end("dead_letters_unsaved", "")

    def save(self, letter: DeadLetter, piece: Piece) -> bool:
        """Whether checkpoints may pass the event: it is saved, or dropped because the settings say so."""
        try:
            if self._spool is None:
                raise SpoolFull("no folder for dead letters is set (RELAY_SPOOL_DIR)")
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

    def rerouted(self, endpoint: str, answer: Answer, index: str, other: str) -> None:
        """Report that an event for `index` goes to the index `other`."""
        text = f"refuses an event: {answer}: index {index!r}; it is sent to index {other!r}"
        self._conditions.occurred("events_rerouted", endpoint, text)
        self._observer.rerouted()


def refusal(letter: DeadLetter) -> str:
    """The collector's text, and the index that it may be about."""
    code = "" if letter.code is None else f", code {letter.code}"
    status = f" (HTTP {letter.status}{code})" if letter.status else ""
    index = index_of(letter.envelope)
    return f"refuses an event: {letter.text}{status}" + (f": index {index!r}" if index else "")
