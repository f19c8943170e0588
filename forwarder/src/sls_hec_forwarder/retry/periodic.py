"""The owner of a thread that does the same again and again: it outlives every error of what it does."""

from __future__ import annotations

import logging
import random
import threading
from typing import Callable

from sls_hec_forwarder.errors import OperatorError, RelayError
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.retry.backoff import CountingBackoff

#: A pause that is not given is the interval, shortened by up to this share of it.
_JITTER = 0.2


class Periodic:
    """Calls `work` until `stop`; `subject` says in the log what that is, such as "looking at the group".

    `work` returns the seconds until its next call, None for `interval`; the first call comes after
    `first_pause`. What it raises is logged once for each kind, with a traceback unless it is a RelayError,
    and once more when it works again; an error that nobody foresaw is the condition thread_failing.
    `backoff` gives the pauses meanwhile. `wake` ends a pause, but leaves
    `least_pause` seconds between two calls. With `once_more`, `work` is called a last time on `stop`.
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
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, keeps no secret
        self._told: set[str] = set()  # kinds of failure since it last worked
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        #: What the last call failed with; None when it worked.
        self.problem: Exception | None = None

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Started, and not ended."""
        return self._thread.is_alive()

    @property
    def failures(self) -> int:
        """Calls that failed since one last worked."""
        return self._backoff.failures

    def wake(self) -> None:
        """Call `work` soon."""
        self._wake.set()

    def stop(self, timeout: float) -> bool:
        """End the thread; False when `timeout` seconds were not enough. May be called again."""
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
        """Whether to stop."""
        if self._wake.wait(min(seconds, threading.TIMEOUT_MAX)):
            self._stop.wait(self._least_pause)  # who wakes may do so by the hundred
            self._wake.clear()
        return self._stop.is_set()

    def _once(self) -> float:
        """Seconds until the next call."""
        try:
            pause = self._work()
        except Exception as problem:  # noqa: BLE001 - whatever it is, the next call may work
            self.problem = problem
            pause = self._backoff.next()
            self._tell(problem)
        else:
            self._works()
        return self._interval * self._rng.uniform(1 - _JITTER, 1.0) if pause is None else pause

    def _tell(self, problem: Exception) -> None:
        kind = type(problem).__name__
        if kind in self._told:
            return
        self._told.add(kind)
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
        self._told.clear()
