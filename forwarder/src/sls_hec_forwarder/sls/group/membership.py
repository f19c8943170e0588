"""Decides from the heartbeats' answers which shards this consumer holds. A plain object: no locks, no clock.

How the server works, by the README of Alibaba Cloud's Java consumer library: a consumer joins with a first
heartbeat that reports no shards. Each answer names the shards that the consumer is to hold. If it reports a
shard that the answer leaves out, it has to give that shard up: the shard goes to the next consumer at the
first heartbeat that does not report it. SLS forgets a consumer that is silent for the group's time-out, and
refuses its later heartbeats if they report shards (NotExistConsumerWithBody).

Hence the rule here: a shard is reported from the start of its lease until it has really been given up, so
that no other consumer can start on it in between.
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
    """What to do with a shard. `term` distinguishes its leases: what ends one must not end the next."""

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
        """The shards that the next heartbeat has to report."""
        return sorted(self._held)

    def answered(self, assigned: Collection[int]) -> list[ShardAction]:
        """The server wants this consumer to hold exactly `assigned`.

        A shard that is assigned again while it is being released is given up all the same, because its reader
        cannot resume. It is started again if an answer after that still names it.
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
        """The server does not know this consumer: other consumers may already hold its shards.

        The next report is empty, which joins the group again.
        """
        actions = [ShardAction(Do.REVOKE, shard, self._held[shard].term) for shard in self.report()]
        self._held.clear()
        return actions

    def given_up(self, shard: int, term: int) -> None:
        """The lease of that term has ended: the shard was released, or is another consumer's.

        Does nothing if the shard is held in a later term: after a refusal and a new start, the old reader may
        end late.
        """
        held = self._held.get(shard)
        if held is not None and held.term == term:
            del self._held[shard]

    def stop(self) -> list[ShardAction]:
        """Give up every shard and accept no more."""
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
    """Seconds after a heartbeat during which this consumer certainly still owns its shards.

    Less than the group's own time-out, so that what is on its way to Splunk when the fence closes arrives
    before another consumer starts, even if the server measures time coarsely.
    """
    return group_timeout - min(max(0.1 * group_timeout, 1.0), 0.25 * group_timeout)


def heartbeat_interval(wanted: float, group_timeout: float) -> float:
    """Seconds between heartbeats: at least four fit into the group's time-out, even if it is changed."""
    return min(wanted, group_timeout / 4)
