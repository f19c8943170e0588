"""Every setting the relay knows: its name, type, default and meaning, in one place.

The parser, the settings table in the docs and the Ansible role all follow from these dataclasses. A field's
type is its type in the program; its `Kind` is the format of the variable's text.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from sls_hec_forwarder.wire.rules import TopicRule


class Kind(enum.Enum):
    """The format of a variable's text; the value is its description for docs and errors."""

    TEXT = "text"
    SECRET = "printable ASCII without spaces"  # noqa: S105 - describes one
    NAME = "letters, digits and . _ -, not beginning with . or -"
    SLS_NAME = "lower-case letters, digits, _ and -, with a letter or digit at both ends"
    FLAG = "true or false"
    INTEGER = "whole number"
    SECONDS = "seconds"
    BYTES = "bytes, with an optional K, M or G (powers of 1024)"
    CHOICE = "one of"
    HOST = "host name or IP address, without scheme and port"
    ENDPOINT = "host name, optionally with http:// or https:// in front and :port at the end"
    URL = "URL such as http://host:port"
    URLS = "URLs such as https://host:port, separated by commas"
    PROXY = "URL such as http://host:port or http://user:password@host:port"
    PATH = "path of a readable file"
    FOLDER = "path of a folder that is writable or can be created"
    LOG_PATH = "path of a file in a writable folder"
    START = "begin, end, unix seconds, or a time with its zone such as 2026-01-31T08:00:00Z"
    STOP = "now, unix seconds, or a time with its zone such as 2026-01-31T16:00:00+08:00"
    TOPICS = "topics separated by commas; a trailing * matches any ending"
    UNFOLD = 'JSON such as {"topic": ["field"]}'
    TOPIC_RULES = 'JSON such as {"topic": {"index": "a", "sourcetype": "b", "source": "c", "host": "d"}}'
    METRICS = "off, a port on loopback, or unix:/path"


@dataclass(frozen=True)
class Spec:
    """The description of one setting, besides its field's name, type and default.

    `file`: the value may also come from the file named by the variable `<name>_FILE`; this is so for every
    secret and for settings that change together with one. `low` and `high` are inclusive.
    """

    name: str
    kind: Kind
    help: str
    required: bool = False
    secret: bool = False
    file: bool = False
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


def setting(name: str, kind: Kind, help: str, default: Any = "", **more: Any) -> Any:
    """Declare a dataclass field that is read from the variable `name`; a secret is left out of reprs."""
    secret = bool(more.get("secret"))
    more.setdefault("file", secret)
    return field(default=default, metadata={"spec": Spec(name, kind, help, **more)}, repr=not secret)


