"""Batches that something on the way, such as a firewall, always refuses while others pass."""

from __future__ import annotations

import enum
import itertools
import threading
import time
from typing import Callable, Final

from sls_hec_forwarder.delivery.batcher import Batch, Case
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.hec.api.answers import Answer
from sls_hec_forwarder.wire.envelope import identity

# How many refusals of one batch, all while others pass, until it is reported, and until it is halved.
REPORT_AT: Final = 3
HALVE_AT: Final = 4
# A single event that is refused so often, and for so long (seconds), counts as refused for good.
BURY_AT: Final = HALVE_AT + 4
BURY_AFTER: Final = 300.0
# If so many batches were refused since the last success, a single batch is not the cause.
_MANY: Final = 3
# Most subjects at once; further batches share one.
_SUBJECTS: Final = 16
_FURTHER: Final = "further batches"


class Next(enum.Enum):
    """What to do with a batch that is itself at fault."""

    AGAIN = "send it again"
    HALVE = "send its halves, to find the event"
    BURY = "a dead letter"


class Evidence:
    """Decides whether a refusal is about the batch or about the endpoint. One per endpoint."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.passes = 0
        self._refused: set[int] = set()

    def passed(self) -> None:
        """A batch got through."""
        self.passes += 1
        if self._refused:
            self._refused.clear()

    def refused(self, batch: Batch, path_works: Callable[[], bool]) -> bool:
        """Whether `batch` is at fault: others got through since its last refusal, or the path works.

        `path_works` tests the path with a request. If many batches were refused and none got through, a
        working path proves nothing: it may let only small requests pass.
        """
        mark, batch.mark = batch.mark, (self.endpoint, self.passes)
        if len(self._refused) < _MANY:
            self._refused.add(id(batch))
        if mark is not None and mark[0] == self.endpoint and mark[1] < self.passes:
            return True
        return len(self._refused) < _MANY and path_works()


class Refusals:
    """The batches that are at fault, and what becomes of them. Thread-safe."""

    def __init__(self, conditions: Conditions, clock: Callable[[], float] = time.monotonic) -> None:
        self._conditions = conditions
        self._clock = clock
        self._passed = itertools.count(1)
        self._passes = 0
        self._cases: dict[str, Case] = {}
        self._lock = threading.Lock()

    def passed(self) -> None:
        """Any batch got through."""
        self._passes = next(self._passed)

    def refused(self, batch: Batch, endpoint: str, answer: Answer) -> Next:
        """`batch` was refused again while others pass; what to do with it."""
        batch.refused += 1
        if batch.case is None:
            if batch.refused < REPORT_AT:
                return Next.AGAIN
            self._open(batch)
        case = batch.case
        assert case is not None
        left = "1 event of it is" if case.left == 1 else f"{case.left} events of it are"
        text = f"{endpoint} refuses a batch but accepts others; {left} undelivered: {answer}"
        self._conditions.begin("batch_refused", case.subject, text)
        if batch.refused < HALVE_AT:
            return Next.AGAIN
        if batch.events > 1:
            batch.refused = HALVE_AT - 1
            return Next.HALVE
        old = self._clock() - case.begun >= BURY_AFTER
        if batch.refused >= BURY_AT and old and self._passes > case.passed:
            return Next.BURY
        return Next.AGAIN

    def _open(self, batch: Batch) -> None:
        piece = batch.pieces[0]
        first = identity(piece.body.partition(b"\n")[0]) or piece.pull.next_cursor
        subject = f"shard {piece.pull.lease.shard} from {first}"
        with self._lock:
            if len(self._cases) >= _SUBJECTS and subject not in self._cases:
                subject = _FURTHER
            case = self._cases.get(subject)
            if case is None:
                case = self._cases[subject] = Case(subject, self._clock(), self._passes)
            case.left += batch.events
            batch.case = case

    def through(self, batch: Batch) -> None:
        """`batch` was accepted, saved as a dead letter or dropped: its trouble is over."""
        case, batch.case, batch.refused = batch.case, None, 0
        if case is None:
            return
        with self._lock:
            case.left -= batch.events
            over = case.left <= 0
            if over:
                self._cases.pop(case.subject, None)
        if over:
            self._conditions.end("batch_refused", case.subject)
