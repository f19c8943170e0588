"""Checks regularly what others may change: the group and its settings, the shards, the checkpoints; and, with
a stop position, whether the whole group has reached it.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Sequence
from typing import Callable

from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.retry.backoff import CountingBackoff
from sls_hec_forwarder.retry.periodic import Periodic
from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.client import Checkpoint, ConsumerGroup, Shard, SlsClient
from sls_hec_forwarder.sls.api.errors import GroupMissing, SlsError
from sls_hec_forwarder.sls.api.trouble import Trouble, recreated
from sls_hec_forwarder.sls.group import consumer_group as groups
from sls_hec_forwarder.sls.group.restore import Restorer
from sls_hec_forwarder.sls.group.unowned import Unowned
from sls_hec_forwarder.sls.observer import SlsObserver
from sls_hec_forwarder.sls.shard.memory import Memory
from sls_hec_forwarder.sls.shard.positions import Positions

#: Seconds between two looks: usually; while waiting for the end of a backfill; while the group is missing
#: (first and longest).
WATCH_INTERVAL = 15.0
_BACKFILL_INTERVAL = 2.0
_RESTORE_INTERVAL = (0.5, 15.0)

_log = logging.getLogger(__name__)


class Watch:
    """`timeout_changed` is called with the group's time-out (seconds) when another member has changed it.

    `listed` is called with the shards of the logstore, `compare` with the group's checkpoints, and `restored`
    when the group was created again. `all_read` tells whether this process has delivered all its shards up to
    the stop position.
    """

    def __init__(
        self,
        client: SlsClient,
        group: ConsumerGroup,
        *,
        positions: Positions,
        memory: Memory,
        restorer: Restorer,
        observer: SlsObserver,
        conditions: Conditions,
        timeout_changed: Callable[[float], None],
        listed: Callable[[Sequence[Shard]], None],
        compare: Callable[[dict[int, Checkpoint]], None],
        restored: Callable[[], None],
        all_read: Callable[[], bool],
        interval: float = WATCH_INTERVAL,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self._client = client
        self._group = group
        self._positions = positions
        self._memory = memory
        self._restorer = restorer
        self._observer = observer
        self._conditions = conditions
        self._timeout_changed = timeout_changed
        self._listed = listed
        self._compare = compare
        self._restored = restored
        self._all_read = all_read
        self._shards: Sequence[Shard] = ()
        self._read_only: frozenset[int] = frozenset()
        self._unowned = Unowned(client, clock)
        # One for each call: the right to one may be missing, and a call that works must not end that trouble.
        self._troubles = {
            what: Trouble(conditions, "group_watch_failing", what)
            for what in ("time-out and order", "shards", "checkpoints", "stop position")
        }
        #: Set when every shard of the logstore is delivered up to the stop position, by any consumer.
        self.backfill_done = threading.Event()
        pause = min(interval, _BACKFILL_INTERVAL) if positions.bounded else interval
        self._backoff = CountingBackoff(pause, 4 * pause, rng)
        self._restoring = CountingBackoff(*_RESTORE_INTERVAL, rng)
        self._thread = Periodic(
            *("sls-watch", "watching the consumer group", self._work),
            log=_log,
            conditions=conditions,
            interval=pause,
            backoff=CountingBackoff(pause, 4 * pause, rng),
            rng=rng,
        )

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look at once."""
        self._thread.wake()

    @property
    def group_timeout(self) -> float:
        """The group's time-out (seconds) at the last look."""
        return self._group.timeout

    def unowned(self) -> tuple[tuple[int, ...], float]:
        """Shards that no consumer holds although one should, and for how many seconds."""
        return self._unowned.found()

    def read_only(self, shard: int) -> bool:
        """Whether the shard was read-only at the last look; a read-only shard stays read-only."""
        return shard in self._read_only

    def finish(self, timeout: float) -> bool:
        """End the thread; return False if `timeout` seconds were not enough."""
        return self._thread.stop(timeout)

    def _work(self) -> float | None:
        """Look once; return the seconds until the next look, or None for the usual interval."""
        good = self._look()
        if self._restorer.needed:
            return self._restoring.next()
        if not good:
            return self._backoff.next()
        self._restoring.reset()
        self._backoff.reset()
        return self._restorer.fill_in

    def _look(self) -> bool:
        """Look at everything; return whether all calls succeeded."""
        if self._restorer.needed and not self._restore():
            return False
        # A failure does not end the look: each result is useful without the others.
        good = [self._try("time-out and order", self._look_at_group)]
        if self._restorer.needed:
            return False
        good.append(self._try("shards", self._look_at_shards))
        good.append(self._try("checkpoints", self._look_at_checkpoints))
        if self._positions.bounded and not self.backfill_done.is_set() and self._all_read():
            good.append(self._try("stop position", self._look_at_stop))
        return all(good)

    def _try(self, what: str, look: Callable[[], None]) -> bool:
        try:
            look()
        except GroupMissing as problem:
            self._observer.failed("watch", problem.kind)
            self._restorer.lost(str(problem))
            return False
        except SlsError as problem:
            self._observer.failed("watch", problem.kind)
            self._troubles[what].failed(problem)
            return False
        self._troubles[what].over()
        return True

    def _restore(self) -> bool:
        try:
            group = self._restorer.restore(self._group)
        except SlsError as problem:  # reported by the restorer
            self._observer.failed("watch", problem.kind)
            return False
        self._adopt(group)
        self._restored()
        return True

    def _look_at_group(self) -> None:
        self._adopt(groups.find(self._client, self._group.name))

    def _adopt(self, group: ConsumerGroup) -> None:
        before, self._group = self._group, group
        if group.timeout != before.timeout:
            text = (
                f"the time-out of consumer group {group.name} was changed from {before.timeout} s to "
                f"{group.timeout} s by another member or a person"
            )
            self._conditions.occurred("group_changed", "", text)
            self._timeout_changed(group.timeout)
        if self._client.settings.in_order and not group.in_order:
            text = f"SLS_IN_ORDER is true, but consumer group {group.name} is no longer in order"
            self._conditions.measured("group_order_differs", "", text)
        else:
            self._conditions.end("group_order_differs", "")

    def _look_at_shards(self) -> None:
        shards = self._client.list_shards()
        renewed = self._memory.listed(shards)
        if renewed:
            self._conditions.occurred("logstore_recreated", "", recreated(self._client.place))
        self._shards = shards
        self._read_only = frozenset(each.shard for each in shards if each.read_only)
        self._listed(shards)

    def _look_at_checkpoints(self) -> None:
        checkpoints = self._client.checkpoints()
        self._memory.looked(checkpoints.values(), self._client.consumer)
        self._compare(checkpoints)
        self._unowned.looked(self._shards, checkpoints, self._group.in_order)
        self._restorer.fill(checkpoints)

    def _look_at_stop(self) -> None:
        known = self._client.checkpoints()
        for shard in [each.shard for each in self._shards]:
            stop = self._positions.stop_cursor(shard)
            if stop is None or shard not in known:
                return
            # A shard that no consumer has begun, such as a child that waits for its parent, may hold no logs
            # before the stop position.
            reached = known[shard].cursor or self._client.cursor(shard, "begin")
            left = cursors.distance(reached, stop)
            if left is None or left > 0:
                return
        if not self._shards:  # never listed successfully
            return
        _log.info("every shard is delivered up to the stop position")
        self.backfill_done.set()