@dataclass(frozen=True)
class SlsSettings:
    """Where logs come from: the service, the credentials, the consumer group, what to pull."""

    endpoint: str = setting(
        "SLS_ENDPOINT",
        Kind.ENDPOINT,
        "Service endpoint, such as `https://cn-hangzhou.log.aliyuncs.com`",
        required=True,
    )
    ak_id: str = setting("SLS_AK_ID", Kind.NAME, "AccessKey id; alternatively SLS_RAM_ROLE", "", file=True)
    ak_key: str = setting("SLS_AK_KEY", Kind.SECRET, "AccessKey secret", "", secret=True)
    sts_token: str = setting(
        "SLS_STS_TOKEN", Kind.SECRET, "Security token of a temporary AccessKey", "", secret=True
    )
    ram_role: str = setting("SLS_RAM_ROLE", Kind.NAME, "ECS RAM role to take temporary credentials from", "")
    metadata_url: str = setting(
        "SLS_METADATA_URL",
        Kind.URL,
        "ECS metadata service that issues the role's credentials",
        "http://100.100.100.200",
    )
    auth_version: str = setting(
        "SLS_AUTH_VERSION", Kind.CHOICE, "Request signature; v4 needs SLS_REGION", "v1", choices=("v1", "v4")
    )
    region: str = setting("SLS_REGION", Kind.NAME, "Region for a v4 signature, such as `cn-hangzhou`", "")
    project: str = setting("SLS_PROJECT", Kind.SLS_NAME, "Project", required=True)
    logstore: str = setting("SLS_LOGSTORE", Kind.SLS_NAME, "Logstore", required=True)
    group: str = setting(
        "SLS_CG", Kind.SLS_NAME, "Consumer group; created if it does not exist", required=True
    )
    consumer: str = setting(
        "SLS_CONSUMER",
        Kind.NAME,
        "Consumer name, unique in the group and the same after a restart; unset: host name",
        "",
    )
    start: str = setting(
        "SLS_START_POSITION",
        Kind.START,
        "Where to start a shard without a checkpoint, by receive time",
        "begin",
    )
    stop: str = setting(
        "SLS_STOP_POSITION",
        Kind.STOP,
        "Where to stop and exit with status 0 (a backfill), by receive time; unset: never",
        "",
    )
    expired: str = setting(
        "SLS_EXPIRED_CURSOR",
        Kind.CHOICE,
        "What to do when the checkpoint is older than the logstore's retention: "
        "continue at the oldest log kept, at the end, or stop the shard; always a critical condition",
        "oldest",
        choices=("oldest", "end", "stop"),
    )
    group_deleted: str = setting(
        "SLS_GROUP_DELETED",
        Kind.CHOICE,
        "What to do when somebody deletes the consumer group while the relay runs: create it again with the "
        "last known checkpoints, or wait until somebody else does",
        "recreate",
        choices=("recreate", "hold"),
    )
    heartbeat_interval: float = setting(
        "SLS_HEARTBEAT_INTERVAL", Kind.SECONDS, "Time between heartbeats", 5.0, low=1, high=60
    )
    group_timeout: int = setting(
        "SLS_GROUP_TIMEOUT",
        Kind.INTEGER,
        "Seconds without a heartbeat after which SLS gives a consumer's shards away; "
        "unset or 0: 40 for a new group, else the group's own",
        0,
        low=0,
        high=3600,
    )
    in_order: bool = setting(
        "SLS_IN_ORDER", Kind.FLAG, "After a split or merge, finish the parent shards first", False
    )
    fetch_interval: float = setting(
        "SLS_FETCH_INTERVAL",
        Kind.SECONDS,
        "Pause between pulls of a shard without new logs",
        0.5,
        low=0.05,
        high=60,
    )
    fetch_count: int = setting(
        "SLS_FETCH_COUNT", Kind.INTEGER, "Most log groups per pull", 1000, low=1, high=1000
    )
    compression: str = setting(
        "SLS_COMPRESSION", Kind.CHOICE, "Compression of pulls", "lz4", choices=("lz4", "zstd")
    )
    query: str = setting(
        "SLS_QUERY", Kind.TEXT, "SPL that filters on the server, such as `* | where status = '500'`", ""
    )
    processor: str = setting(
        "SLS_PROCESSOR", Kind.NAME, "Name of a consume processor stored on the server", ""
    )
    timeout: float = setting(
        "SLS_TIMEOUT",
        Kind.SECONDS,
        "Time limit of one request, from connecting to the last byte of the answer; pulls that take longer "
        "are "
        "repeated with fewer log groups",
        30.0,
        low=1,
        high=300,
    )
    proxy: str = setting("SLS_PROXY", Kind.PROXY, "HTTP proxy for requests to SLS", "", secret=True)
    ca_file: str = setting(
        "SLS_CA_FILE",
        Kind.PATH,
        "CA certificates that sign the endpoint's certificate; unset: the public ones",
        "",
    )
    client_cert: str = setting("SLS_CLIENT_CERT", Kind.PATH, "Client certificate (PEM)", "")
    client_key: str = setting("SLS_CLIENT_KEY", Kind.PATH, "Key of the client certificate (PEM)", "")


