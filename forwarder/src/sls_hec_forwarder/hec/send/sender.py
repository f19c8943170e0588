"""Threads that take batches from the outbox and send them to the collectors.

Each thread belongs to one endpoint and has one connection. Fast threads take more batches; a thread whose
endpoint is in trouble takes none. What it could not send goes back to the outbox, for any other thread.
"""

from __future__ import annotations

import random
import time
from functools import partial
from typing import Callable, Final

from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.hec.api.client import Client
from sls_hec_forwarder.hec.api.target import HecTlsFiles, targets
from sls_hec_forwarder.hec.api.token import Token
from sls_hec_forwarder.hec.observer import HecObserver
from sls_hec_forwarder.hec.send.acks import Acks
from sls_hec_forwarder.hec.send.dead_letters import DeadLetters
from sls_hec_forwarder.hec.send.endpoints import Endpoint, Gate
from sls_hec_forwarder.hec.send.following import AckTrouble, Following
from sls_hec_forwarder.hec.send.outcomes import Policy
from sls_hec_forwarder.hec.send.refusals import Refusals
from sls_hec_forwarder.hec.send.send_context import SendContext
from sls_hec_forwarder.hec.send.settler import Settler
from sls_hec_forwarder.hec.send.worker import Worker
from sls_hec_forwarder.http.address import Proxy
from sls_hec_forwarder.http.connection import Connection
from sls_hec_forwarder.retry.backoff import Backoff
from sls_hec_forwarder.settings.model import HecSettings
from sls_hec_forwarder.spool.spool import Letterbox

_FIRST_RETRY: Final = 0.2
_FIRST_HOLD: Final = 1.0


class Sender:
    """All sending threads of the process: `settings.connections` for each collector.

    `spool` takes events that are refused for good. Without a spool, or when it is full, such events are held,
    or dropped with `drop_unsaved`. `read_token` returns the current token, if it is in a file.
    """

    def __init__(
        self,
        settings: HecSettings,
        outbox: Outbox,
        *,
        conditions: Conditions,
        observer: HecObserver | None = None,
        spool: Letterbox | None = None,
        drop_unsaved: bool = False,
        read_token: Callable[[], str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        observer = observer or HecObserver()
        rng = rng or random.Random()  # noqa: S311 - spreads load, not for security
        retry = Backoff(_FIRST_RETRY, settings.retry_max_delay, rng)
        hold = Backoff(_FIRST_HOLD, settings.retry_max_delay, rng)
        tls = HecTlsFiles(settings)
        proxy = Proxy.parse(settings.proxy) if settings.proxy else None
        self.token = Token(settings.token, read_token)
        self.endpoints = tuple(
            Endpoint(target, Gate(settings.connections, retry, hold), conditions, observer, clock)
            for target in targets(settings)
        )
        around = SendContext(
            settings=settings,
            outbox=outbox,
            policy=Policy(
                atomic=settings.on_error == "atomic",
                acks=settings.ack != "off",
                can_save=spool is not None,
                fallback_index=settings.fallback_index,
            ),
            retry=retry,
            dead_letters=DeadLetters(spool, observer, conditions, drop_unsaved=drop_unsaved),
            refusals=Refusals(conditions, clock),
            token=self.token,
            conditions=conditions,
            observer=observer,
            clock=clock,
        )
        self._workers = []
        for number, endpoint in enumerate(self.endpoints):
            trouble = AckTrouble(conditions, endpoint.name)
            for slot in range(settings.connections):
                connection = Connection(endpoint.target, tls, settings.timeout, proxy, clock=clock, rng=rng)
                name = f"hec-{number}-{slot}"
                self._workers.append(self._worker(name, endpoint, connection, trouble, around))

    def _worker(
        self,
        name: str,
        endpoint: Endpoint,
        connection: Connection,
        trouble: AckTrouble,
        around: SendContext,
    ) -> Worker:
        acks = Acks(around.settings.ack_timeout)
        client = Client(
            connection, endpoint.target, self.token, acks.channel, around.settings.gzip_level, around.clock
        )
        settler = Settler(endpoint.name, around)
        elsewhere = partial(self._well_elsewhere, endpoint)
        following = Following(client, acks, settler, around=around, trouble=trouble, elsewhere=elsewhere)
        return Worker(name, endpoint, client, settler=settler, following=following, around=around)

    def _well_elsewhere(self, endpoint: Endpoint) -> bool:
        return any(each.well for each in self.endpoints if each is not endpoint)

    def start(self) -> None:
        for worker in self._workers:
            worker.start()

    def stop(self, timeout: float) -> bool:
        """End all threads within `timeout` seconds, delivered or not. False if some are still running."""
        deadline = time.monotonic() + timeout
        for endpoint in self.endpoints:
            endpoint.close()
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            if worker.ident is not None:  # only those started: the system may allow fewer threads
                worker.join(max(0.0, deadline - time.monotonic()))
        return not any(worker.is_alive() for worker in self._workers)

    def reload(self) -> None:
        """An operator has changed something: read the token again and try at once what is on hold.

        Held batches that were never acknowledged are sent once more. Certificates need no call; they are read
        again when their files change.
        """
        self.token.reread()
        for endpoint in self.endpoints:
            endpoint.resume()
        for worker in self._workers:
            worker.following.released = True

    @property
    def holding(self) -> tuple[str, ...]:
        """Endpoints that wait for an operator."""
        return tuple(endpoint.name for endpoint in self.endpoints if endpoint.holding)
