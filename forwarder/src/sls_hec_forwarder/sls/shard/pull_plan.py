"""What a reader does next: how long to pause after an answer or an error, and when it is done.

A plain object: no thread, no network.
"""

from __future__ import annotations

import random

from sls_hec_forwarder.errors import OperatorError
from sls_hec_forwarder.retry.backoff import CountingBackoff
from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.errors import (
    CorruptPull,
    CursorInvalid,
    SlsError,
    Throttled,
    TooLarge,
    TooSlow,
    Unreadable,
)
from sls_hec_forwarder.sls.api.pull_answer import PullAnswer

#: First and longest pause (seconds) after a failed pull.
_TRANSIENT = (0.5, 30.0)
_THROTTLED = (1.0, 15.0)  # SLS counts quotas per second; its own consumers pause 5 s
_OPERATOR = (5.0, 60.0)
_UNREADABLE = (1.0, 60.0)
#: Divisor of the number of log groups after a pull that was too large: from 1000 to one in five steps.
_FEWER = 4


class PullPlan:
    """Answers and failures of pulls in, pauses out, for one shard.

    `cursor` is what to pull next. `stop` is the cursor to stop at, once it is known.
    """

    def __init__(
        self, cursor: str, fetch_interval: float, most: int = 1000, rng: random.Random | None = None
    ) -> None:
        self.cursor = cursor
        self.stop: str | None = None
        #: The end of a read-only shard was reached: no more logs can come.
        self.at_end = False
        #: The last pull reached the present end of the shard.
        self.caught_up = False
        #: Receive time (unix seconds) at `cursor`, if SLS reported it.
        self.cursor_time: int | None = None
        #: How often in a row the answer at `cursor` could not be decoded.
        self.undecodable = 0
        #: How many log groups to ask for.
        self.count = most
        self._most = most
        self._fetch_interval = fetch_interval
        self._rng = rng or random.Random()  # noqa: S311 - no secret
        self._backoff: CountingBackoff | None = None
        self._patience = (0.0, 0.0)

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to pull."""
        return self.at_end or self.stopped

    @property
    def stopped(self) -> bool:
        """Whether the stop position is reached."""
        if self.stop is None:
            return False
        left = cursors.distance(self.cursor, self.stop)
        return self.cursor == self.stop if left is None else left <= 0

    def pulled(self, answer: PullAnswer, read_only: bool) -> float:
        """The whole answer was taken over; return the seconds until the next pull.

        `read_only` must have been known before the pull, or logs written in between could be missed.
        """
        self._backoff = None
        self.undecodable = 0
        self.count = min(2 * self.count, self._most)
        self.at_end = read_only and not answer.groups and answer.next_cursor == answer.cursor
        self.cursor = answer.next_cursor
        self.caught_up = answer.caught_up
        if answer.cursor_time is not None:
            self.cursor_time = answer.cursor_time
        if not self.caught_up:
            return 0.0
        return self._fetch_interval * self._rng.uniform(0.9, 1.1)

    def jump(self, cursor: str) -> None:
        """Continue at another place of the shard."""
        self.cursor = cursor
        self.cursor_time = None
        self._backoff = None
        self.undecodable = 0

    def failed(self, problem: SlsError) -> float:
        """The pull failed; return the seconds until it is tried again.

        The next pull asks for fewer log groups if this one was too large, or too slow for the connection.
        """
        fewer = isinstance(problem, (TooLarge, TooSlow)) and self.count > 1
        if fewer:
            self.count = max(1, self.count // _FEWER)
        if isinstance(problem, (CorruptPull, Unreadable)) and not fewer:
            self.undecodable += 1
        patience = _TRANSIENT if fewer else _patience(problem)
        if self._backoff is None or patience != self._patience:
            self._patience = patience
            self._backoff = CountingBackoff(*patience, self._rng)
        return self._backoff.next()


def _patience(problem: SlsError) -> tuple[float, float]:
    if isinstance(problem, Throttled):
        return _THROTTLED
    if isinstance(problem, OperatorError):
        return _OPERATOR
    # These usually repeat, and each try costs work.
    if isinstance(problem, (CorruptPull, CursorInvalid, Unreadable)):
        return _UNREADABLE
    return _TRANSIENT
