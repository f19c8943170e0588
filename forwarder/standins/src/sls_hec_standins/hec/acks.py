"""Indexer acknowledgement: channels, their ids, and when an id becomes true."""

from __future__ import annotations

import math
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable

from sls_hec_standins.hec.answers import Refusal
from sls_hec_standins.hec.behaviour import Behaviour

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

NEVER = math.inf


def check_channel(channel: str | None, behaviour: Behaviour) -> str:
    """The channel in canonical form; `Refusal` 10 (or 28) if missing or empty, 11 if not a GUID."""
    if not channel:
        raise Refusal(behaviour.missing_channel)
    if not _GUID.fullmatch(channel):
        raise Refusal(11)
    return channel.lower()


class _Channel:
    def __init__(self) -> None:
        self.next_id = 0
        self.last_used = 0.0
        self.open: dict[int, float] = {}  # id -> time from which on it is true


class Acks:
    """The acknowledgement state of one node: in memory, per channel, lost when the node restarts."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._lock = threading.Lock()
        self._channels: OrderedDict[str, _Channel] = OrderedDict()  # least recently used first
        self._open = 0

    def issue(self, channel: str, now: float, true_at: float) -> int:
        """The id of a batch on `channel`, true from time `true_at` on.

        `Refusal` 9, or 27 with backpressure, when there are too many channels or open ids.
        """
        with self._lock:
            self._forget_idle(now)
            found = self._channels.get(channel)
            if not self._has_room(found) and not self._make_room(found):
                raise Refusal(9 if self._behaviour.backpressure == "off" else 27)
            if found is None:
                found = self._channels[channel] = _Channel()
            self._touch(channel, found, now)
            number = found.next_id
            found.next_id += 1
            found.open[number] = true_at
            self._open += 1
            return number

    def query(self, channel: str, numbers: Iterable[int], now: float) -> dict[int, bool]:
        """Whether each id is true. Unknown ids, of any kind, are false. A true id is forgotten."""
        with self._lock:
            self._forget_idle(now)
            found = self._channels.get(channel)
            if found is None:
                return dict.fromkeys(numbers, False)
            self._touch(channel, found, now)
            answers = {}
            for number in numbers:
                if number not in answers:
                    answers[number] = found.open.get(number, NEVER) <= now
            if self._behaviour.ack_forgets:
                for number in [n for n, true in answers.items() if true]:
                    del found.open[number]
                    self._open -= 1
            return answers

    def counts(self) -> dict[str, int]:
        with self._lock:
            return {"channels": len(self._channels), "open_ids": self._open}

    def _has_room(self, found: _Channel | None) -> bool:
        limits = self._behaviour
        if self._open >= limits.max_acks:
            return False
        if found is None:
            return len(self._channels) < limits.max_channels
        return len(found.open) < limits.max_acks_per_channel

    def _make_room(self, wanted: _Channel | None) -> bool:
        """Drop the oldest open id, if this receiver does so and it makes room."""
        if self._behaviour.ack_overflow == "refuse":
            return False
        candidates = [wanted] if wanted is not None and wanted.open else self._channels.values()
        for channel in candidates:
            if channel.open:
                del channel.open[next(iter(channel.open))]
                self._open -= 1
                break
        return self._has_room(wanted)

    def _touch(self, channel: str, found: _Channel, now: float) -> None:
        found.last_used = now
        self._channels.move_to_end(channel)

    def _forget_idle(self, now: float) -> None:
        if not self._behaviour.ack_cleanup:
            return
        while self._channels:
            channel, oldest = next(iter(self._channels.items()))
            if now - oldest.last_used <= self._behaviour.channel_idle:
                return
            self._open -= len(oldest.open)
            del self._channels[channel]
