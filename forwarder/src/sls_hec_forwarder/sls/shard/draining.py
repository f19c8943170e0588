"""Gives up an open shard in good order: delivers what is in flight, then saves the checkpoint."""

from __future__ import annotations

from sls_hec_forwarder.sls.shard.open_shard import Leave, OpenShard
from sls_hec_forwarder.sls.shard.shard_context import ShardContext

#: Time (seconds) that the last checkpoint has at least, even when the time to deliver is used up.
_SAVE_TIME = 5.0


def deliver(shard: OpenShard, around: ShardContext, leave: Leave) -> bool:
    """Wait, while there is time, until all that was read is delivered; return whether it is."""
    around.outbox.hurry()
    return shard.lease.wait_settled(max(0.0, leave.drain_left))


def save(shard: OpenShard, around: ShardContext, leave: Leave) -> bool:
    """Save the checkpoint, even when the time to deliver is used up; return whether it is saved."""
    return around.checkpoints.save_finally(shard.saver, max(_SAVE_TIME, leave.drain_left))


def hand_over(shard: OpenShard, around: ShardContext, *, saved: bool) -> None:
    """End the lease: nothing of it may be sent once the shard belongs to another consumer."""
    if saved:
        around.memory.handed_over(shard.lease)
    shard.lease.revoke()