@dataclass(frozen=True)
class HecSettings:
    """Where events go: endpoints, token, envelope defaults, batches."""

    host: str = setting(
        "HEC_HOST", Kind.HOST, "Host of the HTTP Event Collector; alternatively HEC_ENDPOINTS", ""
    )
    port: int = setting("HEC_PORT", Kind.INTEGER, "Its port", 8088, low=1, high=65535)
    https: bool = setting("HEC_HTTPS", Kind.FLAG, "Use TLS", True)
    endpoints: tuple[str, ...] = setting(
        "HEC_ENDPOINTS",
        Kind.URLS,
        "Several collectors, such as `https://idx1:8088,https://idx2:8088`; instead of HEC_HOST",
        (),
    )
    token: str = setting("HEC_TOKEN", Kind.SECRET, "HEC token", required=True, secret=True)
    timeout: float = setting(
        "HEC_TIMEOUT",
        Kind.SECONDS,
        "Time limit of one request, from connecting to the last byte of the answer",
        120.0,
        low=1,
        high=600,
    )
    ssl_verify: bool = setting("HEC_SSL_VERIFY", Kind.FLAG, "Verify the collector's certificate", True)
    ca_file: str = setting(
        "HEC_CA_FILE",
        Kind.PATH,
        "CA certificates that sign the collector's certificate; unset: the system's",
        "",
    )
    client_cert: str = setting("HEC_CLIENT_CERT", Kind.PATH, "Client certificate (PEM)", "")
    client_key: str = setting("HEC_CLIENT_KEY", Kind.PATH, "Key of the client certificate (PEM)", "")
    proxy: str = setting("HEC_PROXY", Kind.PROXY, "HTTP proxy for requests to the collector", "", secret=True)
    sourcetype: str = setting(
        "HEC_SOURCETYPE", Kind.TEXT, "Sourcetype of events; unset: the token's default", ""
    )
    index: str = setting("HEC_INDEX", Kind.NAME, "Index of events; unset: the token's default", "")
    source: str = setting("HEC_SOURCE", Kind.TEXT, "Source of events; unset: `sls:<project>/<logstore>`", "")
    event_host: str = setting(
        "HEC_EVENT_HOST",
        Kind.TEXT,
        "Host of events: `__source__` (the machine that wrote the log), `__tag__:<key>`, or a text",
        "__source__",
    )
    topic_rules: tuple[TopicRule, ...] = setting(
        "HEC_TOPIC_RULES",
        Kind.TOPIC_RULES,
        "Index, sourcetype, source or host by topic; the first match wins",
        (),
    )
    batch_bytes: int = setting(
        "HEC_BATCH_BYTES",
        Kind.BYTES,
        "Largest request body, before compression",
        1_000_000,
        low=1024,
        high=800 * 1024 * 1024,
    )
    batch_age: float = setting(
        "HEC_BATCH_AGE",
        Kind.SECONDS,
        "Age at which a batch is sent even if it is not full",
        0.1,
        low=0.0,
        high=60,
    )
    gzip_level: int = setting(
        "HEC_GZIP", Kind.INTEGER, "gzip level of requests; 0: not compressed", 0, low=0, high=9
    )
    connections: int = setting("HEC_CONNECTIONS", Kind.INTEGER, "Requests in parallel", 4, low=1, high=64)
    retry_max_delay: float = setting(
        "HEC_RETRY_MAX_DELAY",
        Kind.SECONDS,
        "Longest pause between two attempts to send a batch",
        30.0,
        low=0.1,
        high=600,
    )
    ack: str = setting(
        "HEC_ACK",
        Kind.CHOICE,
        "Indexer acknowledgement: auto uses it where the collector's answers offer it, on also warns where "
        "they "
        "do not, off counts an accepted event as delivered",
        "auto",
        choices=("auto", "on", "off"),
    )
    ack_timeout: float = setting(
        "HEC_ACK_TIMEOUT",
        Kind.SECONDS,
        "Events that are not acknowledged in this time are sent again",
        300.0,
        low=10,
        high=3600,
    )
    on_error: str = setting(
        "HEC_ON_ERROR",
        Kind.CHOICE,
        "What the collector does with the events before a bad one: prefix stores them, as Splunk does; "
        "atomic stores none of the request",
        "prefix",
        choices=("prefix", "atomic"),
    )
    fallback_index: str = setting(
        "HEC_FALLBACK_INDEX",
        Kind.NAME,
        "Index for events whose own index the collector refuses; unset: they become dead letters",
        "",
    )


