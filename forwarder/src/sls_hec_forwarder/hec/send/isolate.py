"""Which part of a refused batch is there already, which event is at fault, and what is sent again.

Only decided, by the numbers of the events; nothing is taken apart here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from sls_hec_forwarder.hec.api.answers import Action, Answer

# So many bad events are taken out one by one, each for the price of one request more. After that the rest is
# halved each time, so that a batch of nothing but bad events costs n log n bytes and not n squared.
_ONE_BY_ONE: Final = 8
_BEFORE_NEXT_HALVING: Final = 4


@dataclass(frozen=True)
class Share:
    """Some events of a batch: spans of their numbers, in order, each of them (first, behind the last)."""

    spans: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, *spans: tuple[int, int]) -> Share:
        """Spans without events are left out."""
        return cls(tuple((start, stop) for start, stop in spans if start < stop))

    @property
    def events(self) -> int:
        return sum(stop - start for start, stop in self.spans)

    def halves(self) -> list[Share]:
        """Two of them, or itself where there is one event."""
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
    """A batch in shares, each event in one of them. `isolated` is what the batches of `again` have."""

    taken: Share | None
    dead: Share | None
    again: list[Share]
    isolated: int


def judge(events: int, isolated: int, answer: Answer, atomic: bool) -> Verdict:
    """For a batch that was answered with SPLIT, ISOLATE, or RETRY after a prefix was taken.

    It has so many `events`, and so many were `isolated` from it before. `atomic`: the target stores nothing
    of a batch with an error; otherwise, as Splunk does, it has stored what stands before the event that it
    names. `dead` is one event.
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
    """One of the events is at fault, or all are too many; the one that is left alone is it."""
    if whole.events == 1:
        return Verdict(None, whole, [], isolated)
    return Verdict(None, None, whole.halves(), isolated)
