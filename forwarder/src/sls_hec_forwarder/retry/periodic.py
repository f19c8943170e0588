"""A thread that calls a function periodically and survives all its errors."""

from __future__ import annotations

import logging
import random
import threading
from typing import Callable

from sls_hec_forwarder.errors import OperatorError, RelayError
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.retry.backoff import CountingBackoff

#: The usual pause is the interval, shortened at random by up to this fraction.
_JITTER = 0.2


class Periodic:
    """Calls `work` until `stop`; `subject` names the work in log lines, such as "looking at the group".

    `work` returns the seconds until its next call, or None for `interval`; the first call comes after
    `first_pause`. Errors are logged once for each kind, with a traceback unless it is a RelayError, and so is
    the recovery; an unexpected error is the condition thread_failing. `backoff` gives the pauses meanwhile.
    `wake` ends a pause early, but at least `least_pause` seconds lie between two calls. With `once_more`,
    `work` is called a last time on `stop`.
    """

    def __init__(
        self,
        name: str,
        subject: str,
        work: Callable[[], float | None],
        *,
        log: logging.Logger,
        conditions: Conditions | None = None,
        interval: float,
        backoff: CountingBackoff,
        first_pause: float = 0.0,
        least_pause: float = 0.0,
        once_more: bool = False,
        rng: random.Random | None = None,
    ) -> None:
        self._subject = subject
        self._work = work
        self._log = log
        self._conditions = conditions
        self._interval = interval
        self._backoff = backoff
        self._first_pause = first_pause
        self._least_pause = least_pause
        self._once_more = once_more
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, not for security
        self._logged: set[str] = set()  # kinds of failure since it last worked
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        #: The error of the last call; None if it succeeded.
        self.problem: Exception | None = None

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread has started and not ended."""
        return self._thread.is_alive()

    @property
    def failures(self) -> int:
        """Failed calls since the last success."""
        return self._backoff.failures

    def wake(self) -> None:
        """Call `work` as soon as possible."""
        self._wake.set()

    def stop(self, timeout: float) -> bool:
        """End the thread; returns False if it did not end within `timeout` seconds. May be called again."""
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self.alive

    def _run(self) -> None:
        stopping = self._pause(self._first_pause)
        while not stopping:
            stopping = self._pause(self._once())
        if self._once_more:
            self._once()

    def _pause(self, seconds: float) -> bool:
        """Returns whether to stop."""
        if self._wake.wait(min(seconds, threading.TIMEOUT_MAX)):
            self._stop.wait(self._least_pause)  # `wake` may be called hundreds of times
            self._wake.clear()
        return self._stop.is_set()

    def _once(self) -> float:
        """Seconds until the next call."""
        try:
            pause = self._work()
        except Exception as problem:  # noqa: BLE001 - the next call may succeed
            self.problem = problem
            pause = self._backoff.next()
            self._tell(problem)
        else:
            self._works()
        return self._interval * self._rng.uniform(1 - _JITTER, 1.0) if pause is None else pause

    def _tell(self, problem: Exception) -> None:
        kind = type(problem).__name__
        if kind in self._logged:
            return
        self._logged.add(kind)
        foreseen = isinstance(problem, RelayError)
        level = logging.WARNING if foreseen and not isinstance(problem, OperatorError) else logging.ERROR
        text = f"{problem}" if foreseen else f"unexpected error: {kind}: {problem}"
        self._log.log(
            level,
            "%s: %s; trying again until it works",
            *(self._subject, text),
            exc_info=None if foreseen else problem,
        )
        if not foreseen and self._conditions is not None:
            self._conditions.begin("thread_failing", self._subject, f"{kind}: {problem}", cause=kind)

    def _works(self) -> None:
        if self.problem is None:  # the usual case
            return
        self._log.info("%s: works again, after %d failures", self._subject, self._backoff.failures)
        if self._conditions is not None:
            self._conditions.end("thread_failing", self._subject)
        self.problem = None
        self._backoff.reset()
        self._logged.clear()
