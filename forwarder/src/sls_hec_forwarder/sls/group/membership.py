"""Which shards this consumer holds, decided from the heartbeats' answers. A plain object: no locks, no clock.

The server's side, as the README of Alibaba Cloud's Java consumer library describes it: a consumer joins with
a first heartbeat that reports nothing. An answer names the shards that it shall hold. A shard that it reports
and that the answer leaves out is to be given up: it goes to the next consumer at the first heartbeat that
does not report it. A consumer silent for the group's time-out is forgotten, and a later heartbeat of it that
reports shards is refused (NotExistConsumerWithBody).

Hence the rule here: a shard is reported from when its lease starts until it has really been given up, so that
nobody else can start on it in between.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass


class Do(enum.Enum):
    START = "start reading the shard"
    RELEASE = "deliver what is in flight, save the checkpoint, then give the shard up"
    REVOKE = "drop everything of the shard at once: another consumer may have it"


@dataclass(frozen=True)
class ShardAction:
    """`term` tells one lease of a shard from the next: what concerns one must not end another."""

    do: Do
    shard: int
    term: int


@dataclass
class _Holding:
    term: int
    releasing: bool = False


class Membership:
    """Heartbeats in, actions out."""

    def __init__(self) -> None:
        self._held: dict[int, _Holding] = {}
        self._terms = 0
        self._stopping = False

    def report(self) -> list[int]:
        """What the next heartbeat has to report."""
        return sorted(self._held)

    def answered(self, assigned: Collection[int]) -> list[ShardAction]:
        """The server wants this consumer to hold exactly `assigned`.

        A shard that is assigned again while it is being released is given up all the same, and started anew
        when an answer after that still names it: its reader has stopped and cannot be called back.
        """
        actions = self._release(shard for shard in self.report() if shard not in assigned)
        if self._stopping:
            return actions
        for shard in sorted(assigned):
            if shard not in self._held:
                self._terms += 1
                self._held[shard] = _Holding(self._terms)
                actions.append(ShardAction(Do.START, shard, self._terms))
        return actions

    def refused(self) -> list[ShardAction]:
        """The server does not know this consumer: everything it held may be somebody else's by now.

        The next report is empty, which joins anew.
        """
        actions = [ShardAction(Do.REVOKE, shard, self._held[shard].term) for shard in self.report()]
        self._held.clear()
        return actions

    def given_up(self, shard: int, term: int) -> None:
        """The lease of that term has ended: released completely, or found to be another consumer's.

        Nothing if the shard is held by a later term: a reader may end only after a refusal and a new start.
        """
        held = self._held.get(shard)
        if held is not None and held.term == term:
            del self._held[shard]

    def stop(self) -> list[ShardAction]:
        """Give everything up and take nothing any more."""
        self._stopping = True
        return self._release(self.report())

    def _release(self, shards: Iterable[int]) -> list[ShardAction]:
        actions = []
        for shard in shards:
            held = self._held[shard]
            if not held.releasing:
                held.releasing = True
                actions.append(ShardAction(Do.RELEASE, shard, held.term))
        return actions


def fence_timeout(group_timeout: float) -> float:
    """Seconds after a heartbeat for which shards are surely still ours.

    Less than the group's own time-out, so that what is on its way to Splunk when the fence closes arrives
    before another consumer starts, and a server that counts coarsely is not outrun.
    """
    return group_timeout - min(max(0.1 * group_timeout, 1.0), 0.25 * group_timeout)


def heartbeat_interval(wanted: float, group_timeout: float) -> float:
    """Seconds between heartbeats: at least four fit into the group's time-out, whoever changes that."""
    return min(wanted, group_timeout / 4)
