"""The registry of all metrics, and the server that exposes it."""

from __future__ import annotations

import json
from typing import Any, Callable

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from sls_hec_forwarder.health.model import Health
from sls_hec_forwarder.hec.api.target import targets
from sls_hec_forwarder.metrics.observers import CountingHec, CountingSls
from sls_hec_forwarder.metrics.server import MetricsServer, Reply
from sls_hec_forwarder.metrics.state import OutboxState, StateCollector
from sls_hec_forwarder.settings.model import Settings

_JSON = "application/json"

# The `_created` series double the output and nobody needs them; the client has only this global switch.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """`sls` and `hec` count what is reported to them; all else is read at scrape time.

    Each instance has its own registry, and serves it between `start` and `close` if the settings say so.
    `encoder`: the name of the one in use.
    """

    def __init__(self, settings: Settings, *, encoder: str) -> None:
        self.registry = CollectorRegistry()
        self.sls = CountingSls(self.registry)
        self.hec = CountingHec(self.registry, tuple(str(target) for target in targets(settings.hec)))
        self._state = StateCollector(encoder)
        self._health: Health | None = None
        self._alive: Callable[[], bool] = lambda: True
        self.registry.register(self._state)
        ProcessCollector(registry=self.registry)
        where = settings.relay.metrics
        routes = {"/metrics": self._metrics, "/healthz": self._readiness, "/livez": self._liveness}
        self._server = None if where == "off" else MetricsServer(where, routes)

    def watch(self, health: Health, outbox: OutboxState, alive: Callable[[], bool]) -> None:
        """Expose these from now on; `alive`: the process itself works, whatever SLS and the collectors do."""
        self._health = health
        self._alive = alive
        self._state.watch(health, outbox)

    def start(self) -> None:
        """Raises OperatorError when it cannot listen on the address."""
        if self._server is not None:
            self._server.start()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    @property
    def address(self) -> Any:
        """The address, (host, port) or a path; None before `start`, and when metrics are off."""
        return None if self._server is None else self._server.address

    def _metrics(self) -> Reply:
        return Reply(200, CONTENT_TYPE_LATEST, generate_latest(self.registry))

    def _readiness(self) -> Reply:
        if self._health is None:
            return Reply(503, _JSON, b'{"status": "starting", "ready": false, "conditions": []}\n')
        report = self._health.report()
        return Reply(200 if report["ready"] else 503, _JSON, json.dumps(report).encode("ascii") + b"\n")

    def _liveness(self) -> Reply:
        if self._alive():
            return Reply(200, "text/plain", b"alive\n")
        return Reply(503, "text/plain", b"an essential thread has ended or hangs\n")
