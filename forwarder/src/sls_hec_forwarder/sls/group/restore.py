"""Creates the consumer group again after somebody deleted it, and restores the checkpoints this member knows.

Every member restores those of the shards that it held; a member that is assigned another's shard waits for
that other, see `Opening`. A shard that was just handed over may have a new owner that has not begun it and
does not know its position: if nobody has restored it after half the group's time-out, its previous owner
does. Checkpoints have to be forced here, because the group that recorded who holds which shard is gone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Callable

from sls_hec_forwarder.delivery.lease import Fence
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls.api.client import Checkpoint, ConsumerGroup, SlsClient
from sls_hec_forwarder.sls.api.errors import GroupExists, GroupMissing, SlsError
from sls_hec_forwarder.sls.api.trouble import cause, todo
from sls_hec_forwarder.sls.group import consumer_group as groups
from sls_hec_forwarder.sls.shard.memory import Memory, Position, behind

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Loss:
    """The group was found missing at `noticed` (monotonic); `sure`: this member held its shards until then.

    `suspected`: SLS only forgot this consumer, which may have a different cause.
    """

    noticed: float
    sure: bool
    suspected: bool = False


class Restorer:
    """`lost` and `suspect` may be called from any thread, `restore` only from the watch's.

    `fence` tells whether this member owned its shards until the loss was noticed; it is then closed.
    """

    def __init__(
        self,
        client: SlsClient,
        memory: Memory,
        conditions: Conditions,
        fence: Fence,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._settings: SlsSettings = client.settings
        self._memory = memory
        self._conditions = conditions
        self._fence = fence
        self._clock = clock
        self._lock = threading.Lock()
        self._loss: _Loss | None = None
        self._fill_at: float | None = None

    @property
    def needed(self) -> bool:
        return self._loss is not None

    def lost(self, text: str) -> None:
        """The group is missing, or was replaced by one without its checkpoints."""
        with self._lock:
            if self._loss is None:
                self._loss = _Loss(self._clock(), self._fence.is_open())
            elif self._loss.suspected:
                self._loss = replace(self._loss, suspected=False)
        self._fence.close()
        self._memory.group_lost()
        how = "SLS_GROUP_DELETED=hold" if self._settings.group_deleted == "hold" else ""
        self._conditions.begin("group_deleted", "", f"{text}; {how}" if how else text)

    def suspect(self) -> None:
        """SLS does not know this consumer although its heartbeats were in time."""
        with self._lock:
            if self._loss is None:
                self._loss = _Loss(self._clock(), sure=True, suspected=True)

    def restore(self, last: ConsumerGroup) -> ConsumerGroup:
        """Create the group with the settings of `last` if it is missing, and return it as it is then.

        Raises SlsError; the call can then be repeated. GroupMissing: somebody else has to create the group.
        """
        with self._lock:
            loss = self._loss
        assert loss is not None
        try:
            group, made = self._find_or_make(last)
            shards, bare = self._give_back(loss, group)
        except SlsError as problem:
            if isinstance(problem, GroupMissing):
                self.lost(str(problem))
            elif not loss.suspected:
                text = f"the consumer group cannot be restored: {problem}"
                self._conditions.begin("group_deleted", "", text, todo=todo(problem), cause=cause(problem))
            raise
        with self._lock:
            self._loss = None
        self._fill_at = self._clock() + group.timeout / 2 if self._memory.left() else None
        if not loss.suspected or shards or bare:
            self._memory.group_lost()  # other members may notice, and restore, later
        self._tell(loss, group, made, shards)
        return group

    @property
    def fill_in(self) -> float | None:
        """Seconds until `fill` has something to do; None when it has nothing to do."""
        return None if self._fill_at is None else max(0.0, self._fill_at - self._clock())

    def fill(self, in_group: Mapping[int, Checkpoint]) -> None:
        """Restore what this member handed over and nobody else has restored. Raises SlsError."""
        if self.fill_in != 0.0:
            return
        for shard, known in sorted(self._memory.left().items()):
            entry = in_group.get(shard)
            if entry is not None and not entry.cursor:
                self._client.save_checkpoint(shard, known.cursor, force=True)
                _log.info("shard %d: checkpoint restored: %s, as it was handed over", shard, known.cursor)
        self._fill_at = None

    def _tell(self, loss: _Loss, group: ConsumerGroup, made: bool, shards: list[int]) -> None:
        if loss.suspected and not shards:
            return  # this consumer was forgotten for another reason; no checkpoint was missing
        how = "created again" if made else "created again by another member or a person"
        given = (
            f"checkpoints of {_names(shards)} were restored" if shards else "no checkpoint had to be restored"
        )
        text = f"consumer group {group.name} was deleted while the relay ran, and {how}; {given}"
        self._conditions.end("group_deleted", "")
        self._conditions.occurred("group_restored", "", text)

    def _find_or_make(self, last: ConsumerGroup) -> tuple[ConsumerGroup, bool]:
        try:
            return groups.find(self._client, last.name), False
        except GroupMissing:
            if self._settings.group_deleted == "hold":
                raise
        try:
            return groups.create(self._client, last), True
        except GroupExists:  # another member was faster
            return groups.find(self._client, last.name), False

    def _give_back(self, loss: _Loss, group: ConsumerGroup) -> tuple[list[int], bool]:
        """Write the checkpoints that the group lacks; return their shards, and whether a shard had none."""
        self._memory.listed(self._client.list_shards())  # forgets shards of a logstore that was deleted too
        in_group = self._client.checkpoints()
        hold = self._settings.group_deleted == "hold"  # then checkpoints that a person saved count
        in_time = loss.sure and self._clock() - loss.noticed < group.timeout and not hold
        given = []
        for shard, known in sorted(self._memory.own().items()):
            entry = in_group.get(shard)
            if entry is None or not _is_due(known, entry.cursor, loss, in_time):
                continue
            if hold and entry.cursor:
                continue
            self._client.save_checkpoint(shard, known.cursor, force=True)
            _log.info("shard %d: checkpoint restored: %s", shard, known.cursor)
            given.append(shard)
        return given, not all(each.cursor for each in in_group.values())


def _is_due(known: Position, in_group: str, loss: _Loss, in_time: bool) -> bool:
    """Whether the position that this member knows has to replace the group's checkpoint.

    Right after the loss nobody can have delivered more than the member that held the shard until then. A
    checkpoint that is ahead is therefore only the start position of a consumer that did not know better, and
    would skip logs.
    """
    if known.held and known.since is not None and known.since > loss.noticed:
        return False  # already held again, and started from the right place
    if in_time:
        return known.cursor != in_group
    return behind(in_group, known.cursor)


def _names(shards: list[int]) -> str:
    return "shards " + ", ".join(str(shard) for shard in shards)
