"""Counts what pulling and sending report. Called a few times per pull or batch, never per event."""

# ruff: noqa: ARG002 - observers receive more than is counted here
from __future__ import annotations

import threading

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sls_hec_forwarder.hec.observer import HecObserver
from sls_hec_forwarder.metrics import table
from sls_hec_forwarder.metrics.labels import label
from sls_hec_forwarder.metrics.table import Definition
from sls_hec_forwarder.sls.observer import Lost, SlsObserver

#: Most topics with their own series; a producer can invent any number of them.
_TOPICS = 50
OTHER = "other"
#: HEC's own codes are below this; another server may answer any number.
_CODES = 100


#: Why an event can be refused permanently.
_REASONS = ("blocked", "oversize", "refused")


def _counter(definition: Definition, registry: CollectorRegistry) -> Counter:
    return Counter(definition.name, definition.help, definition.labels, registry=registry)


def _gauge(definition: Definition, registry: CollectorRegistry) -> Gauge:
    return Gauge(definition.name, definition.help, definition.labels, registry=registry)


def _histogram(definition: Definition, registry: CollectorRegistry) -> Histogram:
    return Histogram(
        definition.name, definition.help, definition.labels, buckets=definition.buckets, registry=registry
    )


class CountingSls(SlsObserver):
    """Counts what happens between SLS and the encoder."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._pulls = _counter(table.PULLS, registry)
        self._pulled_wire = _counter(table.PULLED_WIRE_BYTES, registry)
        self._pulled_bytes = _counter(table.PULLED_BYTES, registry)
        self._groups = _counter(table.PULLED_GROUPS, registry)
        self._events = _counter(table.EVENTS, registry)
        self._event_bytes = _counter(table.EVENT_BYTES, registry)
        self._repaired = _counter(table.REPAIRED, registry)
        self._filtered = _counter(table.FILTERED, registry)
        self._failures = _counter(table.SLS_FAILURES, registry)
        self._expired = _counter(table.EXPIRED_RANGES, registry)
        self._expired_groups = _counter(table.EXPIRED_GROUPS, registry)
        self._checkpoints = _counter(table.CHECKPOINTS, registry)
        self._leases = _counter(table.LEASES, registry)
        self._leases_ended = _counter(table.LEASES_ENDED, registry)
        self._topics: set[str] = set()
        self._topics_lock = threading.Lock()

    def lease_started(self, shard: int) -> None:
        self._leases.inc()
        # Created with 0: in a series that begins at 1, the first increase is invisible.
        self._expired.labels(shard)
        self._expired_groups.labels(shard)

    def lease_ended(self, shard: int, reason: str) -> None:
        self._leases_ended.labels(reason).inc()

    def pulled(self, shard: int, wire_bytes: int, raw_bytes: int, groups: int) -> None:
        self._pulls.inc()
        self._pulled_wire.inc(wire_bytes)
        self._pulled_bytes.inc(raw_bytes)
        self._groups.inc(groups)

    def encoded(self, shard: int, events: int, encoded_bytes: int, repaired: int) -> None:
        self._events.inc(events)
        self._event_bytes.inc(encoded_bytes)
        if repaired:
            self._repaired.inc(repaired)

    def filtered(self, topic: str, logs: int) -> None:
        topic = label(topic)
        with self._topics_lock:
            if topic not in self._topics:
                if len(self._topics) < _TOPICS:
                    self._topics.add(topic)
                else:
                    topic = OTHER
        self._filtered.labels(topic).inc(logs)

    def expired(self, shard: int, lost: Lost) -> None:
        self._expired.labels(shard).inc()
        self._expired_groups.labels(shard).inc(lost.groups or 0)

    def checkpoint_saved(self, shard: int) -> None:
        self._checkpoints.inc()

    def failed(self, what: str, kind: str) -> None:
        self._failures.labels(what, kind).inc()


class CountingHec(HecObserver):
    """Counts what happens between the outbox and the collectors; `endpoints` get their series at once."""

    def __init__(self, registry: CollectorRegistry, endpoints: tuple[str, ...]) -> None:
        self._requests = _counter(table.REQUESTS, registry)
        self._sent = _counter(table.SENT_BYTES, registry)
        self._sent_wire = _counter(table.SENT_WIRE_BYTES, registry)
        self._delivered = _counter(table.DELIVERED_EVENTS, registry)
        self._delivered_bytes = _counter(table.DELIVERED_BYTES, registry)
        self._retried = _counter(table.RETRIED_EVENTS, registry)
        self._duplicates = _counter(table.POSSIBLE_DUPLICATES, registry)
        self._acknowledged = _counter(table.ACKNOWLEDGED_EVENTS, registry)
        self._unacknowledged = _counter(table.UNACKNOWLEDGED_EVENTS, registry)
        self._rerouted = _counter(table.REROUTED_EVENTS, registry)
        self._dead_letters = _counter(table.DEAD_LETTERS, registry)
        self._discarded = _counter(table.DISCARDED_EVENTS, registry)
        self._dropped = _counter(table.DROPPED_EVENTS, registry)
        self._holds = _counter(table.HOLDS, registry)
        self._holding = _gauge(table.HOLDING, registry)
        self._seconds = _histogram(table.REQUEST_SECONDS, registry)
        self._ack_seconds = _histogram(table.ACK_SECONDS, registry)
        # Created with 0, as above.
        for endpoint in endpoints:
            for each in (self._delivered, self._retried, self._duplicates, self._holds, self._holding):
                each.labels(endpoint)
        for reason in _REASONS:
            self._dead_letters.labels(reason)
            self._discarded.labels(reason)

    def sent(
        self, endpoint: str, status: int, code: int | None, events: int, raw: int, wire: int, seconds: float
    ) -> None:
        shown = "" if code is None else str(code) if code < _CODES else OTHER
        self._requests.labels(endpoint, status, shown).inc()
        self._seconds.labels(endpoint).observe(seconds)
        self._sent.labels(endpoint).inc(raw)
        self._sent_wire.labels(endpoint).inc(wire)

    def delivered(self, endpoint: str, events: int, raw: int) -> None:
        self._delivered.labels(endpoint).inc(events)
        self._delivered_bytes.labels(endpoint).inc(raw)

    def retried(self, endpoint: str, events: int, possible_duplicates: int) -> None:
        self._retried.labels(endpoint).inc(events)
        self._duplicates.labels(endpoint).inc(possible_duplicates)

    def acknowledged(self, endpoint: str, events: int, seconds: float) -> None:
        self._acknowledged.labels(endpoint).inc(events)
        self._ack_seconds.labels(endpoint).observe(seconds)

    def unacknowledged(self, endpoint: str, events: int) -> None:
        self._unacknowledged.labels(endpoint).inc(events)

    def rerouted(self) -> None:
        self._rerouted.inc()

    def dead_lettered(self, reason: str, code: int | None) -> None:
        self._dead_letters.labels(reason).inc()

    def discarded(self, reason: str) -> None:
        self._discarded.labels(reason).inc()

    def dropped(self, events: int) -> None:
        self._dropped.inc(events)

    def held(self, endpoint: str, holding: bool) -> None:
        self._holding.labels(endpoint).set(int(holding))
        if holding:
            self._holds.labels(endpoint).inc()
