"""Says once when something goes wrong and once when it is over, however often it was tried in between."""

from __future__ import annotations

import logging
import threading
import time
from typing import Callable

from sls_hec_forwarder.errors import OperatorError
from sls_hec_forwarder.sls.errors import SlsError


class Trouble:
    """One thing that can fail for a while, such as "heartbeat" or "shard 3". Thread-safe."""

    def __init__(
        self, log: logging.Logger, subject: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._subject = subject
        self._clock = clock
        self._lock = threading.Lock()
        self._kind = ""
        self._since = 0.0
        self._failures = 0

    def failed(self, problem: Exception) -> None:
        """Logs the first failure, and the first of each other kind."""
        kind = problem.kind if isinstance(problem, SlsError) else type(problem).__name__
        with self._lock:
            if not self._failures:
                self._since = self._clock()
            self._failures += 1
            if kind == self._kind:
                return
            self._kind = kind
        level = logging.ERROR if isinstance(problem, OperatorError) else logging.WARNING
        self._log.log(level, "%s: %s; trying again until it works", self._subject, problem)

    def over(self) -> None:
        """It worked: logs the end of the trouble, if there was one."""
        if not self._failures:  # without the lock: this is called for every success
            return
        with self._lock:
            failures, seconds = self._failures, self._clock() - self._since
            self._failures = 0
            self._kind = ""
        if failures:
            self._log.info("%s: works again after %d failures in %.0f s", self._subject, failures, seconds)

    @property
    def failures(self) -> int:
        """Failures since it last worked."""
        return self._failures
