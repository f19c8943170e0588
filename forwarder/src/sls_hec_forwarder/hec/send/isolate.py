"""Which part of a refused batch has arrived already, which event is at fault, and what to send again.

This only decides, by the numbers of the events; it splits nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from sls_hec_forwarder.hec.api.answers import Action, Answer

# So many bad events are taken out one by one, at the cost of one more request each. After that the rest is
# halved each time, so that a batch of only bad events costs n log n bytes and not n squared.
_ONE_BY_ONE: Final = 8
_BEFORE_NEXT_HALVING: Final = 4


@dataclass(frozen=True)
class Share:
    """Some events of a batch: ordered spans of their numbers, each (first, last + 1)."""

    spans: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, *spans: tuple[int, int]) -> Share:
        """From spans; empty ones are left out."""
        return cls(tuple((start, stop) for start, stop in spans if start < stop))

    @property
    def events(self) -> int:
        return sum(stop - start for start, stop in self.spans)

    def halves(self) -> list[Share]:
        """Its two halves, or only itself if it has one event."""
        if self.events == 1:
            return [self]
        first, second, left = [], [], self.events // 2
        for start, stop in self.spans:
            middle = min(stop, start + left)
            left -= middle - start
            first.append((start, middle))
            second.append((middle, stop))
        return [Share.of(*first), Share.of(*second)]


class Verdict(NamedTuple):
    """A batch in shares, each event in exactly one. `isolated` is the count for the batches of `again`."""

    taken: Share | None
    dead: Share | None
    again: list[Share]
    isolated: int


def judge(events: int, isolated: int, answer: Answer, atomic: bool) -> Verdict:
    """Decide for a batch answered with SPLIT, ISOLATE, or RETRY after a prefix was accepted.

    `events`: their number in the batch. `isolated`: how many were taken out of it before. `atomic`: the
    target stores nothing of a batch with an error; otherwise, like Splunk, it has stored the events before
    the one that it names. `dead` is one event.
    """
    whole = Share.of((0, events))
    if answer.action is Action.SPLIT:
        return _halved(whole, isolated)
    if answer.action is not Action.ISOLATE:
        taken = 0 if atomic else answer.accepted_prefix
        if not 0 < taken < events:
            return Verdict(None, None, [whole], isolated)
        return Verdict(Share.of((0, taken)), None, [Share.of((taken, events))], isolated)
    bad = answer.invalid_event
    if bad is None or bad >= events:
        return _halved(whole, isolated)
    dead, before = Share.of((bad, bad + 1)), Share.of((0, bad))
    rest = Share.of(*(before.spans if atomic else ()), (bad + 1, events))
    taken_before = before if before.events and not atomic else None
    isolated += 1
    if not rest.events:
        return Verdict(taken_before, dead, [], isolated)
    if isolated <= _ONE_BY_ONE or rest.events == 1:
        return Verdict(taken_before, dead, [rest], isolated)
    return Verdict(taken_before, dead, rest.halves(), isolated - _BEFORE_NEXT_HALVING)


def _halved(whole: Share, isolated: int) -> Verdict:
    """Some event is at fault, or the batch is too large: halve it until the event at fault is alone."""
    if whole.events == 1:
        return Verdict(None, whole, [], isolated)
    return Verdict(None, None, whole.halves(), isolated)
