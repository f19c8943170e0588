"""What the readers of a process share."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Callable, Optional

from sls_hec_forwarder.delivery.lease import Fence
from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.delivery.unsaved import Unsaved
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls.api.client import SlsClient
from sls_hec_forwarder.sls.observer import SlsObserver
from sls_hec_forwarder.sls.shard.checkpoints import Checkpoints
from sls_hec_forwarder.sls.shard.memory import Memory
from sls_hec_forwarder.sls.shard.positions import Positions
from sls_hec_forwarder.sls.shard.shard_conditions import Claims
from sls_hec_forwarder.wire.encoder import Encoded

#: Turns LogGroupList bytes, the shard and the position of the first log group (None: unknown) into events.
#: Raises WireError.
Encode = Callable[[bytes, int, Optional[int]], Encoded]


@dataclass(frozen=True)
class ShardContext:
    """The same for every shard."""

    settings: SlsSettings
    client: SlsClient
    positions: Positions
    checkpoints: Checkpoints
    fence: Fence
    outbox: Outbox
    encode: Encode
    #: How many pulls may be decompressed or wait for room in the outbox at a time.
    permits: threading.Semaphore
    observer: SlsObserver
    conditions: Conditions
    claims: Claims
    #: The limit on what a crash may repeat, over all shards.
    unsaved: Unsaved
    memory: Memory
    #: To be called when SLS has no such group.
    group_lost: Callable[[str], None]
    #: To be called when SLS does not know this consumer, although its heartbeats were in time.
    forgotten: Callable[[], None]
    #: Whether the group was lost recently: other members may be about to save what they delivered.
    restoring: Callable[[], bool]
    #: The group's time-out in seconds.
    group_timeout: Callable[[], float]
    #: Whether a shard is known to be read-only.
    read_only: Callable[[int], bool]
    clock: Callable[[], float] = time.monotonic
