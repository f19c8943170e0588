"""One member of a consumer group: joins, reads the shards assigned to it, and leaves without losing logs."""

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
from sls_hec_forwarder.sls.api.client import Shard, SlsClient
from sls_hec_forwarder.sls.api.credentials import Reread, credentials_for
from sls_hec_forwarder.sls.group import consumer_group as groups
from sls_hec_forwarder.sls.group.assigned import MOST_SHARDS, Assigned
from sls_hec_forwarder.sls.group.heartbeat import Heartbeat
from sls_hec_forwarder.sls.group.membership import ShardAction, fence_timeout
from sls_hec_forwarder.sls.group.readers import Readers, ShardState
from sls_hec_forwarder.sls.group.restore import Restorer
from sls_hec_forwarder.sls.group.watch import WATCH_INTERVAL, Watch
from sls_hec_forwarder.sls.observer import SlsObserver
from sls_hec_forwarder.sls.shard.checkpoints import Checkpoints
from sls_hec_forwarder.sls.shard.memory import Memory
from sls_hec_forwarder.sls.shard.positions import Positions
from sls_hec_forwarder.sls.shard.shard_conditions import Claims
from sls_hec_forwarder.sls.shard.shard_context import Encode, ShardContext

#: A heartbeat's time-out (seconds): short, so that a second try fits into the group's own time-out.
_BEAT_TIMEOUT = 5.0
#: The part of the stop time reserved for what follows the last delivery: the last checkpoints, and the
#: heartbeat that hands the shards over. At most this many seconds, and at most this share.
_LAST_WORDS = (2.0, 0.25)
#: Time (seconds) after the stop time before every request is aborted; then time for the threads to end.
_GRACE = 0.3
_ABORTED = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Joined:
    """The parts that exist once the group has been found or created."""

    heartbeat: Heartbeat
    watch: Watch
    restorer: Restorer
    around: ShardContext


class Consumer:
    """Connects the parts of one group member. Its logs go through `encode` into `outbox`."""

    def __init__(
        self,
        settings: Settings,
        consumer: str,
        encode: Encode,
        outbox: Outbox,
        *,
        conditions: Conditions,
        observer: SlsObserver | None = None,
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
        self._observer = observer or SlsObserver()
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
        self._readers = Readers(settings.relay.stop_timeout, self._given_up, clock=clock, now=self._now)
        self._joined: _Joined | None = None
        self._stopped = False

    # Life

    def start(self) -> None:
        """Find or create the group and join it. Raises SlsError; the call can then be repeated."""
        sls = self._settings.sls
        group = groups.ensure(self._client, sls)
        self._assigned.listed(each.shard for each in self._positions.prepare())
        fence = Fence(fence_timeout(group.timeout), self._clock)
        restorer = Restorer(self._client, self._memory, self._conditions, fence, clock=self._clock)
        heartbeat = Heartbeat(
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
        watch = Watch(
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
            all_read=self._readers.all_read,
            interval=self._watch_interval,
            clock=self._clock,
        )
        around = ShardContext(
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
        self._joined = _Joined(heartbeat, watch, restorer, around)
        self._checkpoints.start()
        heartbeat.start()
        watch.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Give up every shard and end all threads; `timeout` (seconds) is RELAY_STOP_TIMEOUT by default.

        Senders must keep running meanwhile: what is in flight is delivered first, as far as `timeout` allows.
        Heartbeats continue until the last shard is given up. When the time is up every request to SLS is
        aborted, so that this takes less than a second longer, whatever SLS does.
        Returns False when something was left undelivered, unsaved or running.
        """
        if self._stopped:
            return True
        self._stopped = True
        drain_time = self._settings.relay.stop_timeout if timeout is None else timeout
        deadline = self._clock() + drain_time + _GRACE
        clean, joined = True, self._joined
        if joined is not None:
            most, share = _LAST_WORDS
            self._readers.stopping(drain_time - min(most, share * drain_time))
            joined.heartbeat.release_all()
            clean = self._wait_released(deadline) and self._readers.complete
            for finish in (self._checkpoints.finish, joined.heartbeat.finish, joined.watch.finish):
                clean &= self._finish(finish, deadline)
        self._credentials.close()
        self._client.close()
        self._beat_client.close()
        return clean

    def abort(self) -> None:
        """Abort every request to SLS, those under way and all later ones. May be called from any thread."""
        self._client.abort()
        self._beat_client.abort()

    def _wait_released(self, deadline: float) -> bool:
        if self._readers.wait(deadline):
            return True
        self.abort()
        self._readers.revoke_all()
        if not self._readers.wait(self._clock() + _ABORTED):
            shards = ", ".join(str(shard) for shard in self._readers.running())
            _log.warning("stopping although the readers of these shards have not ended in time: %s", shards)
        return False

    def _finish(self, finish: Callable[[float], bool], deadline: float) -> bool:
        """End a part by `deadline`; after that, abort the requests that it waits for."""
        if finish(max(0.0, deadline - self._clock())):
            return True
        self.abort()
        finish(_ABORTED)
        return False

    def reload(self, settings: SlsSettings) -> None:
        """Use the secrets in `settings`, and current certificates: each new connection reads those files."""
        self._credentials.reload(settings)
        self._client.drop_connections()
        self._beat_client.drop_connections()

    # What happens to the group

    def _group_lost(self, text: str) -> None:
        if self._joined is not None:
            self._joined.restorer.lost(text)
            self._joined.watch.wake()

    def _forgotten(self) -> None:
        if self._joined is not None:
            self._joined.restorer.suspect()
            self._joined.watch.wake()

    # Which shards there are

    def _list_again(self) -> None:
        if self._joined is not None:
            self._joined.watch.wake()

    def _listed(self, shards: Sequence[Shard]) -> None:
        if self._assigned.listed(each.shard for each in shards) and self._joined is not None:
            self._joined.heartbeat.wake()

    # Between the heartbeat and the readers

    def _act(self, action: ShardAction) -> None:
        if self._joined is not None:
            self._readers.act(action, self._joined.around)

    def _given_up(self, shard: int, term: int) -> None:
        if self._joined is not None:
            self._joined.heartbeat.given_up(shard, term)

    # What can be seen

    @property
    def backfill_done(self) -> bool:
        """Whether a stop position is set and every shard of the logstore has been delivered up to it."""
        return self._joined is not None and self._joined.watch.backfill_done.is_set()

    @property
    def alive(self) -> bool:
        """Whether the heartbeat thread, on which everything depends, is running."""
        return self._joined is not None and self._joined.heartbeat.alive

    @property
    def last_heartbeat(self) -> float | None:
        """When the last answered heartbeat was sent (monotonic seconds); None before the first answer."""
        return None if self._joined is None else self._joined.heartbeat.last_success

    def facts(self) -> Facts:
        """All that is measured of this member, except the spool."""
        watch = None if self._joined is None else self._joined.watch
        last, expires = self.last_heartbeat, self._credentials.expires
        unowned, unowned_for = ((), 0.0) if watch is None else watch.unowned()
        return Facts(
            joined=last is not None,
            heartbeat_age=None if last is None else max(0.0, self._clock() - last),
            group_timeout=None if watch is None else watch.group_timeout,
            shards=self._readers.facts(),
            unowned=unowned,
            unowned_for=unowned_for,
            clock_skew=self._client.clock_skew,
            credentials_left=None if expires is None else expires - self._now(),
        )

    def shards(self) -> list[ShardState]:
        """The shards held now, in order."""
        return self._readers.states()

    def _now(self) -> float:
        """The server's time, in unix seconds."""
        return self._wall() - (self._client.clock_skew or 0.0)
