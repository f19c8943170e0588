"""Looks now and then at what others may change: the group's time-out, which shards are read-only, and, with a
stop position, whether the whole group has reached it.
"""

from __future__ import annotations

import logging
import random
import threading
from typing import Callable

from sls_hec_forwarder.backoff import CountingBackoff
from sls_hec_forwarder.periodic import Periodic
from sls_hec_forwarder.sls import cursor as cursors
from sls_hec_forwarder.sls import group as groups
from sls_hec_forwarder.sls.client import Group, SlsClient
from sls_hec_forwarder.sls.errors import SlsError
from sls_hec_forwarder.sls.observer import Observer
from sls_hec_forwarder.sls.positions import Positions

#: Seconds between two looks, and while the end of a backfill is waited for.
WATCH_INTERVAL = 15.0
_BACKFILL_INTERVAL = 2.0

_log = logging.getLogger(__name__)


class Watch:
    """`timeout_changed` is called with the group's time-out (seconds) when another member has changed it.

    `all_read` tells whether this process has delivered all that it holds, up to the stop position.
    """

    def __init__(
        self,
        client: SlsClient,
        group: Group,
        positions: Positions,
        *,
        observer: Observer,
        timeout_changed: Callable[[float], None],
        all_read: Callable[[], bool],
        interval: float = WATCH_INTERVAL,
        rng: random.Random | None = None,
    ) -> None:
        self._client = client
        self._group = group
        self._positions = positions
        self._observer = observer
        self._timeout_changed = timeout_changed
        self._all_read = all_read
        self._read_only: frozenset[int] = frozenset()
        #: Every shard of the logstore has been delivered up to the stop position, by whichever consumer.
        self.backfill_done = threading.Event()
        pause = min(interval, _BACKFILL_INTERVAL) if positions.bounded else interval
        self._thread = Periodic(
            *("sls-watch", "looking at the consumer group", self._look),
            log=_log,
            interval=pause,
            backoff=CountingBackoff(pause, 4 * pause),
            rng=rng,
        )

    def start(self) -> None:
        self._thread.start()

    def read_only(self, shard: int) -> bool:
        """Whether the shard was read-only when last looked at; once it is, it stays so."""
        return shard in self._read_only

    def finish(self, timeout: float) -> bool:
        """End the thread; False when `timeout` seconds were not enough."""
        return self._thread.stop(timeout)

    def _look(self) -> None:
        try:
            self._compare()
        except SlsError as problem:
            self._observer.failed("watch", problem.kind)
            raise

    def _compare(self) -> None:
        group = groups.find(self._client, self._group.name)
        if group.timeout != self._group.timeout:
            _log.warning(
                "the group's time-out is %d s now, it was %d s: another member changed it",
                *(group.timeout, self._group.timeout),
            )
            self._timeout_changed(group.timeout)
        self._group = group
        shards = self._client.list_shards()
        self._read_only = frozenset(each.shard for each in shards if each.read_only)
        if self._positions.bounded and not self.backfill_done.is_set() and self._all_read():
            self._check_backfill([each.shard for each in shards])

    def _check_backfill(self, shards: list[int]) -> None:
        known = self._client.checkpoints()
        for shard in shards:
            stop = self._positions.stop_cursor(shard)
            if stop is None or shard not in known:
                return
            # A shard that nobody has begun yet, such as a child that waits for its parent, may hold nothing
            # before the stop position.
            reached = known[shard].cursor or self._client.cursor(shard, "begin")
            left = cursors.distance(reached, stop)
            if left is None or left > 0:
                return
        _log.info("every shard is delivered up to the stop position")
        self.backfill_done.set()
