"""What an answer means for the events of a batch: delivered, awaited, sent again, or dead letters.

This only decides, from plain facts; it changes and reports nothing. The worker carries out the results, and
owns the batch until then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from sls_hec_forwarder.delivery.batcher import Batch
from sls_hec_forwarder.hec.api.answers import INCORRECT_INDEX, Action, Answer
from sls_hec_forwarder.hec.send.isolate import Share, judge
from sls_hec_forwarder.hec.send.refusals import Next
from sls_hec_forwarder.wire.envelope import with_key


@dataclass(frozen=True)
class Policy:
    """The settings that matter here. `atomic`: see `isolate.judge`. `acks`: ask for acknowledgements.

    `can_save`: there is a spool. `fallback_index`: for events whose own index is refused; may be empty.
    """

    atomic: bool = False
    acks: bool = True
    can_save: bool = False
    fallback_index: str = ""


@dataclass(frozen=True)
class Delivered:
    """It has reached its destination."""

    share: Share


@dataclass(frozen=True)
class AwaitAck:
    """Accepted; delivered once it is acknowledged."""

    share: Share
    ack_id: int


@dataclass(frozen=True)
class NoAck:
    """Accepted without an id to ask for, although other batches got one: send it again."""

    share: Share


@dataclass(frozen=True)
class Again:
    """To be sent again, here or elsewhere, after a pause that grows with its `attempts`."""

    share: Share
    attempts: int
    may_have_taken: bool


@dataclass(frozen=True)
class AtOnce:
    """To be sent again without a pause: the event that caused the refusal may be in another part."""

    share: Share
    isolated: int


@dataclass(frozen=True)
class Reroute:
    """One event to be sent again as `envelope`, to the fallback index."""

    share: Share
    envelope: bytes


@dataclass(frozen=True)
class Dead:
    """One event that will never be accepted as it is."""

    share: Share
    reason: str


#: A batch, or a part of one, that the collector has accepted.
Taken = Union[Delivered, AwaitAck, NoAck]
Result = Union[Taken, Again, AtOnce, Reroute, Dead]


def decide(
    batch: Batch, answer: Answer, policy: Policy, *, fault: Next | None = None, acks_given: bool = False
) -> list[Result]:
    """What becomes of `batch`: each event is in one result; carry the results out in this order.

    `fault`: what to do next if the batch itself is at fault, as others pass. `acks_given`: this collector has
    given ids to ask for.
    """
    whole = Share.of((0, batch.events))
    if answer.done:
        return [_taken(whole, answer, policy, acks_given)]
    if answer.action in (Action.SPLIT, Action.ISOLATE) or answer.accepted_prefix:
        return _parts(batch, answer, policy, acks_given)
    if fault is Next.BURY and batch.events == 1 and policy.can_save:
        return [_refused(batch, whole, answer, policy, "blocked")]
    if fault is Next.HALVE:  # the pause was for the whole batch
        return [Again(half, 1, answer.may_have_taken) for half in whole.halves()]
    return [_again(batch, whole, answer)]


def _parts(batch: Batch, answer: Answer, policy: Policy, acks_given: bool) -> list[Result]:
    verdict = judge(batch.events, batch.isolated, answer, policy.atomic)
    results: list[Result] = []
    for share in verdict.again:
        if answer.action is Action.RETRY:
            results.append(_again(batch, share, answer))
        else:
            results.append(AtOnce(share, verdict.isolated))
    if verdict.taken is not None:
        results.append(_taken(verdict.taken, answer, policy, acks_given))
    if verdict.dead is not None:
        results.append(_refused(batch, verdict.dead, answer, policy, "refused"))
    return results


def _taken(share: Share, answer: Answer, policy: Policy, acks_given: bool) -> Taken:
    if not policy.acks:
        return Delivered(share)
    if answer.ack_id is not None:
        return AwaitAck(share, answer.ack_id)
    return Delivered(share) if answer.done or not acks_given else NoAck(share)


def _again(batch: Batch, share: Share, answer: Answer) -> Again:
    return Again(share, batch.attempts + 1, answer.may_have_taken)


def _refused(batch: Batch, one: Share, answer: Answer, policy: Policy, reason: str) -> Reroute | Dead:
    index = policy.fallback_index
    if answer.code == INCORRECT_INDEX and index:
        envelope, rerouted = batch.event(one.spans[0][0])
        other = envelope if rerouted else _with_index(envelope, index)
        if other != envelope:
            return Reroute(one, other)
    return Dead(one, "oversize" if answer.action is Action.SPLIT else reason)


def _with_index(envelope: bytes, index: str) -> bytes:
    try:
        return with_key(envelope, "index", index)
    except ValueError:
        return envelope
