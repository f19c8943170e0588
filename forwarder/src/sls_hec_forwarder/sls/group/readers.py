"""The shards that this member holds, each with a reader, which membership starts and ends."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Callable

from sls_hec_forwarder.health.facts import ShardFacts
from sls_hec_forwarder.sls.group.membership import Do, ShardAction
from sls_hec_forwarder.sls.shard.open_shard import Phase
from sls_hec_forwarder.sls.shard.reader import ShardReader
from sls_hec_forwarder.sls.shard.shard_context import ShardContext

#: How often (seconds) `wait` looks at the clock.
_LOOK = 0.1
#: Age (seconds) from which a pull no longer proves that the end of the shard was reached.
_FRESH = 15.0


@dataclass(frozen=True)
class ShardState:
    """One shard that this process holds.

    `lag` is the age of the oldest log that is not delivered, 0 when there is none; `oldest` is how long the
    oldest undelivered pull has waited. Both in seconds; None: not known, or nothing waits.
    """

    shard: int
    phase: Phase
    cursor: str
    committed: str
    saved: str
    pulls_in_flight: int
    lag: float | None
    oldest: float | None


class Readers:
    """Thread-safe. `given_up` is called with shard and term, from the reader's thread, as its last act.

    `drain_time` is how long (seconds) a release may take; `now` is the server's time.
    """

    def __init__(
        self,
        drain_time: float,
        given_up: Callable[[int, int], None],
        *,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._drain_time = drain_time
        self._given_up = given_up
        self._clock = clock
        self._now = now
        self._readers: dict[int, ShardReader] = {}
        self._threads: set[ShardReader] = set()  # the same, and those whose thread has not ended yet
        self._lock = threading.Lock()
        self._stopping = False
        #: Whether every reader that ended after `stopping` delivered and saved what it had in flight.
        self.complete = True

    # What membership decides

    def act(self, action: ShardAction, around: ShardContext) -> None:
        with self._lock:
            if action.do is Do.START:
                self._forget_ended()
                reader = ShardReader(action.shard, action.term, around, self._ended)
                reader.start()
                self._readers[action.shard] = reader
                self._threads.add(reader)
                return
            held = self._readers.get(action.shard)
            if held is not None and held.term == action.term:
                if action.do is Do.RELEASE:
                    held.release(self._drain_time)
                else:
                    # Its thread may take a while to notice; the shard may be assigned again before that.
                    del self._readers[action.shard]
                    held.revoke()

    def _ended(self, reader: ShardReader) -> None:
        """Called from the reader's thread, as the last thing it does."""
        with self._lock:
            current = self._readers.get(reader.shard) is reader
            if self._stopping and not reader.complete:
                self.complete = False
            if current:
                del self._readers[reader.shard]
        if current:
            self._given_up(reader.shard, reader.term)

    # The end

    def stopping(self, drain_time: float) -> None:
        """Give shards released from now on `drain_time` seconds; `complete` tells whether that was enough."""
        with self._lock:
            self._stopping = True
            self._drain_time = drain_time

    def revoke_all(self) -> None:
        """Drop every shard at once."""
        for reader in self._running():
            reader.revoke()

    def wait(self, deadline: float) -> bool:
        """Wait for all readers; return whether they ended by `deadline`."""
        while readers := self._running():
            if not readers[0].join(_LOOK) and self._clock() >= deadline:
                return False
        return True

    def running(self) -> list[int]:
        """Shards whose readers have not ended yet, held or not."""
        return [each.shard for each in self._running()]

    def _running(self) -> list[ShardReader]:
        with self._lock:
            self._forget_ended()
            return list(self._threads)

    def _forget_ended(self) -> None:
        self._threads = {each for each in self._threads if not each.join(0)}

    # What can be seen

    def facts(self) -> tuple[ShardFacts, ...]:
        """Measurements of the shards held now, in order."""
        return tuple(reader.facts(self._state(reader).lag) for reader in self._held())

    def states(self) -> list[ShardState]:
        """The shards held now, in order."""
        return [self._state(reader) for reader in self._held()]

    def all_read(self) -> bool:
        """Whether every shard that is held is delivered and saved up to the stop position."""
        return all(
            each.phase is Phase.FINISHED and each.saved == each.cursor and not each.pulls_in_flight
            for each in self.states()
        )

    def _held(self) -> list[ShardReader]:
        with self._lock:
            return [reader for _, reader in sorted(self._readers.items())]

    def _state(self, reader: ShardReader) -> ShardState:
        phase, opened = reader.phase, reader.opened
        if opened is None:
            return ShardState(reader.shard, phase, "", "", "", 0, None, None)
        plan, lease, last_pull = opened.plan, opened.lease, opened.last_pull
        lag: float | None = None
        seen = last_pull is not None and self._clock() - last_pull < _FRESH
        fresh = seen and not opened.trouble.failing  # if a pull failed since, the end may have moved
        if plan.finished or (plan.caught_up and fresh):
            lag = 0.0
        elif phase is not Phase.EXPIRED and not plan.caught_up and plan.cursor_time is not None:
            lag = max(0.0, self._now() - plan.cursor_time)
        started = lease.oldest_started
        oldest = None if started is None else max(0.0, self._clock() - started)
        if lag is not None and oldest is not None:
            lag = max(lag, oldest)  # logs that were pulled are at least as old
        return ShardState(
            shard=reader.shard,
            phase=phase,
            cursor=plan.cursor,
            committed=lease.committed,
            saved=opened.saver.saved,
            pulls_in_flight=lease.pulls_in_flight,
            lag=lag,
            oldest=oldest,
        )
