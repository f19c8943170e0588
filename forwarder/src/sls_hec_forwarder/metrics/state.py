"""Gauges that are read from the running relay at the moment of a scrape."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Callable, Protocol

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sls_hec_forwarder.metrics import table
from sls_hec_forwarder.metrics.table import Definition


class ShardState(Protocol):
    """What is known of a shard that is held; seconds, None: not known, or nothing."""

    @property
    def shard(self) -> int: ...
    @property
    def lag(self) -> float | None: ...
    @property
    def oldest(self) -> float | None: ...


class ConsumerState(Protocol):
    """The group member; `last_heartbeat` in monotonic seconds."""

    @property
    def alive(self) -> bool: ...
    @property
    def last_heartbeat(self) -> float | None: ...
    def shards(self) -> Sequence[ShardState]: ...


class OutboxState(Protocol):
    """The queue of what is in flight."""

    @property
    def bytes_in_flight(self) -> int: ...
    @property
    def max_bytes(self) -> int: ...


class StateCollector(Collector):
    """Only build info until `watch` was called."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._consumer: ConsumerState | None = None
        self._outbox: OutboxState | None = None

    def watch(self, consumer: ConsumerState, outbox: OutboxState) -> None:
        self._consumer = consumer
        self._outbox = outbox

    @property
    def healthy(self) -> bool:
        """The part that everything depends on runs."""
        return self._consumer is not None and self._consumer.alive

    def describe(self) -> Iterator[Metric]:
        """Tells the registry the names without asking for values."""
        for definition in table.TABLE["State"]:
            yield _family(definition)

    def collect(self) -> Iterator[Metric]:
        build = _family(table.BUILD)
        runtime = f"{platform.python_implementation()} {platform.python_version()}"
        build.add_metric([version("sls-hec-forwarder"), runtime], 1)
        yield build
        if self._consumer is not None and self._outbox is not None:
            yield from self._gauges(self._consumer, self._outbox)

    def _gauges(self, consumer: ConsumerState, outbox: OutboxState) -> Iterator[Metric]:
        shards = consumer.shards()
        lag = _family(table.LAG)
        for state in shards:
            if state.lag is not None:
                lag.add_metric([str(state.shard)], state.lag)
        yield lag
        yield _gauge(table.SHARDS_OWNED, len(shards))
        yield _gauge(table.OLDEST, max((state.oldest or 0.0 for state in shards), default=0.0))
        yield _gauge(table.BYTES_IN_FLIGHT, outbox.bytes_in_flight)
        yield _gauge(table.BYTES_IN_FLIGHT_LIMIT, outbox.max_bytes)
        if consumer.last_heartbeat is not None:
            yield _gauge(table.HEARTBEAT_AGE, max(0.0, self._clock() - consumer.last_heartbeat))


def _family(definition: Definition) -> GaugeMetricFamily:
    return GaugeMetricFamily(definition.name, definition.help, labels=definition.labels)


def _gauge(definition: Definition, value: float) -> GaugeMetricFamily:
    family = _family(definition)
    family.add_metric([], value)
    return family
