"""Every metric: its name, kind, meaning and labels. The docs are rendered from this table.

Names follow the Prometheus conventions: base units, `_total` for counters. Labels have few values: endpoints
of the settings, shards of the logstore, statuses; `observers` limits those that others choose.
"""

from __future__ import annotations

from dataclasses import dataclass

COUNTER = "counter"
GAUGE = "gauge"
HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Definition:
    """One metric; `buckets` are the upper bounds of a histogram."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# Pulling from SLS

PULLS = Definition("sls_hec_pulls_total", COUNTER, "Pulls that SLS answered, empty ones included")
PULLED_WIRE_BYTES = Definition(
    "sls_hec_pulled_wire_bytes_total", COUNTER, "Bytes of pulls as received, compressed"
)
PULLED_BYTES = Definition("sls_hec_pulled_bytes_total", COUNTER, "Bytes of pulls, decompressed")
PULLED_GROUPS = Definition("sls_hec_pulled_log_groups_total", COUNTER, "Log groups pulled")
EVENTS = Definition("sls_hec_events_total", COUNTER, "Events made from pulled logs")
EVENT_BYTES = Definition("sls_hec_event_bytes_total", COUNTER, "Bytes of these events as envelopes")
REPAIRED = Definition(
    "sls_hec_repaired_texts_total",
    COUNTER,
    "Texts that were not valid UTF-8; the invalid bytes were replaced",
)
FILTERED = Definition(
    "sls_hec_filtered_logs_total",
    COUNTER,
    "Logs left out by RELAY_TOPICS_INCLUDE or RELAY_TOPICS_EXCLUDE; topics beyond the first 50 are `other`",
    ("topic",),
)
SLS_FAILURES = Definition(
    "sls_hec_sls_failures_total",
    COUNTER,
    "Calls to SLS that failed, by what was tried (`heartbeat`, `pull`, `checkpoint`, `start`, `watch`) and "
    "by kind of failure (such as `transient`, `throttled`, `corrupt`, `auth`, `denied`)",
    ("call", "kind"),
)
EXPIRED_RANGES = Definition(
    "sls_hec_expired_ranges_total",
    COUNTER,
    "Ranges of logs that retention removed before they were read: data is lost",
    ("shard",),
)
EXPIRED_GROUPS = Definition(
    "sls_hec_expired_log_groups_total", COUNTER, "Log groups in these ranges, as far as known", ("shard",)
)
CHECKPOINTS = Definition("sls_hec_checkpoint_saves_total", COUNTER, "Checkpoints saved to SLS")
LEASES = Definition("sls_hec_leases_started_total", COUNTER, "Shards that SLS gave to this consumer")
LEASES_ENDED = Definition(
    "sls_hec_leases_ended_total",
    COUNTER,
    "Shards given up, by reason: `released` in good order, `revoked` because another consumer may hold the "
    "shard, `failed` after an error",
    ("reason",),
)

# Delivery to HEC

REQUESTS = Definition(
    "sls_hec_requests_total",
    COUNTER,
    "Requests to collectors by HTTP status (0: no answer) and HEC code (empty: none)",
    ("endpoint", "status", "code"),
)
REQUEST_SECONDS = Definition(
    "sls_hec_request_seconds",
    HISTOGRAM,
    "Time from the start of a request to the end of its answer",
    ("endpoint",),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
)
SENT_BYTES = Definition(
    "sls_hec_sent_bytes_total",
    COUNTER,
    "Bytes of request bodies before compression, retries included",
    ("endpoint",),
)
SENT_WIRE_BYTES = Definition(
    "sls_hec_sent_wire_bytes_total",
    COUNTER,
    "Bytes of request bodies as sent, retries included",
    ("endpoint",),
)
DELIVERED_EVENTS = Definition(
    "sls_hec_delivered_events_total", COUNTER, "Events that a collector accepted", ("endpoint",)
)
DELIVERED_BYTES = Definition(
    "sls_hec_delivered_bytes_total", COUNTER, "Bytes of these events, before compression", ("endpoint",)
)
RETRIED_EVENTS = Definition(
    "sls_hec_retried_events_total", COUNTER, "Events that have to be sent again", ("endpoint",)
)
POSSIBLE_DUPLICATES = Definition(
    "sls_hec_possible_duplicates_total",
    COUNTER,
    "Retried events that may already be indexed: the answer was lost or inconclusive",
    ("endpoint",),
)
ACKNOWLEDGED_EVENTS = Definition(
    "sls_hec_acknowledged_events_total",
    COUNTER,
    "Events that a collector acknowledged as indexed",
    ("endpoint",),
)
ACK_SECONDS = Definition(
    "sls_hec_ack_seconds",
    HISTOGRAM,
    "Time from the acceptance of a batch to its acknowledgement",
    ("endpoint",),
    (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0),
)
UNACKNOWLEDGED_EVENTS = Definition(
    "sls_hec_unacknowledged_events_total",
    COUNTER,
    "Accepted events that were not acknowledged in time or can no longer be; they are sent again",
    ("endpoint",),
)
REROUTED_EVENTS = Definition(
    "sls_hec_rerouted_events_total",
    COUNTER,
    "Events sent to HEC_FALLBACK_INDEX because their own index was refused",
)
DEAD_LETTERS = Definition(
    "sls_hec_dead_letters_total",
    COUNTER,
    "Events refused permanently and saved in RELAY_SPOOL_DIR: `oversize`, `refused` or `blocked`",
    ("reason",),
)
DISCARDED_EVENTS = Definition(
    "sls_hec_discarded_events_total",
    COUNTER,
    "Events refused permanently that could not be saved and are LOST, because of RELAY_SPOOL_FULL=drop",
    ("reason",),
)
DROPPED_EVENTS = Definition(
    "sls_hec_dropped_events_total",
    COUNTER,
    "Events not sent because another consumer now holds their shard and sends them; nothing is lost",
)
HOLDS = Definition(
    "sls_hec_holds_total", COUNTER, "How often an endpoint began to wait for an operator", ("endpoint",)
)
HOLDING = Definition(
    "sls_hec_endpoint_holding",
    GAUGE,
    "1 while an endpoint waits for an operator (wrong token, wrong path, certificate), else 0",
    ("endpoint",),
)

# The state at the time of the scrape

SHARDS_OWNED = Definition("sls_hec_shards_owned", GAUGE, "Shards that this consumer holds")
LAG = Definition(
    "sls_hec_shard_lag_seconds",
    GAUGE,
    "Age of the oldest undelivered log of a shard that this consumer holds; 0 when there is none, no sample "
    "while it is unknown",
    ("shard",),
)
LAG_UNKNOWN = Definition(
    "sls_hec_shards_lag_unknown", GAUGE, "Shards that this consumer holds and whose lag is unknown"
)
CONDITION = Definition(
    "sls_hec_condition",
    GAUGE,
    "1 for each active [condition](health.md)",
    ("name", "subject", "severity"),
)
CONDITIONS = Definition(
    "sls_hec_conditions", GAUGE, "Active conditions, by `warning` and `critical`", ("severity",)
)
READY = Definition(
    "sls_hec_ready",
    GAUGE,
    "1 for a member of the group without a critical condition, as in `/healthz`, else 0",
)
SPOOL_BYTES = Definition("sls_hec_spool_bytes", GAUGE, "Bytes of dead letters in RELAY_SPOOL_DIR")
SPOOL_LIMIT = Definition(
    "sls_hec_spool_bytes_limit", GAUGE, "Limit of sls_hec_spool_bytes: RELAY_SPOOL_BYTES"
)
OLDEST = Definition(
    "sls_hec_oldest_undelivered_seconds",
    GAUGE,
    "Time since the oldest undelivered event was pulled; 0 when there is none",
)
BYTES_IN_FLIGHT = Definition("sls_hec_bytes_in_flight", GAUGE, "Bytes of events pulled and not yet delivered")
BYTES_IN_FLIGHT_LIMIT = Definition(
    "sls_hec_bytes_in_flight_limit",
    GAUGE,
    "Limit of sls_hec_bytes_in_flight: RELAY_BYTES_IN_FLIGHT; pulling waits when it is reached",
)
HEARTBEAT_AGE = Definition(
    "sls_hec_heartbeat_age_seconds",
    GAUGE,
    "Time since the last heartbeat that SLS answered; after the group's time-out SLS gives the shards away",
)
BUILD = Definition(
    "sls_hec_build_info", GAUGE, "Always 1; the labels say what is running", ("version", "runtime", "encoder")
)

#: By heading in the docs.
TABLE = {
    "Pulling from SLS": (
        PULLS,
        PULLED_WIRE_BYTES,
        PULLED_BYTES,
        PULLED_GROUPS,
        EVENTS,
        EVENT_BYTES,
        REPAIRED,
        FILTERED,
        SLS_FAILURES,
        EXPIRED_RANGES,
        EXPIRED_GROUPS,
        CHECKPOINTS,
        LEASES,
        LEASES_ENDED,
    ),
    "Delivery to the collectors": (
        REQUESTS,
        REQUEST_SECONDS,
        SENT_BYTES,
        SENT_WIRE_BYTES,
        DELIVERED_EVENTS,
        DELIVERED_BYTES,
        RETRIED_EVENTS,
        POSSIBLE_DUPLICATES,
        ACKNOWLEDGED_EVENTS,
        ACK_SECONDS,
        UNACKNOWLEDGED_EVENTS,
        REROUTED_EVENTS,
        DEAD_LETTERS,
        DISCARDED_EVENTS,
        DROPPED_EVENTS,
        HOLDS,
        HOLDING,
    ),
    "State": (
        READY,
        CONDITION,
        CONDITIONS,
        SHARDS_OWNED,
        LAG,
        LAG_UNKNOWN,
        OLDEST,
        BYTES_IN_FLIGHT,
        BYTES_IN_FLIGHT_LIMIT,
        HEARTBEAT_AGE,
        SPOOL_BYTES,
        SPOOL_LIMIT,
        BUILD,
    ),
}