@dataclass(frozen=True)
class RelaySettings:
    """The process itself: filters, memory, checkpoints, logs, metrics."""

    topics_include: tuple[str, ...] = setting(
        "RELAY_TOPICS_INCLUDE", Kind.TOPICS, "Topics to relay; unset: all", ()
    )
    topics_exclude: tuple[str, ...] = setting(
        "RELAY_TOPICS_EXCLUDE", Kind.TOPICS, "Topics not to relay; wins over RELAY_TOPICS_INCLUDE", ()
    )
    unfold: tuple[tuple[str, str], ...] = setting(
        "RELAY_UNFOLD",
        Kind.UNFOLD,
        "Fields that hold JSON text and are sent as JSON",
        (("actiontrail_audit_event", "event"), ("actiontrail_event", "event")),
    )
    identity: bool = setting(
        "RELAY_IDENTITY",
        Kind.FLAG,
        "Send the indexed field `sls_id`; automatically off with SLS_QUERY or SLS_PROCESSOR",
        True,
    )
    bytes_in_flight: int = setting(
        "RELAY_BYTES_IN_FLIGHT",
        Kind.BYTES,
        "Most encoded bytes pulled and not yet delivered, per process",
        32 * 1024 * 1024,
        low=1024 * 1024,
        high=64 * 1024**3,
    )
    pulls: int = setting(
        "RELAY_PULLS", Kind.INTEGER, "Most pulls decompressed and encoded at the same time", 2, low=1, high=64
    )
    encoder: str = setting(
        "RELAY_ENCODER",
        Kind.CHOICE,
        "What encodes pulls; the bytes are the same. auto: the native encoder where the package "
        "sls-hec-forwarder-native is installed, else the one in Python",
        "auto",
        choices=("auto", "native", "python"),
    )
    checkpoint_interval: float = setting(
        "RELAY_CHECKPOINT_INTERVAL",
        Kind.SECONDS,
        "Time between saves of the checkpoints",
        3.0,
        low=0.5,
        high=60,
    )
    bytes_unsaved: int = setting(
        "RELAY_BYTES_UNSAVED",
        Kind.BYTES,
        "Most encoded bytes beyond the saved checkpoints, per process; a crash repeats them. One of several "
        "shards may use at most half; a shard that reaches its limit is not pulled",
        128 * 1024 * 1024,
        low=1024 * 1024,
        high=64 * 1024**3,
    )
    time_unsaved: float = setting(
        "RELAY_TIME_UNSAVED",
        Kind.SECONDS,
        "A shard is not pulled while its saved checkpoint does not cover what was pulled this long ago",
        600.0,
        low=10,
        high=86400,
    )
    stop_timeout: float = setting(
        "RELAY_STOP_TIMEOUT",
        Kind.SECONDS,
        "Time on stop or hand-over to deliver what is in flight; on stop it includes saving checkpoints, and "
        "requests to SLS or a collector that still wait then are aborted",
        30.0,
        low=1,
        high=600,
    )
    spool_dir: str = setting(
        "RELAY_SPOOL_DIR",
        Kind.FOLDER,
        "Folder for dead letters: events that the collector refuses permanently; unset: they are held",
        "",
    )
    spool_bytes: int = setting(
        "RELAY_SPOOL_BYTES",
        Kind.BYTES,
        "Most bytes of dead letters in the folder, compressed",
        512 * 1024 * 1024,
        low=1024 * 1024,
        high=1024**4,
    )
    spool_full: str = setting(
        "RELAY_SPOOL_FULL",
        Kind.CHOICE,
        "What to do with a dead letter that cannot be saved: hold it, which in time holds up the relay, or "
        "drop it",
        "hold",
        choices=("hold", "drop"),
    )
    log_level: str = setting(
        "RELAY_LOG_LEVEL",
        Kind.CHOICE,
        "Lowest level that is logged",
        "info",
        choices=("debug", "info", "warning", "error"),
    )
    log_format: str = setting(
        "RELAY_LOG_FORMAT", Kind.CHOICE, "Format of log lines", "text", choices=("text", "json")
    )
    log_console: bool = setting("RELAY_LOG_CONSOLE", Kind.FLAG, "Log to standard error", True)
    log_file: str = setting("RELAY_LOG_FILE", Kind.LOG_PATH, "Log also to this file, rotated", "")
    log_file_bytes: int = setting(
        "RELAY_LOG_FILE_BYTES",
        Kind.BYTES,
        "Size at which the log file is rotated",
        100 * 1024 * 1024,
        low=4096,
        high=64 * 1024**3,
    )
    log_files: int = setting("RELAY_LOG_FILES", Kind.INTEGER, "Rotated log files kept", 5, low=1, high=100)
    metrics: str = setting("RELAY_METRICS", Kind.METRICS, "Where Prometheus metrics are served", "off")


@dataclass(frozen=True)
class Settings:
    """All settings of one consumer instance."""

    sls: SlsSettings
    hec: HecSettings
    relay: RelaySettings


SECTIONS: Mapping[str, type[Any]] = {"sls": SlsSettings, "hec": HecSettings, "relay": RelaySettings}


def specs(section: type[Any]) -> Iterator[tuple[Field[Any], Spec]]:
    """The fields of a section with their descriptions, in the order of declaration."""
    for each in fields(section):
        yield each, each.metadata["spec"]
