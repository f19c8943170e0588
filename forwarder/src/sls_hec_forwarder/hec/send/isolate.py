"""Which part of a refused batch is there already, which event is at fault, and what is sent again."""

from __future__ import annotations

from typing import Final, NamedTuple

from sls_hec_forwarder.delivery.batcher import Batch
from sls_hec_forwarder.hec.api.answers import Action, Answer

# So many bad events are taken out one by one, each for the price of one request more. After that the rest is
# halved each time, so that a batch of nothing but bad events costs n log n bytes and not n squared.
_ONE_BY_ONE: Final = 8
_BEFORE_NEXT_HALVING: Final = 4


class Verdict(NamedTuple):
    """A batch in parts, each of them in no other."""

    taken: Batch | None
    dead: Batch | None
    again: list[Batch]


def judge(batch: Batch, answer: Answer, atomic: bool) -> Verdict:
    """Take apart a batch that was answered with SPLIT, ISOLATE, or RETRY after a prefix was taken.

    `atomic`: the target stores nothing of a batch with an error; otherwise, as Splunk does, it has stored
    what stands before the event that it names. `dead` is one event.
    """
    if answer.action is Action.SPLIT:
        return halved(batch)
    if answer.action is not Action.ISOLATE:
        return _after_prefix(batch, 0 if atomic else answer.accepted_prefix)
    bad = answer.invalid_event
    if bad is None or bad >= batch.events:
        return halved(batch)
    dead = batch.cut(bad)
    rest = dead.cut(1)
    taken = None
    if atomic:
        rest.pieces = batch.pieces + rest.pieces
    elif batch.pieces:
        taken = batch
    rest.isolated += 1
    if not rest.pieces:
        return Verdict(taken, dead, [])
    if rest.isolated <= _ONE_BY_ONE or rest.events == 1:
        return Verdict(taken, dead, [rest])
    rest.isolated -= _BEFORE_NEXT_HALVING
    second_half = rest.cut(rest.events // 2)
    return Verdict(taken, dead, [rest, second_half])


def _after_prefix(batch: Batch, taken: int) -> Verdict:
    if not 0 < taken < batch.events:
        return Verdict(None, None, [batch])
    rest = batch.cut(taken)
    return Verdict(batch, None, [rest])


def halved(batch: Batch) -> Verdict:
    """One of the events is at fault, or all are too many; the one that is left alone is it."""
    if batch.events == 1:
        return Verdict(None, batch, [])
    second_half = batch.cut(batch.events // 2)
    return Verdict(None, None, [batch, second_half])
