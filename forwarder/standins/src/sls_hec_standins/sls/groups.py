"""The consumer group as the server sees it: which consumer reads which shard, and the checkpoints.

A plain object: every event comes with the time. The states and the rules are those of the state machine in
the README of aliyun-log-consumer-java; the numbers in comments are the edges of its diagram.

    not_alloc      free                          already_alloc  held and read by a consumer
    wait           an ancestor is not finished   transfer       still held, to go to `next`
    over           readonly and read to its end
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Callable, NamedTuple

from sls_hec_standins.sls import cursors

NOT_ALLOC, WAIT, ALLOC, TRANSFER, OVER = "not_alloc", "wait", "already_alloc", "transfer", "over"


class ShardFacts(NamedTuple):
    """What a group needs to know of a shard. `end` is the cursor after its last log group."""

    number: int
    parents: tuple[int, ...]
    readonly: bool
    end: int


class UnknownConsumer(Exception):
    """The consumer is not, or no longer, in the group."""


class NotHolder(Exception):
    """The shard is held by someone else, or by nobody."""


class UnknownShard(Exception):
    """The logstore has no such shard."""


@dataclass
class Record:
    """One shard in one group. `updated` is the Unix time of the last checkpoint, `writer` who saved it."""

    state: str
    holder: str = ""
    next: str = ""
    checkpoint: str = ""
    updated: float = 0.0
    writer: str = ""

    @property
    def owner(self) -> str:
        """The holder of the shard once the current transfers are complete."""
        return self.next or self.holder


class Group:
    """One consumer group. Not thread-safe: hold the lock of the logstore.

    `timeout` in seconds. `facts` tells the shards of the logstore; it is asked at every event, so that
    splits, merges and removed shards need no notice. Consumers time out at the next event.
    """

    def __init__(
        self, name: str, timeout: float, order: bool, facts: Callable[[], Sequence[ShardFacts]], now: float
    ) -> None:
        self.name = name
        self.timeout = timeout
        self.order = order
        self._facts = facts
        self._shards: dict[int, ShardFacts] = {}
        self._records: dict[int, Record] = {}
        self._seen: dict[str, float] = {}  # consumers in the order they joined, and their last heartbeat
        self._refresh(now)

    # Events.

    def heartbeat(
        self, consumer: str, held: Iterable[int], now: float, *, over_on_heartbeat: bool = True
    ) -> list[int]:
        """`consumer` is alive and reads the shards `held`; returns those it shall read.

        A transfer happens when its holder leaves the shard out. With `over_on_heartbeat` a readonly shard is
        also found to be over here, and not only when its checkpoint is saved. Raises `UnknownConsumer` when
        a consumer that is not in the group says that it holds shards.
        """
        self._refresh(now)
        reported = set(held)
        if consumer not in self._seen and reported:
            raise UnknownConsumer
        self._seen[consumer] = now
        for number, record in self._records.items():
            if record.state == TRANSFER and record.holder == consumer and number not in reported:
                self._give(record, record.next)  # 6
            if over_on_heartbeat and self._at_end(number):
                self._free(record, OVER)  # 8
        self._settle()
        return self.assigned(consumer)

    def checkpoint(self, number: int, checkpoint: str, consumer: str, now: float, *, force: bool) -> None:
        """Save a checkpoint. Without `force` only for the holder: `UnknownConsumer`, `NotHolder`.

        Raises `UnknownShard`. The text is not looked at, other than to see whether it is the end.
        """
        self._refresh(now)
        record = self._records.get(number)
        if record is None:
            raise UnknownShard
        if not force:
            if consumer not in self._seen:
                raise UnknownConsumer
            if record.holder != consumer:
                raise NotHolder
        record.checkpoint, record.updated, record.writer = checkpoint, now, consumer
        if self._at_end(number):
            self._free(record, OVER)  # 8
        elif record.state == OVER:
            self._free(record, NOT_ALLOC)  # 7: only by force, as a shard that is over has no holder
        self._settle()

    def update(self, now: float, *, timeout: float | None = None, order: bool | None = None) -> None:
        """Change the attributes. Without order nothing waits; with it, only shards that are new from then."""
        self._refresh(now)
        if timeout is not None:
            self.timeout = timeout
        if order is not None:
            self.order = order
        self._settle()

    def kick(self, consumer: str, now: float) -> bool:
        """Drop a consumer as if it had timed out; False if it is not in the group."""
        self._refresh(now)
        known = consumer in self._seen
        if known:
            self._drop(consumer)
            self._settle()
        return known

    def force_rebalance(self, now: float) -> int:
        """Transfer every held shard to the consumer after its holder; returns how many.

        The service does this for internal reasons. 0 with fewer than two consumers.
        """
        self._refresh(now)
        consumers = list(self._seen)
        moved = 0
        for record in self._records.values():
            if record.state == ALLOC and len(consumers) > 1:
                after = consumers[(consumers.index(record.holder) + 1) % len(consumers)]
                self._transfer(record, after)
                moved += 1
        self._settle()
        return moved

    # Views.

    def view(self, now: float) -> dict[int, Record]:
        """Copies of the records of all shards, by number."""
        self._refresh(now)
        self._settle()
        return {number: copy.copy(record) for number, record in sorted(self._records.items())}

    def consumers(self, now: float) -> dict[str, float]:
        """The consumers in the group in the order they joined, with their last heartbeat."""
        self._refresh(now)
        self._settle()
        return dict(self._seen)

    def assigned(self, consumer: str) -> list[int]:
        """The shards that the consumer holds and has to continue reading."""
        return sorted(n for n, r in self._records.items() if r.holder == consumer and r.state == ALLOC)

    # Effects of time and splits.

    def _refresh(self, now: float) -> None:
        self._shards = {fact.number: fact for fact in self._facts()}
        for consumer in [name for name, last in self._seen.items() if now - last > self.timeout]:
            self._drop(consumer)
        for number in [number for number in self._records if number not in self._shards]:
            del self._records[number]
        for number in sorted(self._shards):
            if number not in self._records:
                waits = self.order and self._has_open_ancestor(number)
                self._records[number] = Record(WAIT if waits else NOT_ALLOC)  # 1

    def _drop(self, consumer: str) -> None:
        del self._seen[consumer]
        for record in self._records.values():
            if record.holder == consumer:
                self._free(record, NOT_ALLOC)  # 4, 9
            elif record.next == consumer:
                self._give(record, record.holder)  # 6, the other case

    def _settle(self) -> None:
        for number, record in self._records.items():
            if record.state == WAIT and not (self.order and self._has_open_ancestor(number)):
                record.state = NOT_ALLOC  # 2
        self._balance()

    def _balance(self) -> None:
        """Assign free shards, then move them from the richest to the poorest until counts differ by 1."""
        if not self._seen:
            return
        counts = dict.fromkeys(self._seen, 0)
        for record in self._records.values():
            if record.state in (ALLOC, TRANSFER):
                counts[record.owner] += 1
        for record in self._records.values():
            if record.state == NOT_ALLOC:
                poorest = min(counts, key=lambda name: counts[name])
                self._give(record, poorest)  # 3
                counts[poorest] += 1
        while True:
            poorest = min(counts, key=lambda name: counts[name])
            richest = max(counts, key=lambda name: counts[name])
            if counts[richest] - counts[poorest] <= 1:
                return
            self._transfer(self._surplus(richest, poorest), poorest)  # 5
            counts[richest] -= 1
            counts[poorest] += 1

    def _surplus(self, richest: str, poorest: str) -> Record:
        """The shard to take away: rather one under way to `richest` than one it reads, rather a late one."""
        owned = [record for record in self._records.values() if record.owner == richest]
        return max(reversed(owned), key=lambda record: (record.holder == poorest, record.state == TRANSFER))

    def _has_open_ancestor(self, number: int) -> bool:
        pending = list(self._shards[number].parents)
        while pending:
            fact = self._shards.get(pending.pop())
            if fact is None:
                continue  # gone: its data expired, there is nothing to wait for
            if self._records[fact.number].state != OVER:
                return True
            pending.extend(fact.parents)
        return False

    def _at_end(self, number: int) -> bool:
        fact, checkpoint = self._shards[number], self._records[number].checkpoint
        if not fact.readonly or not checkpoint:
            return False
        position = cursors.decode(checkpoint)
        return position is not None and position >= fact.end

    # Changes of one record.

    @staticmethod
    def _give(record: Record, consumer: str) -> None:
        record.state, record.holder, record.next = ALLOC, consumer, ""

    @staticmethod
    def _free(record: Record, state: str) -> None:
        record.state, record.holder, record.next = state, "", ""

    @classmethod
    def _transfer(cls, record: Record, consumer: str) -> None:
        if record.holder == consumer:
            cls._give(record, consumer)
        else:
            record.state, record.next = TRANSFER, consumer
