"""Threads that take batches from the outbox and get them to the collectors.

Each thread belongs to one endpoint and has one connection. Who is fast takes more, who is in trouble takes
nothing, and what it could not send goes back to the outbox, where whoever is well takes it next.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import uuid
from typing import Callable, Final

from sls_hec_forwarder.delivery.batcher import Batch
from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.hec.answers import Action, Answer
from sls_hec_forwarder.hec.client import Client
from sls_hec_forwarder.hec.connection import Connection
from sls_hec_forwarder.hec.endpoints import Endpoint, Gate, Ticket
from sls_hec_forwarder.hec.isolate import judge
from sls_hec_forwarder.hec.observer import Observer
from sls_hec_forwarder.hec.retry import Backoff
from sls_hec_forwarder.hec.target import Proxy, TlsFiles, targets
from sls_hec_forwarder.hec.token import Token
from sls_hec_forwarder.logs import Episodes
from sls_hec_forwarder.settings.model import HecSettings

_log = logging.getLogger(__name__)

# Longest wait of a thread before it looks again whether it has to stop.
_TURN: Final = 1.0
# A batch of a shard that may be another consumer's by now is looked at again after this time.
_SUSPENDED: Final = 0.5
_FIRST_RETRY: Final = 0.2
_FIRST_HOLD: Final = 1.0


class Sender:
    """All sending threads of the process. `read_token` returns the token as it is now, if it is in a file."""

    def __init__(
        self,
        settings: HecSettings,
        outbox: Outbox,
        *,
        episodes: Episodes,
        observer: Observer | None = None,
        read_token: Callable[[], str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        observer = observer or Observer()
        rng = rng or random.Random()  # noqa: S311 - spreads load, keeps no secret
        retry = Backoff(_FIRST_RETRY, settings.retry_max_delay, rng)
        hold = Backoff(_FIRST_HOLD, settings.retry_max_delay, rng)
        tls = TlsFiles(settings)
        proxy = Proxy.parse(settings.proxy) if settings.proxy else None
        channel = str(uuid.uuid4())
        self.token = Token(settings.token, read_token)
        self.endpoints = tuple(
            Endpoint(target, Gate(settings.connections, retry, hold), episodes, observer, clock)
            for target in targets(settings)
        )
        self._workers = [
            _Worker(
                f"hec-{number}-{slot}",
                endpoint,
                Client(
                    Connection(endpoint.target, tls, settings.timeout, proxy, clock=clock, rng=rng),
                    self.token,
                    channel,
                    settings.gzip_level,
                    clock,
                ),
                outbox,
                self.token,
                retry,
                observer,
            )
            for number, endpoint in enumerate(self.endpoints)
            for slot in range(settings.connections)
        ]

    def start(self) -> None:
        for worker in self._workers:
            worker.start()

    def stop(self, timeout: float) -> bool:
        """End all threads, within `timeout` seconds; what is not delivered stays so. False if some remain."""
        deadline = time.monotonic() + timeout
        for endpoint in self.endpoints:
            endpoint.close()
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        return not any(worker.is_alive() for worker in self._workers)

    def replace_token(self, token: str) -> None:
        """Use another token from the next request on."""
        self.token.value = token
        self.reload()

    def reload(self) -> None:
        """An operator has changed something: read the token again and try at once what was on hold.

        Certificates need no call; they are read again when their files have changed.
        """
        self.token.reread()
        for endpoint in self.endpoints:
            endpoint.resume()

    @property
    def holding(self) -> tuple[str, ...]:
        """Endpoints that wait for an operator."""
        return tuple(endpoint.name for endpoint in self.endpoints if endpoint.holding)


class _Worker(threading.Thread):
    """One thread and its connection."""

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        client: Client,
        outbox: Outbox,
        token: Token,
        retry: Backoff,
        observer: Observer,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._endpoint = endpoint
        self._client = client
        self._outbox = outbox
        self._token = token
        self._retry = retry
        self._observer = observer
        self._stopping = threading.Event()

    def stop(self) -> None:
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
        ticket = self._endpoint.enter(_TURN)
        if ticket is None:
            return
        batch, answer = None, None
        try:
            batch = self._take(ticket)
            if batch is not None:
                answer = self._attempt(batch)
        finally:
            # Before the batch goes back, so that no other thread tries it where it has just failed.
            self._endpoint.leave(ticket, None if self._stopping.is_set() else answer)
            if batch is not None:
                self._settle(batch, answer)

    def _take(self, ticket: Ticket) -> Batch | None:
        """What is to be sent next and is still ours to send; asked before every attempt."""
        batch = self._outbox.take(_TURN)
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

    def _attempt(self, batch: Batch) -> Answer:
        if self._endpoint.holding:
            self._token.reread()
        body = batch.body()
        answer, wire, seconds = self._client.post(body)
        self._observer.sent(
            self._endpoint.name, answer.status, answer.code, batch.events, len(body), wire, seconds
        )
        return answer

    def _settle(self, batch: Batch, answer: Answer | None) -> None:
        """Act on the answer; None: the attempt failed in a way nobody thought of."""
        if answer is None:
            self._again(batch, may_have_taken=True)
        elif answer.action in (Action.DONE, Action.DONE_SLOW_DOWN):
            self._delivered(batch)
        elif answer.action is Action.RETRY and answer.accepted_prefix:
            verdict = judge(batch, answer, atomic=False)
            if verdict.taken is not None:
                self._delivered(verdict.taken)
            for part in verdict.again:
                self._again(part, may_have_taken=False)
        else:
            self._again(batch, answer.may_have_taken)

    def _delivered(self, batch: Batch) -> None:
        self._observer.delivered(self._endpoint.name, batch.events, batch.size)
        self._outbox.delivered(batch)

    def _again(self, batch: Batch, may_have_taken: bool) -> None:
        batch.attempts += 1
        self._observer.retried(self._endpoint.name, batch.events, batch.events if may_have_taken else 0)
        self._outbox.put_back(batch, self._retry.delay(batch.attempts))
