"""One registry with everything in it, and the server that shows it."""

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

# A second series for each counter that nobody asks for; the client only offers this switch for all.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """`sls` and `hec` count what they are told; the rest is read when it is asked for.

    Each instance has a registry of its own, and serves it between `start` and `close` if the settings say so.
    """

    def __init__(self, settings: Settings) -> None:
        self.registry = CollectorRegistry()
        self.sls = CountingSls(self.registry)
        self.hec = CountingHec(self.registry, tuple(str(target) for target in targets(settings.hec)))
        self._state = StateCollector()
        self._health: Health | None = None
        self._alive: Callable[[], bool] = lambda: True
        self.registry.register(self._state)
        ProcessCollector(registry=self.registry)
        where = settings.relay.metrics
        routes = {"/metrics": self._metrics, "/healthz": self._readiness, "/livez": self._liveness}
        self._server = None if where == "off" else MetricsServer(where, routes)

    def watch(self, health: Health, outbox: OutboxState, alive: Callable[[], bool]) -> None:
        """Show these from now on; `alive`: the process does its work, whatever the world around it does."""
        self._health = health
        self._alive = alive
        self._state.watch(health, outbox)

    def start(self) -> None:
        """Raises OperatorError when the address cannot be listened on."""
        if self._server is not None:
            self._server.start()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    @property
    def address(self) -> Any:
        """What is listened on, (host, port) or a path; None before `start`, and when metrics are off."""
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
        return Reply(503, "text/plain", b"a thread that everything depends on has ended or hangs\n")
