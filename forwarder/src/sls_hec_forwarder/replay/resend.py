"""Sends dead letters as the relay sends events, and removes from their files what was accepted.

It uses the relay's whole delivery: endpoints, retries, isolation, acknowledgement, the fallback index. Only
the ends differ: an event comes from a file, and if it is refused it stays there.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Callable, Final

from sls_hec_forwarder.delivery.lease import Fence, Lease
from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.errors import TransientError
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.hec.observer import HecObserver
from sls_hec_forwarder.hec.send.sender import Sender
from sls_hec_forwarder.replay.selection import CannotSend, edited
from sls_hec_forwarder.settings.model import Settings
from sls_hec_forwarder.spool.dead_letter import DeadLetter
from sls_hec_forwarder.spool.locked_file import SpoolFile

#: Most letters that may have arrived but are still in the file: so many may arrive twice after a kill.
WINDOW: Final = 2000
#: Longest time (seconds) between an event's arrival and its removal from the file.
_COMMIT_INTERVAL: Final = 0.2
_TURN: Final = 0.05
#: Time (seconds) for letters already handed to the sender, when the replay has to end early.
_GRACE_ASKED: Final = 10.0
_GRACE_TROUBLE: Final = 1.0
_SENDERS_END: Final = 10.0
_SENT: Final = "sent"


class GivenUp(TransientError):
    """The collectors accept nothing. Letters that were not accepted stay in their files."""


@dataclass
class Tally:
    """What became of the selected letters of one file; `unsent` letters cannot be sent as they are."""

    accepted: int = 0
    refused: int = 0
    unsent: int = 0

    def __iadd__(self, other: Tally) -> Tally:
        self.accepted += other.accepted
        self.refused += other.refused
        self.unsent += other.unsent
        return self


class _Refusals:
    """Takes the sender's dead letters. The "shard" of one is the key under which the letter was sent."""

    def __init__(self) -> None:
        self._letters: dict[int, DeadLetter] = {}
        self._lock = threading.Lock()

    def append(self, letter: DeadLetter) -> None:
        with self._lock:
            self._letters[letter.shard] = letter

    def take(self, key: int) -> DeadLetter | None:
        with self._lock:
            return self._letters.pop(key, None)


class Resend:
    """A running sender for one file after another; use as a context manager.

    `rate`: events per second. `patience`: it gives up after so many seconds in which no event was accepted or
    refused. `stop` may be set at any time, for example by a signal.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        rate: float,
        patience: float,
        conditions: Conditions,
        observer: HecObserver | None = None,
        read_token: Callable[[], str] | None = None,
        edits: Mapping[str, str] | None = None,
    ) -> None:
        hec = settings.hec
        self.stop = threading.Event()
        self.total = Tally()
        self._pause = 1.0 / rate
        self._patience = patience
        self._edits = dict(edits or {})
        self._refusals = _Refusals()
        self._outbox = Outbox(
            max_bytes=settings.relay.bytes_in_flight, batch_bytes=hec.batch_bytes, batch_age=hec.batch_age
        )
        self._sender = Sender(
            hec,
            self._outbox,
            conditions=conditions,
            observer=observer,
            spool=self._refusals,
            read_token=read_token,
        )
        # Every letter is treated as a separate shard, so that each is settled independently of the others.
        self._fence = Fence(math.inf)
        self._keys = itertools.count()
        self._due = time.monotonic()
        self._settled = self._due

    def __enter__(self) -> Resend:
        self._sender.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._outbox.close()
        self._sender.stop(_SENDERS_END)

    def file(self, file: SpoolFile, numbers: Iterable[int]) -> Tally:
        """Send these letters of a file, and update the file.

        With `stop` set it returns early. Raises GivenUp, and SpoolFileError when the file cannot be written.
        """
        work = _Work(file, self._refusals, self._edits)
        self._settled = time.monotonic()
        try:
            for number in numbers:
                self._send(work, number)
                if self.stop.is_set():
                    break
            self._outbox.hurry()
            while work.pending and not self.stop.is_set():
                self._turn(work)
            if self.stop.is_set():
                self._drain(work, _GRACE_ASKED)
        except GivenUp:
            self._drain(work, _GRACE_TROUBLE)
            raise
        finally:
            self.total += work.tally
            file.commit()
        return work.tally

    def _send(self, work: _Work, number: int) -> None:
        """Wait until the rate allows the letter and there is room, then hand it to the sender."""
        try:
            body = edited(work.file.letter(number).envelope, self._edits)
        except CannotSend:
            work.tally.unsent += 1
            return
        while True:
            now = time.monotonic()
            if self.stop.is_set():
                return
            if now >= self._due and work.unrecorded < WINDOW:
                break
            self._turn(work)
        # Time lost in short waits is made up for, a longer pause is not.
        self._due = max(self._due, now - 2 * _TURN) + self._pause
        key = next(self._keys)
        lease = Lease(key, "", self._fence)
        pull = lease.begin(_SENT, 1, now)
        while not self._outbox.put(pull, body, 1, _TURN):
            if self.stop.is_set():
                return
            self._turn(work)
        if not work.pending:
            self._settled = now
        work.pending[key] = (number, lease)

    def _turn(self, work: _Work) -> None:
        """Wait a little, then process what has been settled in the meantime."""
        self.stop.wait(_TURN)
        now = time.monotonic()
        if work.settle():
            self._settled = now
        if work.due(now):
            work.commit(now)
        if len(self._sender.holding) == len(self._sender.endpoints):
            raise GivenUp("every collector waits for an operator")
        # If no letter is being sent, there is nothing to wait for.
        if work.pending and now - self._settled > self._patience:
            raise GivenUp(f"nothing was settled for {self._patience:g} s")

    def _drain(self, work: _Work, seconds: float) -> None:
        """Give the sender some time to settle what it has; nothing new is added."""
        deadline = time.monotonic() + seconds
        while work.pending and time.monotonic() < deadline:
            time.sleep(_TURN)
            work.settle()


class _Work:
    """The letters of one file that are being sent, and what became of the others."""

    def __init__(self, file: SpoolFile, refusals: _Refusals, edits: Mapping[str, str]) -> None:
        self.file = file
        self.tally = Tally()
        self.pending: dict[int, tuple[int, Lease]] = {}
        self._refusals = refusals
        self._edits = edits
        self._changes = 0
        self._committed = time.monotonic()

    @property
    def unrecorded(self) -> int:
        """How many letters may have arrived but are still in the file."""
        return len(self.pending) + self._changes

    def settle(self) -> int:
        """Process newly accepted or refused letters; how many there were."""
        done = [key for key, (_, lease) in self.pending.items() if lease.committed == _SENT]
        for key in done:
            number, _ = self.pending.pop(key)
            refusal = self._refusals.take(key)
            if refusal is None:
                self.file.remove(number)
                self.tally.accepted += 1
            else:
                self.file.replace(number, self._again(self.file.letter(number), refusal))
                self.tally.refused += 1
        self._changes += len(done)
        return len(done)

    def _again(self, letter: DeadLetter, refusal: DeadLetter) -> DeadLetter:
        return dataclasses.replace(
            refusal,
            time=letter.time,
            shard=letter.shard,
            envelope=letter.envelope,
            refusals=letter.refusals + 1,
            again=refusal.time,
            tried={**self._edits, **refusal.tried},
        )

    def due(self, now: float) -> bool:
        """Whether it is time to commit."""
        return self._changes >= WINDOW // 2 or (
            self._changes > 0 and now - self._committed >= _COMMIT_INTERVAL
        )

    def commit(self, now: float) -> None:
        self.file.commit()
        self._committed = now
        self._changes = 0
