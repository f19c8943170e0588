"""Every condition: its name, severity, what the relay does, what to do. The docs are rendered from this."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


class Severity(enum.Enum):
    """WARNING: look at it today. CRITICAL: events are stuck, diverted or lost; look at it now."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True)
class ConditionKind:
    """One condition. `meaning` is a line for the docs; `does` and `todo` complete a log line.

    A warning becomes critical once it has lasted `critical_after` seconds or occurred `critical_count` times.
    `quiet` (seconds): the condition consists of occurrences and ends after this long without one; None: the
    code that began it ends it. `over` completes the log line of its end.
    """

    name: str
    area: str
    severity: Severity
    meaning: str
    does: str
    todo: str
    over: str = "over"
    critical_after: float | None = None
    critical_count: int | None = None
    quiet: float | None = None


#: A fault of the network or a service that lasts longer than this (seconds) is not just a short glitch.
HICCUP: Final = 60.0
#: Seconds without another occurrence after which a condition that consists of occurrences is over.
QUIET: Final = 300.0

_SLS: Final = "sls"
_HEC: Final = "hec"
_RELAY: Final = "relay"
_WARNING: Final = Severity.WARNING
_CRITICAL: Final = Severity.CRITICAL

_KINDS: Final = (
    # The consumer group
    ConditionKind(
        "join_failing",
        _SLS,
        _WARNING,
        "The consumer group cannot be found, created or joined",
        "trying again until it works",
        "run `check`; it cannot test the permissions log:CreateConsumerGroup and log:UpdateConsumerGroup",
        over="the consumer group can be joined again",
        critical_after=HICCUP,
    ),
    ConditionKind(
        "heartbeat_failing",
        _SLS,
        _WARNING,
        "SLS does not accept heartbeats; after the group's time-out it gives the shards to other consumers",
        "trying again until it works",
        "check the connection to SLS, the credentials and the permission log:ConsumerGroupHeartBeat",
        over="heartbeats are accepted again",
        critical_after=HICCUP,
    ),
    ConditionKind(
        "heartbeat_late",
        _SLS,
        _CRITICAL,
        "No heartbeat was answered for the group's time-out: SLS may have given the shards away",
        "nothing is sent or saved for these shards until SLS confirms that they are still held",
        "check the connection to SLS, and whether the host is overloaded",
        over="heartbeats are answered again",
    ),
    ConditionKind(
        "shards_unowned",
        _SLS,
        _CRITICAL,
        "These shards have had no consumer for longer than the group's time-out",
        "waiting for SLS to assign them",
        "make sure that enough consumers of the group are running",
        over="every shard has an owner again",
    ),
    ConditionKind(
        "shards_not_listed",
        _SLS,
        _WARNING,
        "SLS assigns shards to this consumer that the logstore does not have",
        "these shards are not read, all others are; the relay keeps listing the shards",
        "check that SLS_ENDPOINT and SLS_PROXY really lead to Alibaba Cloud; if they do, ask its support",
        over="only shards of the logstore are assigned",
        critical_after=HICCUP,
    ),
    ConditionKind(
        "shards_too_many",
        _SLS,
        _CRITICAL,
        "SLS assigns more shards to this consumer than one process reads",
        "the shards beyond the limit wait unread until another consumer takes them; all others are read",
        "run more consumers of the group",
        over="all assigned shards are read",
    ),
    ConditionKind(
        "group_watch_failing",
        _SLS,
        _WARNING,
        "The group and its shards cannot be listed, so changes that others make are not noticed",
        "relaying continues; trying again until it works",
        "check the permissions log:ListConsumerGroup, log:ListShards and log:GetConsumerGroupCheckPoint",
        over="the group can be listed again",
        critical_after=QUIET,
    ),
    ConditionKind(
        "group_deleted",
        _SLS,
        _CRITICAL,
        "Somebody deleted the consumer group and its checkpoints while the relay was running",
        "nothing is sent meanwhile and nothing is lost; with SLS_GROUP_DELETED=recreate the relay creates it "
        "again with the checkpoints that it remembers",
        "do not stop the relay until the group exists again: it remembers how far events were delivered; "
        "find out "
        "who deleted it",
        over="the consumer group exists again",
    ),
    ConditionKind(
        "group_restored",
        _SLS,
        _WARNING,
        "The consumer group was deleted and created again while the relay was running",
        "continuing where it was; events in flight at that moment may be duplicated",
        "find out who deleted it",
        over="it did not happen again",
        quiet=QUIET,
    ),
    ConditionKind(
        "checkpoint_awaited",
        _SLS,
        _WARNING,
        "The new consumer group has no checkpoint of a shard that another member held before",
        "waiting for that member to save it, at most the group's time-out; then the shard is read from the "
        "last "
        "checkpoint that this relay saw",
        "make sure that all members are running",
        over="the shard is read",
    ),
    ConditionKind(
        "checkpoint_moved",
        _SLS,
        _WARNING,
        "Somebody else set the checkpoint of a shard while the relay read it",
        "the shard is read again from there",
        "if it was none of you, look for another program that uses the consumer group; if it keeps "
        "happening, "
        "look for another relay with the same SLS_CONSUMER: each needs its own name",
        over="no checkpoint was moved again",
        quiet=QUIET,
    ),
    ConditionKind(
        "group_changed",
        _SLS,
        _WARNING,
        "Somebody changed the time-out of the consumer group",
        "using the new value",
        "give all members the same SLS_GROUP_TIMEOUT",
        over="it was not changed again",
        quiet=QUIET,
    ),
    ConditionKind(
        "group_order_differs",
        _SLS,
        _WARNING,
        "SLS_IN_ORDER is true, but somebody switched the group's order off",
        "relaying continues; after a split, a shard's logs may arrive before those of its parent",
        "switch the order on again (a restart of the relay does) or set SLS_IN_ORDER=false",
        over="the group is in order again",
    ),
    ConditionKind(
        "logstore_missing",
        _SLS,
        _CRITICAL,
        "The logstore no longer exists",
        "trying again until it exists",
        "check SLS_LOGSTORE; if it was deleted on purpose, remove this consumer",
        over="the logstore exists again",
    ),
    ConditionKind(
        "project_missing",
        _SLS,
        _CRITICAL,
        "The project no longer exists, or not at this endpoint",
        "trying again until it exists",
        "check SLS_PROJECT and SLS_ENDPOINT; if it was deleted on purpose, remove this consumer",
        over="the project exists again",
    ),
    ConditionKind(
        "logstore_recreated",
        _SLS,
        _CRITICAL,
        "The logstore was deleted and created again: unread logs of the deleted one are lost",
        "the new one is read from its beginning",
        "find out who deleted it",
        over="it did not happen again",
        quiet=QUIET,
    ),
    # Reading
    ConditionKind(
        "start_failing",
        _SLS,
        _WARNING,
        "The relay cannot determine where to start reading a shard",
        "trying again until it works; nothing of the shard is skipped",
        "see the message",
        over="the shard can be read again",
        critical_after=HICCUP,
    ),
    ConditionKind(
        "pull_failing",
        _SLS,
        _WARNING,
        "Pulls of a shard fail",
        "trying again until it works; nothing is skipped",
        "see the message",
        over="pulls work again",
        critical_after=HICCUP,
    ),
    ConditionKind(
        "pull_unreadable",
        _SLS,
        _CRITICAL,
        "The same pull repeatedly cannot be decoded, so this is no transmission error",
        "nothing is skipped; the relay keeps trying at this cursor",
        "contact Alibaba Cloud's support and give the request id",
        over="the pull can be decoded",
    ),
    ConditionKind(
        "reader_failed",
        _SLS,
        _CRITICAL,
        "Reading a shard failed with an unexpected error",
        "the shard is given back and read again from its checkpoint, here or by another member",
        "report the log line with its traceback; nothing is lost, but the shard may be stuck",
        over="no more errors",
        quiet=QUIET,
    ),
    ConditionKind(
        "shard_stalled",
        _SLS,
        _WARNING,
        "A shard of this consumer was not pulled for a minute, for no known reason",
        "waiting",
        "look at the other conditions and the host's load; restart the instance if it does not end",
        over="the shard is pulled again",
        critical_after=QUIET,
    ),
    ConditionKind(
        "shard_stopped",
        _SLS,
        _CRITICAL,
        "The checkpoint is older than the retention, and SLS_EXPIRED_CURSOR=stop",
        "the shard is no longer read",
        "decide: set SLS_EXPIRED_CURSOR to oldest or end and restart, or `reset` the shard",
        over="the shard is read again",
    ),
    ConditionKind(
        "logs_lost",
        _SLS,
        _CRITICAL,
        "Logs were removed by retention before they were read: they are lost",
        "continuing after the gap, as SLS_EXPIRED_CURSOR says",
        "if the relay was not down, it is too slow for the retention of the logstore",
        over="no more logs were lost",
        quiet=QUIET,
    ),
    # Checkpoints
    ConditionKind(
        "checkpoint_failing",
        _SLS,
        _WARNING,
        "Checkpoints cannot be saved: what is delivered meanwhile is sent again after a crash",
        "delivery continues up to RELAY_BYTES_UNSAVED; trying again until it works",
        "check the connection to SLS and the permission log:ConsumerGroupUpdateCheckPoint",
        over="checkpoints are saved again",
        critical_after=HICCUP,
    ),
    ConditionKind(
        "checkpoint_stuck",
        _SLS,
        _CRITICAL,
        "As much is delivered beyond a shard's checkpoint as RELAY_BYTES_UNSAVED or RELAY_TIME_UNSAVED "
        "allows",
        "this shard is not pulled until its oldest events are delivered and the checkpoint is saved",
        "the other conditions show what holds the oldest events back",
        over="the checkpoint moves again",
    ),
    # Credentials and clock
    ConditionKind(
        "credentials_failing",
        _SLS,
        _WARNING,
        "Temporary credentials cannot be renewed",
        "the last ones are used; trying again until it works",
        "check the RAM role and the metadata service",
        over="credentials are renewed again",
        critical_after=HICCUP,
    ),
    ConditionKind(
        "credentials_expiring",
        _SLS,
        _WARNING,
        "Temporary credentials expire within minutes and were not renewed",
        "trying to renew them",
        "check the RAM role and the metadata service, or replace SLS_STS_TOKEN",
        over="the credentials are renewed",
        critical_after=QUIET,
    ),
    ConditionKind(
        "clock_skewed",
        _SLS,
        _WARNING,
        "This machine's clock differs much from that of SLS, which refuses requests that are more than 900 "
        "s off",
        "continuing",
        "synchronise the clock",
        over="the clock is right again",
    ),
    # Delivery
    ConditionKind(
        "collector_holding",
        _HEC,
        _CRITICAL,
        "A collector refuses every request until somebody fixes the cause",
        "holding events; nothing is lost, and the relay tries again from time to time",
        "see the message",
        over="accepts events again",
    ),
    ConditionKind(
        "collector_failing",
        _HEC,
        _WARNING,
        "A collector does not answer, or says that it is busy",
        "its events are sent again, to another collector if there is one",
        "check the collector and the connection to it",
        over="accepts events again",
        critical_after=HICCUP,
    ),
    ConditionKind(
        "requests_failing",
        _HEC,
        _WARNING,
        "Some requests to a collector keep failing while others succeed",
        "failed requests are sent again; nothing is lost, some events may be duplicated",
        "check the collector and the connection: a link that drops connections, or one bad node of several",
        over="requests succeed again",
        quiet=QUIET,
    ),
    ConditionKind(
        "batch_refused",
        _HEC,
        _CRITICAL,
        "One batch is refused repeatedly while others are accepted",
        "it is halved until the bad event is alone; that event is held, and after some minutes becomes a "
        "dead "
        "letter if RELAY_SPOOL_DIR is set",
        "check what is between the relay and the collector: a firewall or proxy that inspects bodies",
        over="the batch is delivered",
    ),
    ConditionKind(
        "acks_failing",
        _HEC,
        _WARNING,
        "The collector accepts events but does not say whether they are indexed",
        "accepted events are held, not sent again, until it does",
        "allow /services/collector/ack on every proxy in between, or switch acknowledgement off for the "
        "token",
        over="reports again what is indexed",
        critical_after=HICCUP,
    ),
    ConditionKind(
        "acks_denied",
        _HEC,
        _CRITICAL,
        "Batches were accepted several times, but the collector never acknowledges them as indexed",
        "they are held and not sent again automatically; the checkpoints of their shards are held too",
        "check the indexers, and that the load balancer keeps each connection on one node; "
        "SIGHUP sends the batches once more",
        over="no batch waits for such an acknowledgement any more",
    ),
    ConditionKind(
        "acks_missing",
        _HEC,
        _WARNING,
        "HEC_ACK=on, but the collector does not acknowledge events",
        "events count as delivered once accepted",
        "enable acknowledgement for the token, or set HEC_ACK=auto",
        over="acknowledges events",
    ),
    ConditionKind(
        "delivery_stalled",
        _HEC,
        _WARNING,
        "The oldest pulled event has not been delivered for minutes",
        "sending continues",
        "the other conditions show what holds it back",
        over="it is delivered",
        critical_after=QUIET,
    ),
    ConditionKind(
        "dead_letters",
        _HEC,
        _WARNING,
        "The collector refuses events permanently; they are in RELAY_SPOOL_DIR, not in Splunk",
        "they are saved in RELAY_SPOOL_DIR, other events are sent",
        "fix the cause, then run `replay send`",
        over="no more events were refused",
        critical_count=100,
        quiet=QUIET,
    ),
    ConditionKind(
        "events_rerouted",
        _HEC,
        _WARNING,
        "The collector refuses the index of some events, which go to HEC_FALLBACK_INDEX",
        "they are sent to HEC_FALLBACK_INDEX",
        "create the index, or allow it for the token",
        over="no more events were rerouted",
        quiet=QUIET,
    ),
    ConditionKind(
        "events_discarded",
        _HEC,
        _CRITICAL,
        "Events were refused permanently and could not be saved: they are lost, as RELAY_SPOOL_FULL=drop "
        "says",
        "they are DROPPED",
        "free space in RELAY_SPOOL_DIR or raise RELAY_SPOOL_BYTES",
        over="no more events were dropped",
        quiet=QUIET,
    ),
    ConditionKind(
        "dead_letters_unsaved",
        _HEC,
        _CRITICAL,
        "Events are refused permanently and cannot be saved",
        "they are held, and the checkpoints of their shards too",
        "set RELAY_SPOOL_DIR, free space there, or raise RELAY_SPOOL_BYTES",
        over="dead letters are saved again",
    ),
    ConditionKind(
        "spool_filling",
        _HEC,
        _WARNING,
        "RELAY_SPOOL_DIR holds more than 80 % of RELAY_SPOOL_BYTES",
        "dead letters are saved until it is full",
        "run `replay send`, or remove dead letters that are not needed",
        over="there is space again",
    ),
    # The process
    ConditionKind(
        "thread_failing",
        _RELAY,
        _CRITICAL,
        "A thread of the relay failed with an unexpected error",
        "the thread continues after a pause",
        "report the log line with its traceback; restart the instance if it does not end",
        over="works again",
    ),
)

CATALOGUE: Final[Mapping[str, ConditionKind]] = {kind.name: kind for kind in _KINDS}
