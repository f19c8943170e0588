"""Which batches a collector has acknowledged: channels, ids, when to ask, when to give up. No I/O.

What Splunk does ("About HEC indexer acknowledgement" in its documentation, and observed on Splunk
Enterprise 10.4): a channel's ids count from 0 on the indexer that answered; `true` is reported once and then
forgotten; an idle channel is forgotten with its ids; all of it is in that indexer's memory. So an id is valid
only on the node that issued it, and only until that node restarts. Whenever that may have happened, the next
posts use a channel with a new name, where an old id cannot be mistaken for a new one.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from typing import Callable, Final, NamedTuple

from sls_hec_forwarder.delivery.batcher import Batch
from sls_hec_forwarder.hec.api.answers import json_object
from sls_hec_forwarder.untrusted import whole_number

# Splunk forgets channels that are idle for 600 s (maxIdleTime in inputs.conf).
CHANNEL_IDLE: Final = 300.0
# Bounds the number of ids to remember.
CHANNEL_IDS: Final = 10_000
# A batch that was sent again and accepted so often, but never acknowledged, is not sent again by itself.
COPIES: Final = 3
# Longest pause (seconds) before asking again after a question without a useful answer.
LONGEST_FAILING: Final = 60.0
# Time between two questions: this share of the time that acknowledgements take, within these bounds.
_SHARE: Final = 0.25
SHORTEST_POLL: Final = 0.5
LONGEST_POLL: Final = 10.0


class Open(NamedTuple):
    """A batch that is accepted but not acknowledged; `since` is when it was accepted."""

    batch: Batch
    since: float


class Poll(NamedTuple):
    """One question to ask."""

    channel: str
    ids: list[int]


class _Channel:
    def __init__(self, name: str) -> None:
        self.name = name
        self.issued: set[int] = set()
        self.open: dict[int, Open] = {}
        #: When the collector last reported what is indexed.
        self.told = -math.inf


class Acks:
    """The open acknowledgements of one connection. Times are monotonic seconds."""

    def __init__(self, timeout: float, new_name: Callable[[], str] = lambda: str(uuid.uuid4())) -> None:
        self._timeout = timeout
        self._new_name = new_name
        self._current = _Channel(new_name())
        self._retired: list[_Channel] = []
        self._last_accepted = 0.0
        self._next_poll = 0.0
        self._usual = 0.0
        self._failures = 0

    @property
    def channel(self) -> str:
        """The name of the channel that the next post has to use."""
        return self._current.name

    def __len__(self) -> int:
        """How many batches are not acknowledged yet."""
        return sum(len(channel.open) for channel in self._channels())

    def renew(self) -> None:
        """Use a new channel from now on: earlier posts may have gone to another node, or before a restart.

        Old ids are still asked for, under the old channel's name.
        """
        self._retired = [channel for channel in self._channels() if channel.open]
        self._current = _Channel(self._new_name())

    def renew_if_idle(self, now: float) -> None:
        """Call it before a post: the collector may have forgotten an idle channel."""
        if self._current.issued and now - self._last_accepted > CHANNEL_IDLE:
            self.renew()

    def accepted(self, batch: Batch, ack_id: int, now: float) -> list[Batch]:
        """`batch` was accepted on the current channel as `ack_id`; returns batches whose ids are void now.

        An id that was issued before means that the count has started again: the node was restarted, or a load
        balancer sends us to different nodes.
        """
        void: list[Batch] = []
        current = self._current
        if not len(self):
            self._next_poll = now + SHORTEST_POLL
        if ack_id in current.issued:
            void = [each.batch for each in current.open.values()]
            current.open = {ack_id: Open(batch, now)}
            self.renew()
        else:
            current.issued.add(ack_id)
            current.open[ack_id] = Open(batch, now)
            if len(current.issued) >= CHANNEL_IDS:
                self.renew()
        self._last_accepted = now
        return void

    def answer_lost(self) -> list[Batch]:
        """A post may have got an id that we do not know; returns the batches whose ids may be the same.

        Behind a load balancer the node may have restarted unnoticed, and then that id is the first one, 0.
        The same can happen if the balancer does not keep us on one node.
        """
        doubtful = self._current.open.pop(0, None)
        self.renew()
        return [] if doubtful is None else [doubtful.batch]

    def next_poll(self, now: float) -> float | None:
        """Seconds until `polls` is due; None if there is nothing to ask for."""
        return max(0.0, self._next_poll - now) if len(self) else None

    def polls(self, now: float) -> list[Poll]:
        """What to ask now: every open id, grouped by channel. Call it when due."""
        since = [each.since for channel in self._channels() for each in channel.open.values()]
        oldest = min(since, default=now)
        pause = _SHARE * max(self._usual, now - oldest)
        self._next_poll = now + min(max(pause, SHORTEST_POLL), LONGEST_POLL)
        return [Poll(channel.name, sorted(channel.open)) for channel in self._channels() if channel.open]

    def answered(self, channel: str, answers: Mapping[int, bool], now: float) -> list[Open]:
        """Take an answer to a question; returns the acknowledged batches. False only means "not known"."""
        self._failures = 0
        asked: dict[int, Open] = {}
        for each in self._channels():
            if each.name == channel:
                asked, each.told = each.open, now
        done = [asked.pop(number) for number, true in answers.items() if true and number in asked]
        for acknowledged in done:
            self._usual += 0.2 * (now - acknowledged.since - self._usual)
        self._retired = [each for each in self._retired if each.open]
        return done

    def unanswered(self, channel: str, now: float) -> None:
        """A question got no useful answer: ask less often, and ask about the other channels first."""
        self._next_poll = now + min(SHORTEST_POLL * 2.0**self._failures, LONGEST_FAILING)
        self._failures = min(self._failures + 1, 10)
        self._retired.sort(key=lambda each: each.name == channel)

    def overdue(self, copies: float = COPIES, unreachable_at: float = -math.inf) -> list[Batch]:
        """Give up the batches that the collector still does not know when their time is up.

        This needs an answer: while questions are unanswered nothing is given up, unless the whole collector
        is `unreachable_at` that time. The time doubles each time a batch is sent again. A batch that was sent
        again `copies` times is kept, and its id is still asked for.
        """
        return self._take(
            lambda channel, each: (
                each.batch.unacked < copies and self._is_late(each, max(channel.told, unreachable_at))
            )
        )

    def stuck(self) -> int:
        """How many batches were sent again often enough and are still not known to the collector."""
        return sum(
            each.batch.unacked >= COPIES and self._is_late(each, channel.told)
            for channel in self._channels()
            for each in channel.open.values()
        )

    def late(self, now: float) -> bool:
        """Whether the time of a batch that may be sent again is up."""
        return any(
            each.batch.unacked < COPIES and self._is_late(each, now)
            for channel in self._channels()
            for each in channel.open.values()
        )

    def revoked(self) -> list[Batch]:
        """Forget the batches whose leases are revoked, and return them."""
        return self._take(lambda _, each: each.batch.revoked)

    def _is_late(self, each: Open, told: float) -> bool:
        return told >= each.since + self._timeout * 2.0**each.batch.unacked

    def _take(self, chosen: Callable[[_Channel, Open], bool]) -> list[Batch]:
        taken: list[Batch] = []
        for channel in self._channels():
            numbers = [number for number, each in channel.open.items() if chosen(channel, each)]
            taken += [channel.open.pop(number).batch for number in numbers]
        self._retired = [each for each in self._retired if each.open]
        return taken

    def give_up(self) -> list[Batch]:
        """Give up all batches: another node answers now, or acknowledgement was switched off.

        The channel keeps its name, so that a post in progress can still be accepted; call `renew` after that.
        """
        lost = [each.batch for channel in self._channels() for each in channel.open.values()]
        self._retired = []
        self._current = _Channel(self._current.name)
        return lost

    def _channels(self) -> list[_Channel]:
        return [*self._retired, self._current]


def parse_answers(body: bytes) -> dict[int, bool] | None:
    """The ids in an answer such as `{"acks": {"0": true}}`; None if it is something else."""
    acks = json_object(body).get("acks")
    if not isinstance(acks, dict):
        return None
    numbers = {key: value for key, value in acks.items() if key.isascii() and key.isdigit() and len(key) < 19}
    return {whole_number(key): value is True for key, value in numbers.items()}
