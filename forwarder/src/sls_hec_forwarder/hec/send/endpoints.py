"""How much an endpoint may be used: a pause after failures, one probe, then step by step to full speed."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import Callable, Final, NamedTuple

from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.hec.api.answers import Action, Answer, advice
from sls_hec_forwarder.hec.api.target import Target
from sls_hec_forwarder.hec.observer import HecObserver
from sls_hec_forwarder.hec.send.refusals import Evidence
from sls_hec_forwarder.retry.backoff import Backoff

# A wrong path and a rolling restart look the same, but a restart is over after a few tries.
_NOT_FOUND_TRIES: Final = 5

# By how much the number of parallel requests shrinks when answers become slower, and when they count as
# slower: when they exceed the usual time by so many mean deviations and by this share of it. The weight is
# that of the latest round.
_SLOWER: Final = 0.9
_DEVIATIONS: Final = 2.5
_TOLERANCE: Final = 0.25
_WEIGHT: Final = 0.4


# So many single failures within this time (seconds) are not a coincidence.
_OFTEN: Final = 3
_OFTEN_SECONDS: Final = 60.0


class Ticket(NamedTuple):
    """Permission to send one request; `epoch` shows whether a pause has begun since."""

    epoch: int


class Latency:
    """Detects when answers take longer than usual.

    A round is as many answers as there are parallel requests. Its mean is compared with a moving average of
    earlier rounds and their variation (as in the adaptive concurrency of other forwarders, and TCP's
    round-trip estimate, RFC 6298).
    """

    def __init__(self) -> None:
        self.slower = False
        self._usual: float | None = None
        self._deviation = 0.0
        self._sum = 0.0
        self._count = 0

    def round(self, seconds: float, answers: int) -> bool:
        """Count one answer; True if it completes a round of `answers`, for which `slower` is then set."""
        self._sum += seconds
        self._count += 1
        if self._count < answers:
            return False
        mean = self._sum / self._count
        self._sum, self._count = 0.0, 0
        if self._usual is None:
            self._usual = mean
        off = mean - self._usual
        self.slower = off > max(_DEVIATIONS * self._deviation, _TOLERANCE * self._usual)
        self._usual += _WEIGHT * off
        self._deviation += _WEIGHT * (abs(off) - self._deviation)
        return True


class Gate:
    """Decides when a request may start. No lock, no clock.

    A pause begins when it is certain that the endpoint cannot be used: it does not accept connections, asks
    us to wait, refuses us, or failed twice in a row. After a pause one request probes; if it succeeds, the
    number of parallel requests grows again from one. Requests that were in progress when a pause began do not
    count: if ten of them fail, that is one failure.

    Between pauses the number of parallel requests grows by one per round, and shrinks when answers become
    slower than usual or a request fails.
    """

    def __init__(self, slots: int, retry: Backoff, hold: Backoff) -> None:
        self.in_flight = 0
        self.holding = False
        self._slots = slots
        self._limit = 1.0
        self._fast_until = float(slots)
        self._retry = retry
        self._hold = hold
        self._failures = 0
        self._latency = Latency()
        self._paused_until = -math.inf
        self._epoch = 0

    @property
    def limit(self) -> int:
        return int(self._limit)

    @property
    def failures(self) -> int:
        """The number of failures in a row."""
        return self._failures

    def wait(self, now: float) -> float:
        """Seconds until a request may start: 0 now; infinite if another one has to end first."""
        if now < self._paused_until:
            return self._paused_until - now
        return 0.0 if self.in_flight < self.limit else math.inf

    def start(self) -> Ticket:
        self.in_flight += 1
        return Ticket(self._epoch)

    def end(self) -> None:
        """A request has ended; call this before reporting its outcome."""
        self.in_flight -= 1

    def current(self, ticket: Ticket) -> bool:
        """Whether no pause has begun since the ticket was given."""
        return ticket.epoch == self._epoch

    def succeeded(self, ticket: Ticket, seconds: float) -> bool:
        """The collector answered well after `seconds`; True if that ends a series of failures."""
        if not self.current(ticket):
            return False
        recovered = self._failures > 0
        self._failures = 0
        self.holding = False
        if self._limit < self._fast_until:
            self._limit = min(float(self._slots), self._limit + 1.0)
        elif self._latency.round(seconds, self.limit):
            step = _SLOWER * self._limit if self._latency.slower else self._limit + 1.0
            self._limit = min(float(self._slots), max(1.0, step))
        return recovered

    def slow_down(self, ticket: Ticket, now: float) -> None:
        """The collector accepted the request but asks for fewer."""
        if self.current(ticket):
            self._reduce()
            self._paused_until = now + self._retry.delay(1)

    def _reduce(self) -> None:
        self._limit = self._fast_until = max(1.0, self._limit / 2)

    def failed(self, ticket: Ticket, now: float, retry_after: float | None, certain: bool) -> None:
        """The request failed, but trying again can help."""
        if not self.current(ticket):
            return
        self._failures += 1
        self._reduce()
        if certain or self._failures > 1:
            self._pause(now + self._retry.delay(self._failures, retry_after))

    def refused(self, ticket: Ticket, now: float, retry_after: float | None) -> None:
        """An operator has to change something; the gate lets a probe through from time to time."""
        if not self.current(ticket):
            return
        self._failures = self._failures + 1 if self.holding else 1
        self.holding = True
        self._pause(now + self._hold.delay(self._failures, retry_after))

    def _pause(self, until: float) -> None:
        self._paused_until = until
        self._limit = 1.0
        self._epoch += 1

    def resume(self) -> None:
        """Something has changed: probe at once."""
        self._paused_until = -math.inf


class Endpoint:
    """A target and its gate, shared by the threads that send there."""

    def __init__(
        self,
        target: Target,
        gate: Gate,
        conditions: Conditions,
        observer: HecObserver,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.target = target
        self.name = str(target)
        self._gate = gate
        self._conditions = conditions
        self._observer = observer
        self._clock = clock
        self._changed = threading.Condition()
        self._closed = False
        self._singles: deque[float] = deque(maxlen=_OFTEN)
        #: How many requests in a row got no answer at all.
        self.silent = 0
        self.evidence = Evidence(self.name)

    @property
    def holding(self) -> bool:
        return self._gate.holding

    @property
    def well(self) -> bool:
        """Whether nothing has failed here since the last success."""
        return not self._gate.failures

    def enter(self, timeout: float) -> Ticket | None:
        """Wait until a request may start; None if that takes longer than `timeout` seconds."""
        deadline = self._clock() + timeout
        with self._changed:
            while not self._closed:
                now = self._clock()
                wait = self._gate.wait(now)
                if wait == 0.0:
                    return self._gate.start()
                if now >= deadline:
                    return None
                self._changed.wait(min(wait, deadline - now))
            return None

    def usable(self, ticket: Ticket) -> bool:
        """Whether the ticket from `enter` is still valid: no pause has begun since."""
        return self._gate.current(ticket)

    def leave(self, ticket: Ticket, answer: Answer | None, seconds: float = 0.0) -> None:
        """The request has ended with `answer` after `seconds`, or was never made (None)."""
        with self._changed:
            self._gate.end()
            if answer is not None and self._gate.current(ticket):
                self._judge(ticket, answer, seconds)
            self._changed.notify_all()

    def _judge(self, ticket: Ticket, answer: Answer, seconds: float) -> None:
        self.silent = self.silent + 1 if answer.status == 0 else 0
        gate, action, was_holding = self._gate, answer.action, self._gate.holding
        if action is Action.RETRY_THEN_HOLD:
            action = Action.HOLD if gate.holding or gate.failures >= _NOT_FOUND_TRIES else Action.RETRY
        if action is Action.HOLD:
            gate.refused(ticket, self._clock(), answer.retry_after)
            self._conditions.begin("collector_holding", self.name, str(answer), todo=advice(answer))
        elif action is Action.RETRY:
            unreachable = answer.status == 0 and not answer.may_have_taken
            certain = unreachable or answer.status == 429 or answer.retry_after is not None
            gate.failed(ticket, self._clock(), answer.retry_after, certain)
            if certain or gate.failures > 1:  # a single failure is not worth a line
                self._conditions.begin("collector_failing", self.name, str(answer))
            elif self._often(self._clock()):
                self._conditions.occurred("requests_failing", self.name, str(answer))
        else:
            if gate.succeeded(ticket, seconds):
                self._end()
            if action is Action.DONE_SLOW_DOWN:
                gate.slow_down(ticket, self._clock())
        if gate.holding is not was_holding:
            self._observer.held(self.name, gate.holding)

    def _often(self, now: float) -> bool:
        """Whether single failures, each followed by a success, have become frequent."""
        self._singles.append(now)
        return len(self._singles) == _OFTEN and now - self._singles[0] <= _OFTEN_SECONDS

    def _end(self) -> None:
        for name in ("collector_holding", "collector_failing"):
            self._conditions.end(name, self.name)

    def resume(self) -> None:
        """Something has changed, such as the token: do not wait for the end of a pause."""
        with self._changed:
            self._gate.resume()
            self._changed.notify_all()

    def close(self) -> None:
        """Let no more requests start."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
