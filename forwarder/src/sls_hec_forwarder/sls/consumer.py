"""One member of a consumer group: joins, reads the shards that it is given, leaves without loss."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

from sls_hec_forwarder.delivery.lease import Fence
from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.delivery.unsaved import Unsaved
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.health.facts import Facts
from sls_hec_forwarder.settings.model import Settings, SlsSettings
from sls_hec_forwarder.sls import group as groups
from sls_hec_forwarder.sls.assigned import MOST_SHARDS, Assigned
from sls_hec_forwarder.sls.checkpoints import Checkpoints
from sls_hec_forwarder.sls.client import Shard, SlsClient
from sls_hec_forwarder.sls.credentials import Reread, credentials_for
from sls_hec_forwarder.sls.heartbeat import Heartbeat
from sls_hec_forwarder.sls.membership import Action, Do, fence_timeout
from sls_hec_forwarder.sls.memory import Memory
from sls_hec_forwarder.sls.observer import Observer
from sls_hec_forwarder.sls.open_shard import Phase
from sls_hec_forwarder.sls.positions import Positions
from sls_hec_forwarder.sls.restore import Restorer
from sls_hec_forwarder.sls.shard_conditions import Claims
from sls_hec_forwarder.sls.shard_reader import ShardReader
from sls_hec_forwarder.sls.surroundings import Encode, Surroundings
from sls_hec_forwarder.sls.watch import WATCH_INTERVAL, Watch

#: A heartbeat's time-out (seconds): a second try has to fit in before the group loses patience.
_BEAT_TIMEOUT = 5.0
#: Of the time to stop, at most so much (seconds), and at most so large a share, is for what comes after the
#: last delivery: the last checkpoints, and the heartbeat that hands the shards over.
_LAST_WORDS = (2.0, 0.25)
#: Time (seconds) beyond that to stop, before every request is aborted; and for threads to end after that.
_GRACE = 0.3
_ABORTED = 0.5
_LOOK = 0.1
#: What a pull of so long (seconds) ago said about the end of the shard is not known any more.
_FRESH = 15.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShardState:
    """One shard that this process holds.

    `lag` is the age of the oldest log that is not delivered, 0 when there is none; `oldest` how long the
    oldest pull waits that is not delivered. Both in seconds; None: not known, or nothing waits.
    """

    shard: int
    phase: Phase
    cursor: str
    committed: str
    saved: str
    pulls_in_flight: int
    lag: float | None
    oldest: float | None


class Consumer:
    """Wires the parts of one group member. `encode` and `outbox` are what its logs go through."""

    def __init__(
        self,
        settings: Settings,
        consumer: str,
        encode: Encode,
        outbox: Outbox,
        *,
        conditions: Conditions,
        observer: Observer | None = None,
        reread: Reread | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        watch_interval: float = WATCH_INTERVAL,
    ) -> None:
        sls = settings.sls
        self._settings = settings
        self._outbox = outbox
        self._encode = encode
        self._conditions = conditions
        self._observer = observer or Observer()
        self._clock = clock
        self._wall = wall
        self._watch_interval = watch_interval
        self._credentials = credentials_for(sls, reread, conditions)
        self._client = SlsClient(sls, consumer, self._credentials)
        self._beat_client = SlsClient(
            sls, consumer, self._credentials, timeout=min(sls.timeout, _BEAT_TIMEOUT)
        )
        self._unsaved = Unsaved(settings.relay.bytes_unsaved, settings.relay.time_unsaved)
        self._memory = Memory(clock)
        self._claims = Claims(conditions)
        self._positions = Positions(sls, self._client, wall, self._memory)
        self._checkpoints = Checkpoints(
            settings.relay.checkpoint_interval, self._client.checkpoints, conditions
        )
        self._assigned = Assigned(conditions, self._list_again, MOST_SHARDS)
        self._drain_time = settings.relay.stop_timeout
        self._readers: dict[int, ShardReader] = {}
        self._threads: set[ShardReader] = set()  # those, and others whose thread has not ended yet
        self._lock = threading.Lock()
        self._heartbeat: Heartbeat | None = None
        self._watch: Watch | None = None
        self._restorer: Restorer | None = None
        self._stopped = False
        self._complete = True  # what was in flight when it stopped is delivered and saved

    # Life

    def start(self) -> None:
        """Find or make the group and join it. Raises SlsError; it can be tried again then."""
        sls = self._settings.sls
        group = groups.ensure(self._client, sls)
        self._assigned.listed(each.shard for each in self._positions.prepare())
        fence = Fence(fence_timeout(group.timeout), self._clock)
        restorer = self._restorer = Restorer(
            self._client, self._memory, self._conditions, fence, clock=self._clock
        )
        heartbeat = self._heartbeat = Heartbeat(
            self._beat_client,
            fence,
            self._act,
            interval=sls.heartbeat_interval,
            group_timeout=group.timeout,
            conditions=self._conditions,
            missing=self._group_lost,
            forgotten=self._forgotten,
            admit=self._assigned.admit,
            observer=self._observer,
            clock=self._clock,
        )
        watch = self._watch = Watch(
            self._client,
            group,
            positions=self._positions,
            memory=self._memory,
            restorer=restorer,
            observer=self._observer,
            conditions=self._conditions,
            timeout_changed=heartbeat.group_timeout_changed,
            listed=self._listed,
            compare=self._checkpoints.compare,
            restored=heartbeat.wake,
            all_read=self._all_read,
            interval=self._watch_interval,
            clock=self._clock,
        )
        self._around = Surroundings(
            settings=sls,
            client=self._client,
            positions=self._positions,
            checkpoints=self._checkpoints,
            fence=fence,
            outbox=self._outbox,
            encode=self._encode,
            permits=threading.Semaphore(self._settings.relay.pulls),
            observer=self._observer,
            conditions=self._conditions,
            claims=self._claims,
            unsaved=self._unsaved,
            memory=self._memory,
            group_lost=self._group_lost,
            forgotten=self._forgotten,
            restoring=lambda: restorer.needed or self._memory.group_was_lost(within=watch.group_timeout),
            group_timeout=lambda: watch.group_timeout,
            read_only=watch.read_only,
            clock=self._clock,
        )
        self._checkpoints.start()
        heartbeat.start()
        watch.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Give every shard up and end all threads; `timeout` (seconds) is RELAY_STOP_TIMEOUT by default.

        Senders have to run on meanwhile: what is in flight is delivered first, as far as `timeout` goes.
        Heartbeats go on until the last shard is given up. When the time is up every request to SLS is
        aborted, so that this takes less than a second longer, whatever SLS does.
        False when something was left undelivered, unsaved or running.
        """
        if self._stopped:
            return True
        self._stopped = True
        drain_time = self._settings.relay.stop_timeout if timeout is None else timeout
        deadline = self._clock() + drain_time + _GRACE
        clean = True
        if self._heartbeat is not None and self._watch is not None:
            most, share = _LAST_WORDS
            with self._lock:
                self._drain_time = drain_time - min(most, share * drain_time)
            self._heartbeat.release_all()
            clean = self._wait_released(deadline) and self._complete
            for finish in (self._checkpoints.finish, self._heartbeat.finish, self._watch.finish):
                clean &= self._finish(finish, deadline)
        self._credentials.close()
        self._client.close()
        self._beat_client.close()
        return clean

    def abort(self) -> None:
        """End every request to SLS that is under way, now and for ever. From any thread."""
        self._client.abort()
        self._beat_client.abort()

    def _wait_released(self, deadline: float) -> bool:
        if self._readers_end(deadline):
            return True
        self.abort()
        for reader in self._reading():
            reader.revoke()
        if not self._readers_end(self._clock() + _ABORTED):
            shards = ", ".join(str(each.shard) for each in self._reading())
            _log.warning("the readers of these shards do not end in time: %s", shards)
        return False

    def _readers_end(self, deadline: float) -> bool:
        while readers := self._reading():
            if not readers[0].join(_LOOK) and self._clock() >= deadline:
                return False
        return True

    def _reading(self) -> list[ShardReader]:
        with self._lock:
            self._forget_ended()
            return list(self._threads)

    def _finish(self, finish: Callable[[float], bool], deadline: float) -> bool:
        """End a part by `deadline`, or else by aborting the requests that it waits for."""
        if finish(max(0.0, deadline - self._clock())):
            return True
        self.abort()
        finish(_ABORTED)
        return False

    def reload(self, settings: SlsSettings) -> None:
        """Take over secrets that were read anew, and certificates: each new connection reads those."""
        self._credentials.reload(settings)
        self._client.drop_connections()
        self._beat_client.drop_connections()

    # What happens to the group

    def _group_lost(self, text: str) -> None:
        if self._restorer is not None and self._watch is not None:
            self._restorer.lost(text)
            self._watch.wake()

    def _forgotten(self) -> None:
        if self._restorer is not None and self._watch is not None:
            self._restorer.suspect()
            self._watch.wake()

    # Which shards there are

    def _list_again(self) -> None:
        if self._watch is not None:
            self._watch.wake()

    def _listed(self, shards: Sequence[Shard]) -> None:
        if self._assigned.listed(each.shard for each in shards) and self._heartbeat is not None:
            self._heartbeat.wake()

    # What the heartbeat decides

    def _act(self, action: Action) -> None:
        with self._lock:
            if action.do is Do.START:
                self._forget_ended()
                reader = ShardReader(action.shard, action.term, self._around, self._ended)
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
            if self._stopped and not reader.complete:
                self._complete = False
            if current:
                del self._readers[reader.shard]
        if current and self._heartbeat is not None:
            self._heartbeat.given_up(reader.shard, reader.term)

    def _forget_ended(self) -> None:
        self._threads = {each for each in self._threads if not each.join(0)}

    # What can be seen

    @property
    def backfill_done(self) -> bool:
        """There is a stop position, and every shard of the logstore has been delivered up to it."""
        return self._watch is not None and self._watch.backfill_done.is_set()

    @property
    def alive(self) -> bool:
        """The thread that everything depends on is running."""
        return self._heartbeat is not None and self._heartbeat.alive

    @property
    def last_heartbeat(self) -> float | None:
        """When the last heartbeat that was answered was sent (monotonic seconds); None before the first."""
        return None if self._heartbeat is None else self._heartbeat.last_success

    def facts(self) -> Facts:
        """What is measured of this member, all but the spool."""
        with self._lock:
            readers = [reader for _, reader in sorted(self._readers.items())]
        last, timeout = self.last_heartbeat, None if self._watch is None else self._watch.group_timeout
        unowned, unowned_for = ((), 0.0) if self._watch is None else self._watch.unowned()
        expires = self._credentials.expires
        now = self._wall() - (self._client.clock_skew or 0.0)
        return Facts(
            joined=last is not None,
            heartbeat_age=None if last is None else max(0.0, self._clock() - last),
            group_timeout=timeout,
            shards=tuple(reader.facts(self._state(reader).lag) for reader in readers),
            unowned=unowned,
            unowned_for=unowned_for,
            clock_skew=self._client.clock_skew,
            credentials_left=None if expires is None else expires - now,
        )

    def shards(self) -> list[ShardState]:
        """The shards held now, in order."""
        with self._lock:
            readers = sorted(self._readers.items())
        return [self._state(reader) for _, reader in readers]

    def _state(self, reader: ShardReader) -> ShardState:
        phase, opened = reader.phase, reader.opened
        if opened is None:
            return ShardState(reader.shard, phase, "", "", "", 0, None, None)
        plan, lease, last_pull = opened.plan, opened.lease, opened.last_pull
        lag: float | None = None
        seen = last_pull is not None and self._clock() - last_pull < _FRESH
        fresh = seen and not opened.trouble.failing  # a pull that failed since says nothing of the end
        if plan.finished or (plan.caught_up and fresh):
            lag = 0.0
        elif phase is not Phase.EXPIRED and not plan.caught_up and plan.cursor_time is not None:
            lag = max(0.0, self._wall() - (self._client.clock_skew or 0.0) - plan.cursor_time)
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

    def _all_read(self) -> bool:
        return all(
            each.phase is Phase.FINISHED and each.saved == each.cursor and not each.pulls_in_flight
            for each in self.shards()
        )
