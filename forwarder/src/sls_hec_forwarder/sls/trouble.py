"""Something that can fail for a while: logged once when it begins and once when it is over."""

from __future__ import annotations

import logging
import time
from typing import Callable

from sls_hec_forwarder.errors import OperatorError
from sls_hec_forwarder.logs import Episodes
from sls_hec_forwarder.sls.errors import SlsError


class Trouble:
    """What `subject`, such as "heartbeat" or "shard 3", fails with; each kind of failure is an episode."""

    def __init__(
        self, log: logging.Logger, subject: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._subject = subject
        self._episodes = Episodes(log, clock)
        #: Failures, of whatever kind, since it last worked.
        self.failures = 0

    def failed(self, problem: Exception) -> None:
        self.failures += 1
        level = logging.ERROR if isinstance(problem, OperatorError) else logging.WARNING
        message = f"{self._subject}: {problem}; trying again until it works"
        self._episodes.begin(_kind(problem), message, level)

    def over(self) -> None:
        """It worked."""
        if not self.failures:  # the usual case, on the hot path
            return
        self.failures = 0
        for kind in self._episodes.open():
            self._episodes.end(kind, f"{self._subject}: works again ({kind})")


def _kind(problem: Exception) -> str:
    return problem.kind if isinstance(problem, SlsError) else type(problem).__name__
