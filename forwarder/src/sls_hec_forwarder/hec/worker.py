"""One sending thread and its connection: takes, posts, follows acknowledgements."""

from __future__ import annotations

import logging
import threading
import time
from typing import Callable, Final

from sls_hec_forwarder.delivery.batcher import Batch
from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.hec.acks import Acks, Poll, parse_answers
from sls_hec_forwarder.hec.answers import ACK_DISABLED, Action, Answer, classify
from sls_hec_forwarder.hec.client import Client
from sls_hec_forwarder.hec.connection import NoAnswer
from sls_hec_forwarder.hec.endpoints import Endpoint, Ticket
from sls_hec_forwarder.hec.observer import Observer
from sls_hec_forwarder.hec.outcomes import Outcomes
from sls_hec_forwarder.hec.token import Token

_log = logging.getLogger(__name__)

# Longest wait before a thread looks again whether it has to stop or to ask for acknowledgements.
_TURN: Final = 1.0
# A batch of a shard that may be another consumer's by now is looked at again after this time.
_SUSPENDED: Final = 0.5


class Worker(threading.Thread):
    """Belongs to one endpoint. `ack` is auto, on or off."""

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        client: Client,
        outbox: Outbox,
        outcomes: Outcomes,
        acks: Acks,
        ack: str,
        token: Token,
        conditions: Conditions,
        observer: Observer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._endpoint = endpoint
        self._client = client
        self._outbox = outbox
        self._outcomes = outcomes
        self._acks = acks
        self._ack = ack
        self._token = token
        self._conditions = conditions
        self._observer = observer
        self._clock = clock
        self._opened = 0
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End soon, whatever it waits for."""
        self._stopping.set()
        self._client.connection.abort()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except Exception:  # noqa: BLE001, PERF203 - a defect must not end the thread; its batch went back
                _log.exception("%s: unexpected error; its events are sent again", self.name)
                self._stopping.wait(_TURN)
        self._client.connection.close()

    def _turn(self) -> None:
        self._follow_acks()
        ticket = self._endpoint.enter(self._patience())
        if ticket is None:
            return
        batch, answer, seconds = None, None, 0.0
        try:
            # Who gave no answer last time shall not keep a batch waiting for as long again.
            answer = self._client.ping() if self._endpoint.silent else None
            batch = self._take(ticket) if answer is None else None
            if batch is not None:
                answer, seconds = self._attempt(batch)
        finally:
            # Before the batch goes back, so that no other thread tries it where it has just failed.
            self._endpoint.leave(ticket, None if self._stopping.is_set() else answer, seconds)
            if batch is not None:
                self._settle(batch, answer)

    def _patience(self) -> float:
        due = self._acks.next_poll(self._clock())
        return _TURN if due is None else min(_TURN, due)

    def _take(self, ticket: Ticket) -> Batch | None:
        """What is to be sent next and is still ours to send; asked before every attempt."""
        batch = self._outbox.take(self._patience())
        if batch is None:
            return None
        if self._stopping.is_set() or not self._endpoint.usable(ticket):
            self._outbox.put_back(batch, 0.0)
            return None
        gone = batch.split_revoked()
        if gone is not None:
            self._observer.dropped(gone.events)
            self._outbox.dropped(gone)
            if not batch.pieces:
                return None
        if batch.suspended:
            self._outbox.put_back(batch, _SUSPENDED)
            return None
        return batch

    def _attempt(self, batch: Batch) -> tuple[Answer, float]:
        if self._endpoint.holding:
            self._token.reread()
        self._choose_channel()
        body = batch.body()
        answer, wire, seconds = self._client.post(body)
        self._observer.sent(
            self._endpoint.name, answer.status, answer.code, batch.events, len(body), wire, seconds
        )
        return answer, seconds

    def _settle(self, batch: Batch, answer: Answer | None) -> None:
        if answer is None:  # the attempt failed in a way nobody thought of
            self._outcomes.again(batch, may_have_taken=True)
        else:
            if not answer.status and answer.may_have_taken:
                self._lost(self._acks.answer_lost())
            self._outcomes.settle(batch, answer, lambda taken: self._accepted(taken, answer))

    # Acknowledgement.

    def _choose_channel(self) -> None:
        """A connection that is new may end at another node, or at the same one in its next life."""
        try:
            self._client.connection.open()
        except NoAnswer:
            return  # the post meets the same, and reports it
        if self._client.connection.opened != self._opened:
            self._opened = self._client.connection.opened
            self._acks.renew()
        self._acks.renew_if_idle(self._clock())
        self._client.channel = self._acks.channel

    def _accepted(self, batch: Batch, answer: Answer) -> None:
        """The collector has taken the batch; it is delivered now, or when acknowledged."""
        if self._ack == "off":
            self._outcomes.delivered(batch)
            return
        moved = self._client.moved()
        if moved:
            self._lost(self._acks.give_up())
        if answer.ack_id is not None:
            self._client.sticky = True
            self._outbox.keep(batch)
            self._lost(self._acks.accepted(batch, answer.ack_id, self._clock()))
            self._conditions.end("acks_missing", self._endpoint.name)
        elif answer.action in (Action.DONE, Action.DONE_SLOW_DOWN) or not self._client.sticky:
            self._without_ack()
            self._outcomes.delivered(batch)
        else:  # the part of a refused batch that was taken, without an id to ask for
            self._outcomes.again(batch, may_have_taken=True)
        if moved:
            self._acks.renew()

    def _without_ack(self) -> None:
        self._client.sticky = False
        if self._ack == "on":
            text = "gives no acknowledgement although HEC_ACK=on"
            self._conditions.begin("acks_missing", self._endpoint.name, text)

    def _follow_acks(self) -> None:
        now = self._clock()
        self._lost(self._acks.overdue(now))
        if self._acks.next_poll(now) == 0.0:
            for poll in self._acks.polls(now):
                self._ask(poll)

    def _ask(self, poll: Poll) -> None:
        try:
            response = self._client.acks(poll.channel, poll.ids)
        except NoAnswer as error:
            self._no_acks(str(error))
            return
        if self._client.moved():
            self._lost(self._acks.give_up())
            self._acks.renew()
            return
        found = parse_answers(response.body) if response.status == 200 else None
        if found is None:
            answer = classify(response.status, response.headers, response.body)
            if answer.code == ACK_DISABLED:
                self._lost(self._acks.give_up())
                self._acks.renew()
            self._no_acks(self._token.hide(str(answer)))
            return
        self._conditions.end("acks_failing", self._endpoint.name)
        now = self._clock()
        for done in self._acks.answered(poll.channel, found, now):
            self._observer.acknowledged(self._endpoint.name, done.batch.events, now - done.since)
            self._outcomes.delivered(done.batch)

    def _no_acks(self, text: str) -> None:
        self._acks.unanswered()
        self._conditions.begin("acks_failing", self._endpoint.name, f"does not tell what is indexed: {text}")

    def _lost(self, batches: list[Batch]) -> None:
        """Accepted, but it cannot be told any more whether it was indexed."""
        for batch in batches:
            self._observer.unacknowledged(self._endpoint.name, batch.events)
            self._outcomes.again(batch, may_have_taken=True)
