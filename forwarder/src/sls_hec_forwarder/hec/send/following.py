"""Asks for the acknowledgements of one connection, and sends unacknowledged batches again, up to a limit."""

from __future__ import annotations

import math
from typing import Callable

from sls_hec_forwarder.delivery.batcher import Batch
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.hec.api.answers import ACK_DISABLED, classify
from sls_hec_forwarder.hec.api.client import Client
from sls_hec_forwarder.hec.send.acks import COPIES, Acks, Poll, parse_answers
from sls_hec_forwarder.hec.send.outcomes import AwaitAck, Delivered, Taken
from sls_hec_forwarder.hec.send.send_context import SendContext
from sls_hec_forwarder.hec.send.settler import Settler
from sls_hec_forwarder.http.connection import NoAnswer


class Shared:
    """A condition shared by several threads: it lasts while any of them has it."""

    def __init__(self, conditions: Conditions, name: str, subject: str) -> None:
        self._conditions = conditions
        self._name = name
        self._subject = subject
        self._who: set[object] = set()

    def begin(self, who: object, text: str) -> None:
        self._who.add(who)
        self._conditions.begin(self._name, self._subject, text)

    def end(self, who: object) -> None:
        if who in self._who:
            self._who.discard(who)
            if not self._who:
                self._conditions.end(self._name, self._subject)


class AckTrouble:
    """The conditions of one endpoint's acknowledgements, shared by its threads."""

    def __init__(self, conditions: Conditions, endpoint: str) -> None:
        self.endpoint = endpoint
        self.failing = Shared(conditions, "acks_failing", endpoint)
        self.denied = Shared(conditions, "acks_denied", endpoint)
        self._conditions = conditions

    def missing(self) -> None:
        text = "gives no acknowledgement although HEC_ACK=on"
        self._conditions.begin("acks_missing", self.endpoint, text)

    def given(self) -> None:
        self._conditions.end("acks_missing", self.endpoint)


