"""Every condition: its name, severity, what the relay does, what to do. The docs are rendered from this."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


class Severity(enum.Enum):
    """WARNING: look at it today. CRITICAL: events stand still, go elsewhere or are lost; look at it now."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True)
class ConditionKind:
    """One condition. `meaning` is a line for the docs; `does` and `todo` complete a log line.

    `critical_after` (seconds): a warning that lasts so long becomes critical. `critical_count`: so does one
    that occurred so often. `quiet` (seconds): the condition consists of occurrences, and ends when there was
    none for so long; None: it is ended by whoever began it. `over` completes the log line of its end.
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


#: A fault of the network or of a service that lasts longer than this (seconds) is no hiccup.
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
        "run `check`; it cannot try the rights log:CreateConsumerGroup and log:UpdateConsumerGroup",
        over="the consumer group can be joined again",
        critical_after=HICCUP,
    ),
    ConditionKind(
        "heartbeat_failing",
        _SLS,
        _WARNING,
        "SLS does not accept heartbeats; beyond the group's time-out the shards go to other consumers",
        "trying again until it works",
        "check the way to SLS, the credentials and the right log:ConsumerGroupHeartBeat",
        over="heartbeats are accepted again",
        critical_after=HICCUP,
    ),
    ConditionKind(
        "heartbeat_late",
        _SLS,
        _CRITICAL,
        "No heartbeat was answered for the group's time-out: SLS may have given the shards away",
        "nothing is sent or saved for these shards until SLS confirms that they are still held",
        "check the way to SLS, and whether the host is overloaded",
        over="heartbeats are answered again",
    ),
    ConditionKind(
        "shards_unowned",
        _SLS,
        _CRITICAL,
        "SLS names no consumer for these shards, for longer than the group's time-out",
        "waiting for SLS to assign them",
        "see that enough consumers of the group run",
        over="every shard has an owner again",
    ),
    ConditionKind(
        "shards_not_listed",
        _SLS,
        _WARNING,
        "SLS assigns shards to this consumer that the logstore does not have",
        "these shards are not read, all others are; the shards are listed again and again",
        "check that SLS_ENDPOINT and SLS_PROXY lead to Alibaba Cloud and nowhere else; if they do, ask their "
        "support",
        over="only shards of the logstore are assigned",
        critical_after=HICCUP,
    ),
    ConditionKind(
        "shards_too_many",
        _SLS,
        _CRITICAL,
        "SLS assigns more shards to this consumer than one process reads",
        "the shards beyond the bound wait unread until another consumer takes them; all others are read",
        "run more consumers of the group",
        over="all assigned shards are read",
    ),
    ConditionKind(
        "group_watch_failing",
        _SLS,
        _WARNING,
        "The group and its shards cannot be listed, so changes that others make are not noticed",
        "relaying goes on; trying again until it works",
        "check the rights log:ListConsumerGroup, log:ListShards and log:GetConsumerGroupCheckPoint",
        over="the group can be listed again",
        critical_after=QUIET,
    ),
    ConditionKind(
        "group_deleted",
        _SLS,
        _CRITICAL,
        "Somebody deleted the consumer group, and its checkpoints with it, while the relay ran",
        "nothing is sent meanwhile and nothing is lost; with SLS_GROUP_DELETED=recreate the relay creates it "
        "again with the checkpoints that it knows",
        "do not stop the relay before: it knows how far events were delivered; find out who deleted it",
        over="the consumer group exists again",
    ),
    ConditionKind(
        "group_restored",
        _SLS,
        _WARNING,
        "The consumer group was deleted and created again while the relay ran",
        "going on where it was; what was on its way at that moment may come twice",
        "find out who deleted it",
        over="it did not happen again",
        quiet=QUIET,
    ),
    ConditionKind(
        "checkpoint_awaited",
        _SLS,
        _WARNING,
        "The new consumer group has no checkpoint of a shard that another member held before",
        "waiting for that member to save it, at most the group's time-out, then reading where it was seen",
        "see that all members run",
        over="the shard is read",
    ),
    ConditionKind(
        "checkpoint_moved",
        _SLS,
        _WARNING,
        "Somebody else set the checkpoint of a shard while the relay read it",
        "the shard is read anew from there",
        "if nobody of yours did it, look for another program that uses the consumer group; if it goes on, "
        "look for another relay with the same SLS_CONSUMER: each needs a name of its own",
        over="no checkpoint was moved again",
        quiet=QUIET,
    ),
    ConditionKind(
        "group_changed",
        _SLS,
        _WARNING,
        "Somebody changed the time-out of the consumer group",
        "following it",
        "give all members the same SLS_GROUP_TIMEOUT",
        over="it was not changed again",
        quiet=QUIET,
    ),
    ConditionKind(
        "group_order_differs",
        _SLS,
        _WARNING,
        "SLS_IN_ORDER is true, but somebody switched the group's order off",
        "relaying goes on; after a split, a shard's logs may come before those of its parent",
        "switch the order on again (a restart of the relay does) or set SLS_IN_ORDER=false",
        over="the group is in order again",
    ),
    ConditionKind(
        "logstore_missing",
        _SLS,
        _CRITICAL,
        "The logstore does not exist any more",
        "trying again until it exists",
        "check SLS_LOGSTORE; if it was deleted on purpose, remove this consumer",
        over="the logstore exists again",
    ),
    ConditionKind(
        "project_missing",
        _SLS,
        _CRITICAL,
        "The project does not exist any more, or not at this endpoint",
        "trying again until it exists",
        "check SLS_PROJECT and SLS_ENDPOINT; if it was deleted on purpose, remove this consumer",
        over="the project exists again",
    ),
    ConditionKind(
        "logstore_recreated",
        _SLS,
        _CRITICAL,
        "The logstore was deleted and created again: what was not read of the deleted one is lost",
        "the new one is read from its begin",
        "find out who deleted it",
        over="it did not happen again",
        quiet=QUIET,
    ),
    # Reading
    ConditionKind(
        "start_failing",
        _SLS,
        _WARNING,
        "It cannot be found out where a shard has to be read from",
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
        "The same pull cannot be decoded again and again, so this is no accident",
        "nothing is skipped; the shard waits at this cursor and tries on",
        "ask Alibaba Cloud's support, with the request id",
        over="the pull can be decoded",
    ),
    ConditionKind(
        "reader_failed",
        _SLS,
        _CRITICAL,
        "Reading a shard met an error that nobody foresaw",
        "the shard is given back and read again from its checkpoint, here or by another member",
        "report the log line with its traceback; nothing is lost, but the shard may stand still",
        over="no more errors",
        quiet=QUIET,
    ),
    ConditionKind(
        "shard_stalled",
        _SLS,
        _WARNING,
        "A shard that is held was not pulled for a minute, though nothing says why",
        "waiting",
        "look at the other conditions and the host's load; restart the instance if it stays",
        over="the shard is pulled again",
        critical_after=QUIET,
    ),
    ConditionKind(
        "shard_stopped",
        _SLS,
        _CRITICAL,
        "The checkpoint is older than the retention, and SLS_EXPIRED_CURSOR=stop",
        "the shard is not read any more",
        "decide: set SLS_EXPIRED_CURSOR to oldest or end and restart, or `reset` the shard",
        over="the shard is read again",
    ),
    ConditionKind(
        "logs_lost",
        _SLS,
        _CRITICAL,
        "Logs were removed by retention before they were read: they are lost",
        "going on behind the gap, as SLS_EXPIRED_CURSOR says",
        "if the relay was not down, it is too slow for the retention of the logstore",
        over="no more logs were lost",
        quiet=QUIET,
    ),
    # Checkpoints
    ConditionKind(
        "checkpoint_failing",
        _SLS,
        _WARNING,
        "Checkpoints cannot be saved: what is delivered meanwhile is repeated after a crash",
        "delivering goes on up to RELAY_BYTES_UNSAVED; trying again until it works",
        "check the way to SLS and the right log:ConsumerGroupUpdateCheckPoint",
        over="checkpoints are saved again",
        critical_after=HICCUP,
    ),
    ConditionKind(
        "checkpoint_stuck",
        _SLS,
        _CRITICAL,
        "So much is delivered beyond a shard's checkpoint as RELAY_BYTES_UNSAVED or RELAY_TIME_UNSAVED allow",
        "this shard is not pulled until its oldest events are delivered and the checkpoint is saved",
        "see the other conditions for what keeps the oldest events back",
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
        "Temporary credentials end within minutes and were not renewed",
        "trying to renew them",
        "check the RAM role and the metadata service, or replace SLS_STS_TOKEN",
        over="the credentials are renewed",
        critical_after=QUIET,
    ),
    ConditionKind(
        "clock_skewed",
        _SLS,
        _WARNING,
        "This machine's clock is far from that of SLS, which refuses requests beyond 900 s",
        "going on",
        "synchronise the clock",
        over="the clock is right again",
    ),
    # Delivery
    ConditionKind(
        "collector_holding",
        _HEC,
        _CRITICAL,
        "A collector refuses everything until somebody changes something",
        "holding; nothing is lost, and it is tried again from time to time",
        "see the message",
        over="takes events again",
    ),
    ConditionKind(
        "collector_failing",
        _HEC,
        _WARNING,
        "A collector gives no answer, or one that says: later",
        "what was to go there is sent again, elsewhere if there is an elsewhere",
        "check the collector and the way to it",
        over="takes events again",
        critical_after=HICCUP,
    ),
    ConditionKind(
        "requests_failing",
        _HEC,
        _WARNING,
        "Single requests to a collector fail again and again, others between them succeed",
        "what failed is sent again; nothing is lost, some events may arrive twice",
        "check the collector and the way: a link that drops connections, one sick node of several",
        over="requests succeed again",
        quiet=QUIET,
    ),
    ConditionKind(
        "batch_refused",
        _HEC,
        _CRITICAL,
        "One batch is refused again and again while others pass",
        "it is halved until the event at fault is alone; that one is held, and becomes a dead letter after "
        "minutes if RELAY_SPOOL_DIR is set",
        "look at what stands between the relay and the collector: a firewall or proxy that inspects bodies",
        over="the batch is delivered",
    ),
    ConditionKind(
        "acks_failing",
        _HEC,
        _WARNING,
        "The collector accepts events but does not say whether they are indexed",
        "accepted events are held, not sent again, until it does",
        "allow /services/collector/ack on the way, or switch acknowledgement off for the token",
        over="tells again what is indexed",
        critical_after=HICCUP,
    ),
    ConditionKind(
        "acks_denied",
        _HEC,
        _CRITICAL,
        "Batches were accepted several times, and the collector never says that they are indexed",
        "they are held and not sent again by themselves; so is the checkpoint of their shards",
        "check that a load balancer keeps each connection on one node, and the indexers; "
        "SIGHUP sends them once more",
        over="nothing waits for such an acknowledgement any more",
    ),
    ConditionKind(
        "acks_missing",
        _HEC,
        _WARNING,
        "HEC_ACK=on, but the collector gives no acknowledgement",
        "events count as delivered when accepted",
        "enable acknowledgement for the token, or set HEC_ACK=auto",
        over="acknowledges events",
    ),
    ConditionKind(
        "delivery_stalled",
        _HEC,
        _WARNING,
        "The oldest event that was pulled is not delivered for minutes",
        "sending goes on",
        "see the other conditions for what keeps it back",
        over="it is delivered",
        critical_after=QUIET,
    ),
    ConditionKind(
        "dead_letters",
        _HEC,
        _WARNING,
        "The collector refuses events for good; they are in RELAY_SPOOL_DIR and not in Splunk",
        "they are saved in RELAY_SPOOL_DIR, others go on",
        "mend the cause, then `replay send`",
        over="no more events were refused",
        critical_count=100,
        quiet=QUIET,
    ),
    ConditionKind(
        "events_rerouted",
        _HEC,
        _WARNING,
        "The collector refuses the index of events; they go to HEC_FALLBACK_INDEX",
        "they are sent to HEC_FALLBACK_INDEX",
        "create the index, or allow it for the token",
        over="no more events were rerouted",
        quiet=QUIET,
    ),
    ConditionKind(
        "events_discarded",
        _HEC,
        _CRITICAL,
        "Events were refused for good and could not be saved: they are lost, as RELAY_SPOOL_FULL=drop says",
        "they are DROPPED",
        "make room in RELAY_SPOOL_DIR or raise RELAY_SPOOL_BYTES",
        over="no more events were dropped",
        quiet=QUIET,
    ),
    ConditionKind(
        "dead_letters_unsaved",
        _HEC,
        _CRITICAL,
        "Events are refused for good and cannot be saved",
        "they are held, and so is the checkpoint of their shard",
        "set RELAY_SPOOL_DIR, make room there, or raise RELAY_SPOOL_BYTES",
        over="dead letters are saved again",
    ),
    ConditionKind(
        "spool_filling",
        _HEC,
        _WARNING,
        "RELAY_SPOOL_DIR is filled to four fifths of RELAY_SPOOL_BYTES",
        "going on until it is full",
        "`replay send` or remove what is not needed",
        over="there is room again",
    ),
    # The process
    ConditionKind(
        "thread_failing",
        _RELAY,
        _CRITICAL,
        "A part of the relay meets an error that nobody foresaw",
        "the part goes on after a pause",
        "report the log line with its traceback; restart the instance if it stays",
        over="works again",
    ),
)

CATALOGUE: Final[Mapping[str, ConditionKind]] = {kind.name: kind for kind in _KINDS}
