"""Carries out what was decided about a batch, and reports it to outbox, metrics and log."""

from __future__ import annotations

from typing import Final

from sls_hec_forwarder.delivery.batcher import Batch, Piece
from sls_hec_forwarder.hec.api.answers import Answer
from sls_hec_forwarder.hec.send.custody import Custody
from sls_hec_forwarder.hec.send.outcomes import Again, AtOnce, Dead, Reroute
from sls_hec_forwarder.hec.send.send_context import SendContext
from sls_hec_forwarder.spool.dead_letter import DeadLetter
from sls_hec_forwarder.wire.envelope import index_of

# First pause (seconds) before a dead letter that could not be saved is tried again; later ones are as for
# retries. Its event is posted again, which also shows if the collector accepts it by then.
_UNSAVED: Final = 5.0


class Settler:
    """For one thread. Each call settles one batch in its custody; a call that raises may leave it there."""

    def __init__(self, endpoint: str, around: SendContext) -> None:
        self.custody = Custody(around.outbox)
        self._endpoint = endpoint
        self._around = around

    def delivered(self, batch: Batch) -> None:
        """The whole batch is delivered."""
        events, size = batch.events, batch.raw_size
        self.custody.delivered(batch)
        self._around.observer.delivered(self._endpoint, events, size)

    def dropped(self, batch: Batch) -> None:
        """The batch belongs to another consumer now."""
        events = batch.events
        self.through(batch)
        self.custody.dropped(batch)
        self._around.observer.dropped(events)

    def resend(self, batch: Batch) -> None:
        """Send the batch again: it is not known whether it was accepted."""
        self._put_back(batch, batch.attempts + 1, may_have_taken=True)

    def not_taken(self, batch: Batch, result: Again | AtOnce) -> None:
        """The batch was not accepted and is to be sent again."""
        if isinstance(result, Again):
            self._put_back(batch, result.attempts, result.may_have_taken)
        else:
            batch.isolated = result.isolated
            self.custody.put_back(batch, 0.0)

    def refused(self, one: Batch, result: Reroute | Dead, answer: Answer) -> None:
        """One event will never be accepted as it is."""
        piece = one.pieces[0]
        if isinstance(result, Reroute):
            piece.original, piece.body = piece.body, result.envelope
            index, other = index_of(piece.original), self._around.policy.fallback_index
            self._around.dead_letters.rerouted(self._endpoint, answer, index, other)
            self.custody.put_back(one, 0.0)
        elif self._around.dead_letters.save(self._letter(piece, result.reason, answer), piece):
            self.through(one)
            self.custody.delivered(one)
        else:
            one.attempts += 1
            self.custody.put_back(one, max(_UNSAVED, self._around.retry.delay(one.attempts)))

    def through(self, batch: Batch) -> None:
        """The batch is accepted, saved or dropped: any trouble with it is over."""
        self._around.refusals.through(batch)
        self._around.dead_letters.through(batch)

    def _put_back(self, batch: Batch, attempts: int, may_have_taken: bool) -> None:
        batch.attempts = attempts
        events = batch.events
        self.custody.put_back(batch, self._around.retry.delay(attempts))
        self._around.observer.retried(self._endpoint, events, events if may_have_taken else 0)

    def _letter(self, piece: Piece, reason: str, answer: Answer) -> DeadLetter:
        now = self._around.wall()
        twice = piece.original is not None  # its own index was refused too
        return DeadLetter(
            time=now,
            reason=reason,
            status=answer.status,
            code=answer.code,
            text=answer.text,
            endpoint=self._endpoint,
            shard=piece.pull.lease.shard,
            envelope=piece.body if piece.original is None else piece.original,
            refusals=2 if twice else 1,
            again=now if twice else None,
            tried={"index": self._around.policy.fallback_index} if twice else {},
        )
