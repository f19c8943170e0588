"""One sending thread and its connection: takes, posts, settles."""

from __future__ import annotations

import logging
import threading
from typing import Final

from sls_hec_forwarder.delivery.batcher import Batch
from sls_hec_forwarder.hec.api.answers import Answer
from sls_hec_forwarder.hec.api.client import Client, no_answer
from sls_hec_forwarder.hec.send.endpoints import Endpoint, Ticket
from sls_hec_forwarder.hec.send.following import Following
from sls_hec_forwarder.hec.send.outcomes import Again, AtOnce, Dead, Reroute, Result, decide
from sls_hec_forwarder.hec.send.send_context import SendContext
from sls_hec_forwarder.hec.send.settler import Settler
from sls_hec_forwarder.http.connection import NoAnswer

_log = logging.getLogger(__name__)

# Longest wait (seconds) before a thread checks whether to stop or to ask for acknowledgements.
_TURN: Final = 1.0
# A batch whose shard may now belong to another consumer is checked again after this time (seconds).
_SUSPENDED: Final = 0.5
# While nothing is answered, one try in so many carries an event: it may pass where empty requests do not.
_TRY_AN_EVENT: Final = 5
# After a refusal that took longer (seconds), no second request is made to find out what is at fault.
_QUICK: Final = 5.0


class Worker(threading.Thread):
    """A sending thread of one endpoint."""

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        client: Client,
        *,
        settler: Settler,
        following: Following,
        around: SendContext,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._endpoint = endpoint
        self._client = client
        self._settler = settler
        self._custody = settler.custody
        self.following = following
        self._around = around
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Make the thread end soon, whatever it is waiting for."""
        self._stopping.set()
        self._client.connection.abort()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001, PERF203 - a defect must not end the thread
                _log.exception("%s: unexpected error; its events are sent again", self.name)
                self._around.conditions.begin("thread_failing", self.name, repr(error)[:200])
                self._stopping.wait(_TURN)
            else:
                self._around.conditions.end("thread_failing", self.name)
        self._client.connection.close()

    def _turn(self) -> None:
        for left in self._custody.left():  # left by an error; it is not known how far they got
            self._settler.resend(left)
        self.following.follow()
        ticket = self._endpoint.enter(self._patience())
        if ticket is None:
            return
        batch: Batch | None = None
        answer, seconds, at_fault = None, 0.0, False
        try:
            answer = self._unanswered()
            batch = self._take(ticket) if answer is None else None
            if batch is not None:
                answer, seconds = self._attempt(batch)
                at_fault = self._is_at_fault(batch, answer, seconds)
        finally:
            # Before the batch goes back, so that no other thread tries it at the endpoint where it just
            # failed.
            said = None if self._stopping.is_set() or at_fault else answer
            self._endpoint.leave(ticket, said, seconds)
        if batch is not None and answer is not None:
            self._settle(batch, answer, at_fault)

    def _patience(self) -> float:
        due = self.following.due_in()
        return _TURN if due is None else min(_TURN, due)

    def _unanswered(self) -> Answer | None:
        """Test a collector that gave no answer last time, so that no batch waits for it; None: it answers."""
        if not self._endpoint.silent or self._tries_an_event:
            return None
        answer = self._client.ask_without_events()
        return None if answer.status else answer

    @property
    def _tries_an_event(self) -> bool:
        silent = self._endpoint.silent
        return silent > 0 and silent % _TRY_AN_EVENT == 0

    def _take(self, ticket: Ticket) -> Batch | None:
        """The next batch to send, checked before every attempt for shards that are no longer ours."""
        batch = self._custody.take(self._patience())
        if batch is None:
            return None
        if self._stopping.is_set() or not self._endpoint.usable(ticket):
            self._custody.put_back(batch, 0.0)
            return None
        gone = batch.split_revoked()
        if gone is not None:
            self._custody.adopt([gone])
            if not batch.pieces:
                self._custody.release(batch)
            self._settler.dropped(gone)
            if not batch.pieces:
                return None
        if batch.suspended:
            self._custody.put_back(batch, _SUSPENDED)
            return None
        if self._tries_an_event and batch.events > 1:
            rest = batch.cut(1)
            self._custody.adopt([rest])
            self._custody.put_back(rest, 0.0)
        return batch

    def _attempt(self, batch: Batch) -> tuple[Answer, float]:
        if self._endpoint.holding:
            self._around.token.reread()
        body = batch.body()
        started = self._around.clock()
        try:
            self.following.choose_channel()
            answer, wire, seconds = self._client.post(body)
        except NoAnswer as error:
            answer, wire, seconds = no_answer(error), 0, self._around.clock() - started
        self._around.observer.sent(
            self._endpoint.name, answer.status, answer.code, batch.events, len(body), wire, seconds
        )
        return answer, seconds

    def _is_at_fault(self, batch: Batch, answer: Answer, seconds: float) -> bool:
        """Whether `batch` was refused because of its content, while others pass."""
        if answer.done:
            self._endpoint.evidence.passed()
            return False
        if not answer.may_be_the_body or self._stopping.is_set():
            return False
        return self._endpoint.evidence.refused(
            batch, lambda: seconds < _QUICK and self._client.ask_without_events().path_works
        )

    def _settle(self, batch: Batch, answer: Answer, at_fault: bool) -> None:
        """Act on the answer. If this raises, what is not yet settled stays in custody."""
        around = self._around
        if not answer.status and answer.may_have_taken:
            self.following.answer_lost()
        if answer.done:
            around.refusals.passed()
        fault = around.refusals.refused(batch, self._endpoint.name, answer) if at_fault else None
        acks_given = self.following.acks_given
        results = decide(batch, answer, around.policy, fault=fault, acks_given=acks_given)
        parts = self._custody.divide(batch, [result.share for result in results])
        for part, result in zip(parts, results):
            self._carry_out(part, result, answer)

    def _carry_out(self, part: Batch, result: Result, answer: Answer) -> None:
        if isinstance(result, (Again, AtOnce)):
            self._settler.not_taken(part, result)
        elif isinstance(result, (Reroute, Dead)):
            self._settler.refused(part, result, answer)
        else:
            self._settler.through(part)
            self.following.taken(part, result)