class Following:
    """`elsewhere` returns whether another collector works. Used by one thread."""

    def __init__(
        self,
        client: Client,
        acks: Acks,
        settler: Settler,
        *,
        around: SendContext,
        trouble: AckTrouble,
        elsewhere: Callable[[], bool],
    ) -> None:
        self._client = client
        self._acks = acks
        self._settler = settler
        self._custody = settler.custody
        self._mode = around.settings.ack
        self._observer = around.observer
        self._clock = around.clock
        self._trouble = trouble
        self._elsewhere = elsewhere
        self._opened = 0
        # Batches accepted too often, with no id left to ask for.
        self._held: list[Batch] = []
        #: Set by another thread: an operator has changed something, so send held batches once more.
        self.released = False

    def due_in(self) -> float | None:
        """Seconds until there is something to do; None if there is nothing."""
        return self._acks.next_poll(self._clock())

    def choose_channel(self) -> None:
        """Choose the channel for the next post; on a new connection it is a new channel.

        That connection may reach another node, or the same one after a restart. Raises NoAnswer if no
        connection can be made.
        """
        self._client.connection.open()
        if self._client.connection.opened != self._opened:
            self._opened = self._client.connection.opened
            self._acks.renew()
        self._acks.renew_if_idle(self._clock())
        self._client.channel = self._acks.channel

    @property
    def acks_given(self) -> bool:
        """Whether the collector has given ids to ask for."""
        return self._client.sticky

    def taken(self, batch: Batch, result: Taken) -> None:
        """The collector has accepted the batch; it is delivered now, or once acknowledged."""
        if self._mode == "off":
            self._settler.delivered(batch)
            return
        moved = self._client.moved()
        if moved:
            self._lost(self._acks.give_up())
        if isinstance(result, AwaitAck):
            self._client.sticky = True
            self._custody.keep(batch)
            void = self._acks.accepted(batch, result.ack_id, self._clock())
            self._custody.release(batch)
            self._lost(void)
            self._trouble.given()
        elif isinstance(result, Delivered):
            self._client.sticky = False
            if self._mode == "on":
                self._trouble.missing()
            self._settler.delivered(batch)
        else:
            self._settler.resend(batch)
        if moved:
            self._acks.renew()

    def answer_lost(self) -> None:
        """A post may have got an id that we do not know."""
        self._lost(self._acks.answer_lost())

    def follow(self) -> None:
        """Ask for acknowledgements, if it is time to."""
        if self.released:
            self._release()
        if self._acks.next_poll(self._clock()) == 0.0:
            self._drop_revoked()
            for poll in self._acks.polls(self._clock()):
                if not self._ask(poll):
                    break
            self._lost(self._acks.overdue())
        elif self._held:
            self._drop_revoked()
        self._report()

    def _release(self) -> None:
        self.released = False
        held, self._held = self._held, []
        self._custody.adopt(held)
        stuck = self._acks.overdue(copies=math.inf)
        self._custody.adopt(stuck)
        for batch in [*held, *stuck]:
            self._send_again(batch)

    def _drop_revoked(self) -> None:
        gone = self._acks.revoked()
        gone += [batch for batch in self._held if batch.revoked]
        if gone:
            self._held = [batch for batch in self._held if not batch.revoked]
            self._custody.adopt(gone)
            for batch in gone:
                self._settler.dropped(batch)

    def _report(self) -> None:
        stuck = len(self._held) + (self._acks.stuck() if len(self._acks) else 0)
        if stuck:
            text = f"{stuck} batches were accepted {COPIES + 1} times each and are not acknowledged"
            self._trouble.denied.begin(self, text)
        else:
            self._trouble.denied.end(self)
        if not len(self._acks):
            self._trouble.failing.end(self)

    def _ask(self, poll: Poll) -> bool:
        """Ask one question; whether to go on with the next."""
        try:
            response = self._client.acks(poll.channel, poll.ids)
        except NoAnswer as error:
            self._no_acks(poll, str(error))
            self._give_up_if_unreachable()
            return False
        if self._client.moved():
            self._lost(self._acks.give_up())
            self._acks.renew()
            return False
        found = parse_answers(response.body) if response.status == 200 else None
        if found is None:
            answer = classify(response.status, response.headers, response.body)
            if answer.code == ACK_DISABLED:
                self._lost(self._acks.give_up())
                self._acks.renew()
            self._no_acks(poll, self._client.hide(str(answer)))
            return False
        self._trouble.failing.end(self)
        now = self._clock()
        done = self._acks.answered(poll.channel, found, now)
        self._custody.adopt(each.batch for each in done)
        for each in done:
            events = each.batch.events
            self._settler.delivered(each.batch)
            self._observer.acknowledged(self._trouble.endpoint, events, now - each.since)
        return True

    def _no_acks(self, poll: Poll, text: str) -> None:
        self._acks.unanswered(poll.channel, self._clock())
        text = f"does not report which of {len(self._acks)} batches are indexed: {text}"
        self._trouble.failing.begin(self, text)

    def _give_up_if_unreachable(self) -> None:
        """Release batches of a collector that is gone altogether, if another one can take them."""
        if self._acks.late(self._clock()) and self._elsewhere():
            answer = self._client.ask_without_events()
            if not answer.status:
                self._lost(self._acks.overdue(unreachable_at=self._clock()))

    def _lost(self, batches: list[Batch]) -> None:
        """Send again batches that were accepted but that the collector does not know, or cannot report on."""
        self._custody.adopt(batches)
        for batch in batches:
            if batch.unacked < COPIES:
                self._send_again(batch)
            else:
                self._held.append(batch)
                self._custody.release(batch)

    def _send_again(self, batch: Batch) -> None:
        batch.unacked += 1
        events = batch.events
        self._settler.resend(batch)
        self._observer.unacknowledged(self._trouble.endpoint, events)
