"""What `status` is told."""

from __future__ import annotations

from typing import Any

import pytest

from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.errors import GroupMissing
from sls_hec_forwarder.sls.api.read_client import ConsumerGroup
from sls_hec_forwarder.sls.group.status import group_status


def test_group_status(cloud: Any) -> None:
    cloud.make(shards=4)
    owner = cloud.client("owner")
    owner.create_group(40, False)
    owner.heartbeat([])
    now = cloud.standin.clock.now()
    for shard in range(4):
        cloud.put(shard, groups=10, received=now + 100)
    cloud.standin.clock.advance(160)
    owner.heartbeat([])
    first = {shard: spot.first for shard, spot in cloud.positions().items()}
    owner.save_checkpoint(0, cursors.encode(first[0] + 10))
    owner.save_checkpoint(1, cursors.encode(first[1] + 4))
    owner.save_checkpoint(2, cursors.encode(first[2] + 1))
    with cloud.store.lock:
        cloud.store.shards[2].expire_to(first[2] + 5)
        cloud.store.split(3)
    status = group_status(owner)
    assert status.group == ConsumerGroup("relay", 40, False)
    assert status.consumers == ("owner",)
    done, behind, expired, fresh, *children = status.shards
    assert (done.behind, done.lag, done.expired, done.owner) == (0, 0.0, False, "owner")
    assert behind.behind == 6
    assert behind.lag is not None
    assert 55 < behind.lag < 65
    assert behind.position_time is not None
    assert abs(behind.position_time - (now + 100)) < 2
    assert (expired.behind, expired.lag, expired.expired) == (9, None, True)
    assert (fresh.checkpoint, fresh.lag, fresh.behind, fresh.read_only) == ("", None, None, True)
    assert [each.shard for each in children] == [4, 5]
    assert done.saved_at is not None
    assert fresh.saved_at is None


def test_group_status_without_a_group(cloud: Any) -> None:
    cloud.make()
    with pytest.raises(GroupMissing, match="relay"):
        group_status(cloud.client())
