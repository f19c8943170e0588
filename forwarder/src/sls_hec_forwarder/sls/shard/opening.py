"""Opens a shard: finds where to start, saves that position if it is new, and begins the lease."""

from __future__ import annotations

from functools import partial

from sls_hec_forwarder.delivery.lease import Lease
from sls_hec_forwarder.retry.backoff import CountingBackoff
from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.errors import GroupMissing, NotMember, SlsError
from sls_hec_forwarder.sls.api.trouble import Trouble, recreated
from sls_hec_forwarder.sls.shard.checkpoints import Saver
from sls_hec_forwarder.sls.shard.open_shard import Leave, OpenShard
from sls_hec_forwarder.sls.shard.positions import Origin, Start
from sls_hec_forwarder.sls.shard.pull_plan import PullPlan
from sls_hec_forwarder.sls.shard.shard_conditions import ShardConditions
from sls_hec_forwarder.sls.shard.shard_context import ShardContext

#: How often (seconds) to look whether another member has saved a checkpoint.
_WAIT_FOR_OTHERS = 1.0
#: Members that begin a group together can see each other's checkpoints after this time (seconds).
_GROUP_BEGINS = 30.0
#: For how many of the group's time-outs members restore checkpoints after the group was deleted.
_RESTORING = 3


class Opening:
    """Opens one shard; used by the reader's thread."""

    def __init__(self, shard: int, around: ShardContext, leave: Leave) -> None:
        self._shard = shard
        self._around = around
        self._leave = leave
        self._subject = f"shard {shard}"
        #: Conditions of the shard, from here to the end of the reader.
        self.conditions = ShardConditions(around.claims, shard)
        #: The condition for starts that fail.
        self.trouble = Trouble(around.conditions, "start_failing", self._subject)

    def open(self) -> OpenShard | None:
        """Open the shard; None when it has to be left before a start was found."""
        around = self._around
        backoff = CountingBackoff(0.5, 30.0)
        began = around.clock()
        while not self._leave.told:
            try:
                start = around.positions.first(self._shard)
                if self._has_to_wait(start, began):
                    self._leave.wait(_WAIT_FOR_OTHERS)
                    continue
                if start.new and not self._leave.told:
                    # Before anything is read: if this process dies, the next must start at the same place.
                    around.client.save_checkpoint(self._shard, start.cursor)
            except GroupMissing as problem:
                around.observer.failed("start", problem.kind)
                around.group_lost(str(problem))
                self._leave.wait(backoff.next())
            except SlsError as problem:
                around.observer.failed("start", problem.kind)
                self.trouble.failed(problem)
                if isinstance(problem, NotMember):
                    self._not_member()
                self._leave.wait(backoff.next())
            else:
                self.trouble.over()
                self.conditions.end("checkpoint_awaited")
                return self._begin(start)
        return None

    def _has_to_wait(self, start: Start, began: float) -> bool:
        """Whether another member may save a better checkpoint than this start."""
        around = self._around
        waited = around.clock() - began
        if start.origin is Origin.UNCERTAIN and waited < _GROUP_BEGINS:
            return True
        if start.origin in (Origin.SETTINGS, Origin.UNCERTAIN) and around.restoring():
            known = "another member may know how far the shard was delivered"
        elif start.origin is Origin.SEEN:
            known = f"another member was last seen at {start.cursor}"
        else:
            return False
        if waited >= around.group_timeout():
            return False
        text = f"the new consumer group has no checkpoint of this shard; {known}"
        self.conditions.measured("checkpoint_awaited", text)
        return True

    def _begin(self, start: Start) -> OpenShard | None:
        around = self._around
        lease = self._leave.lease(self._shard, start.cursor, around)
        if lease is None:
            return None
        around.memory.hold(lease)
        self._tell_start(start)
        saver = Saver(
            around.client,
            lease,
            observer=around.observer,
            conditions=around.conditions,
            lost=self._not_member,
            group_lost=around.group_lost,
            moved=partial(self._checkpoint_moved, lease),
            clock=around.clock,
        )
        settings = around.settings
        opened = OpenShard(
            lease=lease,
            start=start,
            plan=PullPlan(start.cursor, settings.fetch_interval, settings.fetch_count),
            saver=saver,
            trouble=Trouble(around.conditions, "pull_failing", self._subject),
            conditions=self.conditions,
            valid=start.updated,
        )
        around.checkpoints.add(saver)
        return opened

    def _tell_start(self, start: Start) -> None:
        conditions, origin = self._around.conditions, start.origin
        if origin in (Origin.OWN, Origin.SEEN):
            text = (
                f"the new consumer group had no checkpoint of this shard; continuing at {start.cursor}, "
                f"{origin.value}"
            )
            conditions.occurred("group_restored", self._subject, text)
        elif origin is Origin.RECREATED:
            conditions.occurred("logstore_recreated", "", recreated(self._around.client.place))

    # What the server says of the shard later

    def _not_member(self) -> None:
        if self._around.fence.is_open():
            self._around.forgotten()
        self._leave.revoke()

    def _checkpoint_moved(self, lease: Lease, cursor: str) -> None:
        """Somebody set the group's checkpoint: end this reader, so that a new one starts from there.

        While the group is being restored, a member that knows better how far the shard was delivered set it.
        """
        around = self._around
        groups = cursors.distance(cursor, lease.committed)
        restored = around.memory.group_was_lost(within=_RESTORING * around.group_timeout())
        if groups is None:
            effect = "the logs between them are repeated or skipped"
        elif groups >= 0:
            effect = f"{groups} log groups are read again"
        elif restored:
            effect = f"{-groups} log groups that were delivered are not read again"
        else:
            effect = f"{-groups} log groups are SKIPPED"
        moved = f"the checkpoint from {lease.committed} to {cursor}: {effect}"
        around.memory.moved(lease, cursor)
        if restored:
            around.conditions.occurred("group_restored", self._subject, f"another member restored {moved}")
        else:
            around.conditions.occurred("checkpoint_moved", self._subject, f"somebody moved {moved}")
        self._leave.revoke()
