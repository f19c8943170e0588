"""The thread that keeps the group membership alive.

It depends on nothing else: it has its own connections and short time-outs, does only quick work on an answer,
survives every error, and is the last part to stop.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Collection
from typing import Callable, Protocol

from sls_hec_forwarder.delivery.lease import Fence
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.retry.backoff import CountingBackoff
from sls_hec_forwarder.sls.api.errors import GroupMissing, NotMember, SlsError
from sls_hec_forwarder.sls.api.trouble import Trouble
from sls_hec_forwarder.sls.group.membership import (
    Do,
    Membership,
    ShardAction,
    fence_timeout,
    heartbeat_interval,
)
from sls_hec_forwarder.sls.observer import SlsObserver

#: Shards given up within this time (seconds) are reported to the server in one heartbeat.
_GATHER = 0.05
#: Tries of the last heartbeat, when the process stops.
_LAST_TRIES = 3

_log = logging.getLogger(__name__)


class Beats(Protocol):
    """The one call of SlsClient that is used here."""

    def heartbeat(self, shards: list[int]) -> list[int]: ...


class Heartbeat:
    """Sends heartbeats, renews the fence with the time of sending, and passes on the resulting actions.

    `act` is called with one action at a time, in order; it must neither block nor call back. `missing` is
    called when SLS has no such group, `forgotten` when SLS does not know this consumer although its
    heartbeats were in time. `admit` chooses the shards to hold from now on, from those that an answer names
    and those that are held; it must not block either.
    """

    def __init__(
        self,
        client: Beats,
        fence: Fence,
        act: Callable[[ShardAction], None],
        *,
        interval: float,
        group_timeout: float,
        conditions: Conditions,
        missing: Callable[[str], None] = lambda _: None,
        forgotten: Callable[[], None] = lambda: None,
        admit: Callable[[Collection[int], Collection[int]], Collection[int]] = lambda named, _: named,
        observer: SlsObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self._client = client
        self._fence = fence
        self._act = act
        self._missing = missing
        self._forgotten = forgotten
        self._admit = admit
        self._observer = observer or SlsObserver()
        self._wanted_interval = interval
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - no secret
        self._membership = Membership()
        self._lock = threading.Lock()  # of the membership
        self._wake = threading.Event()
        self._finish = threading.Event()
        self._trouble = Trouble(conditions, "heartbeat_failing")
        self._backoff = CountingBackoff(0.2, interval)
        #: When the last answered heartbeat was sent, on `clock`; None before the first answer.
        self.last_success: float | None = None
        self._told: list[int] | None = None  # what that heartbeat reported
        self._thread = threading.Thread(target=self._run, name="sls-heartbeat", daemon=True)
        self.group_timeout_changed(group_timeout)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def group_timeout_changed(self, group_timeout: float) -> None:
        """Use the group's time-out (seconds) as the server has it now; any member may change it."""
        self._fence.timeout = fence_timeout(group_timeout)
        self._interval = heartbeat_interval(self._wanted_interval, group_timeout)
        self._wake.set()

    def given_up(self, shard: int, term: int) -> None:
        """The lease of that term has ended; report it at once, so that the shard's next owner can start."""
        with self._lock:
            self._membership.given_up(shard, term)
        self._wake.set()

    def wake(self) -> None:
        """Send a heartbeat at once."""
        self._wake.set()

    def release_all(self) -> None:
        """Begin to give up every shard; heartbeats continue."""
        with self._lock:
            self._perform(self._membership.stop())

    def finish(self, timeout: float) -> bool:
        """Report what was given up since the last heartbeat, if anything, and end the thread.

        SLS has no call to leave a group: shards that nobody waited for remain assigned to this consumer's
        name until the group's time-out, or until it comes back. False if `timeout` seconds were not enough.
        """
        self._finish.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        last_tries = _LAST_TRIES
        while True:
            if self._finish.is_set():
                if self._all_told() or not last_tries:
                    return
                last_tries -= 1
            try:
                pause = self._beat()
            except Exception as problem:  # noqa: BLE001 - a bug must cost a heartbeat, not the membership
                _log.exception("heartbeat: unexpected error; trying again")
                self._trouble.failed(problem)
                pause = self._backoff.next()
            if self._wake.wait(_GATHER if self._finish.is_set() else pause):
                self._finish.wait(_GATHER)
                self._wake.clear()

    def _all_told(self) -> bool:
        with self._lock:
            return self._told == self._membership.report()

    def _beat(self) -> float:
        """Send one heartbeat; return the seconds until the next."""
        with self._lock:
            report = self._membership.report()
        sent_at = self._clock()
        try:
            assigned = self._client.heartbeat(report)
        except NotMember as problem:
            self._observer.failed("heartbeat", problem.kind)
            self._trouble.failed(problem)
            if report and self._fence.is_open():
                self._forgotten()
            with self._lock:
                self._perform(self._membership.refused())
            # Join again at once, but do not spin if that is refused as well.
            return 0.0 if report else self._backoff.next()
        except GroupMissing as problem:
            self._observer.failed("heartbeat", problem.kind)
            self._missing(str(problem))
            return self._backoff.next()
        except SlsError as problem:
            self._observer.failed("heartbeat", problem.kind)
            self._trouble.failed(problem)
            return self._backoff.next()
        self._fence.renew(sent_at)
        self._told = report
        self.last_success = sent_at
        self._trouble.over()
        self._backoff.reset()
        with self._lock:
            held = frozenset(self._membership.report())
            self._perform(self._membership.answered(self._admit(assigned, held)))
        return self._interval * self._rng.uniform(0.9, 1.0)

    def _perform(self, actions: list[ShardAction]) -> None:
        """Carry out `actions`; with the lock held, so that no shard is released before it was started."""
        for action in actions:
            self._carry_out(action)

    def _carry_out(self, action: ShardAction) -> None:
        try:
            self._act(action)
        except RuntimeError as problem:
            if action.do is not Do.START:
                raise
            # No thread could be started: the shard counts as not held, so that SLS can assign it again.
            _log.error(
                "shard %d: cannot start its thread; giving it up until SLS assigns it again: %s",
                action.shard,
                problem,
            )
            self._membership.given_up(action.shard, action.term)
