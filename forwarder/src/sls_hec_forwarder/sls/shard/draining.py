"""Gives an open shard up in good order: delivers what is in flight, then saves the checkpoint."""

from __future__ import annotations

from sls_hec_forwarder.sls.shard.open_shard import Leave, OpenShard
from sls_hec_forwarder.sls.shard.shard_context import ShardContext

#: Time (seconds) for the last checkpoint, beyond the time to deliver.
_SAVE_TIME = 5.0


def deliver(shard: OpenShard, around: ShardContext, leave: Leave) -> bool:
    """Whether all that was read is delivered; as far as the time goes."""
    around.outbox.hurry()
    return shard.lease.wait_settled(max(0.0, leave.drain_left))


def save(shard: OpenShard, around: ShardContext, leave: Leave) -> bool:
    """Whether the checkpoint is saved; as far as the time goes, but some time in any case."""
    return around.checkpoints.save_finally(shard.saver, max(_SAVE_TIME, leave.drain_left))


def hand_over(shard: OpenShard, around: ShardContext, *, saved: bool) -> None:
    """The end: nothing of the lease may be sent once the shard is somebody else's."""
    if saved:
        around.memory.handed_over(shard.lease)
    shard.lease.revoke()
