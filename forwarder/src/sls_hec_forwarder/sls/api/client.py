"""All calls to SLS that the relay makes: those that only read, and those that change something."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from sls_hec_forwarder.sls.api.read_client import Checkpoint, ConsumerGroup, ReadClient, Shard, rows
from sls_hec_forwarder.sls.api.sdk import Api, WritingApi
from sls_hec_forwarder.untrusted import LARGEST, whole_number

__all__ = ["Checkpoint", "ConsumerGroup", "ReadClient", "Shard", "SlsClient"]


class SlsClient(ReadClient):
    """A ReadClient that can also write, as one consumer. Only `run` and `reset` use it."""

    api_class: ClassVar[type[Api]] = WritingApi

    def create_group(self, timeout: int, in_order: bool) -> None:
        self._ask(
            "CreateConsumerGroup",
            lambda: self._api.create_consumer_group(*self._group_names, timeout, in_order),
        )

    def update_group(self, timeout: int, in_order: bool) -> None:
        self._ask(
            "UpdateConsumerGroup",
            lambda: self._api.update_consumer_group(*self._group_names, timeout, in_order),
        )

    def heartbeat(self, shards: Collection[int]) -> list[int]:
        """Report `shards` as held; return the shards that SLS wants this consumer to hold."""

        def call() -> list[int]:
            answer = self._api.heart_beat(*self._group_names, self.consumer, sorted(shards))
            return [whole_number(each, low=-LARGEST) for each in rows(answer)]

        return self._ask("HeartBeat", call)

    def save_checkpoint(self, shard: int, cursor: str, *, force: bool = False) -> None:
        """Save the checkpoint of a shard that this consumer holds; NotMember if SLS says it does not.

        `force`: save it whoever holds the shard. A forced update (what the SDK's consumer always sends) may
        overwrite the checkpoint of the consumer that now owns the shard; it is only for a group without
        members, and for one that was created again.
        """
        self._ask(
            "UpdateCheckPoint",
            lambda: self._api.update_check_point(
                *self._group_names, shard, cursor, self.consumer, force_success=force
            ),
            shard,
        )
