"""Gauges that are read from the running relay at each scrape. An unknown value has no sample."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import version
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sls_hec_forwarder.health.catalogue import Severity
from sls_hec_forwarder.health.facts import Facts
from sls_hec_forwarder.health.model import Health
from sls_hec_forwarder.metrics import table
from sls_hec_forwarder.metrics.labels import label
from sls_hec_forwarder.metrics.table import Definition


class OutboxState(Protocol):
    """The queue of events in flight."""

    @property
    def bytes_in_flight(self) -> int: ...
    @property
    def max_bytes(self) -> int: ...


class StateCollector(Collector):
    """Only build info until `watch` is called."""

    def __init__(self, encoder: str) -> None:
        self._encoder = encoder
        self._health: Health | None = None
        self._outbox: OutboxState | None = None

    def watch(self, health: Health, outbox: OutboxState) -> None:
        self._health = health
        self._outbox = outbox

    def describe(self) -> Iterator[Metric]:
        """Registers the names without reading values."""
        for definition in table.TABLE["State"]:
            yield _family(definition)

    def collect(self) -> Iterator[Metric]:
        build = _family(table.BUILD)
        runtime = f"{platform.python_implementation()} {platform.python_version()}"
        build.add_metric([version("sls-hec-forwarder"), runtime, self._encoder], 1)
        yield build
        if self._health is not None and self._outbox is not None:
            yield from _measured(self._health.update())
            yield from _conditions(self._health)
            yield _gauge(table.BYTES_IN_FLIGHT, self._outbox.bytes_in_flight)
            yield _gauge(table.BYTES_IN_FLIGHT_LIMIT, self._outbox.max_bytes)


def _measured(facts: Facts) -> Iterator[Metric]:
    lag = _family(table.LAG)
    for shard in facts.shards:
        if shard.lag is not None:
            lag.add_metric([str(shard.shard)], shard.lag)
    yield lag
    yield _gauge(table.LAG_UNKNOWN, sum(shard.lag is None for shard in facts.shards))
    yield _gauge(table.SHARDS_OWNED, len(facts.shards))
    yield _gauge(table.OLDEST, max((shard.oldest_undelivered or 0.0 for shard in facts.shards), default=0.0))
    if facts.heartbeat_age is not None:
        yield _gauge(table.HEARTBEAT_AGE, facts.heartbeat_age)
    if facts.spool_bytes is not None and facts.spool_limit is not None:
        yield _gauge(table.SPOOL_BYTES, facts.spool_bytes)
        yield _gauge(table.SPOOL_LIMIT, facts.spool_limit)


def _conditions(health: Health) -> Iterator[Metric]:
    standing = health.conditions.standing()
    each_one, counts = _family(table.CONDITION), _family(table.CONDITIONS)
    for condition in standing:
        each_one.add_metric([condition.name, label(condition.subject), condition.severity.value], 1)
    for severity in Severity:
        counts.add_metric([severity.value], sum(each.severity is severity for each in standing))
    yield each_one
    yield counts
    yield _gauge(table.READY, int(health.ready))


def _family(definition: Definition) -> GaugeMetricFamily:
    return GaugeMetricFamily(definition.name, definition.help, labels=definition.labels)


def _gauge(definition: Definition, value: float) -> GaugeMetricFamily:
    family = _family(definition)
    family.add_metric([], value)
    return family
