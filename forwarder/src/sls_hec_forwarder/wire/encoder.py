"""Encodes one pull of a shard as bodies of HEC requests: from LogGroupList bytes to envelope bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sls_hec_forwarder.wire.events import EventWriter, Frame
from sls_hec_forwarder.wire.protobuf import WireError, fields
from sls_hec_forwarder.wire.rules import SOURCE_OF_GROUP, TAG_PREFIX, Rules
from sls_hec_forwarder.wire.schema import LOG_GROUPS, LogGroup, read_log_group
from sls_hec_forwarder.wire.text import quoted

__all__ = ["Chunk", "Encoded", "Encoder", "WireError"]


class Chunk(NamedTuple):
    """A piece of a request body: `events` envelopes with LF between them, and no LF anywhere else."""

    body: bytes
    events: int


class Encoded(NamedTuple):
    """A whole pull. Each of its logs is in one of the chunks, or counted in `filtered` by its topic."""

    chunks: list[Chunk]
    events: int
    filtered: Mapping[str, int]
    groups: int
    repaired: int
    """Names, values, tags, topics and sources that were sent with U+FFFD for bytes that are not UTF-8."""


def envelope_keys(envelope: Mapping[str, str]) -> tuple[bytes | None, bytes]:
    """The JSON of envelope keys, which come from `Rules.envelope` and are for all logs of a topic.

    Returns two parts: the JSON name of the member of `event` whose value is the host, or None if the host is
    fixed too; and all fixed keys with their values as JSON, each followed by a comma.
    """
    fixed = {key: text for key, text in envelope.items() if text}
    host = None
    if envelope["host"] == SOURCE_OF_GROUP or envelope["host"].startswith(TAG_PREFIX):
        host = quoted(fixed.pop("host"))
    return host, b"".join([b'"%b":%b,' % (key.encode("ascii"), quoted(text)) for key, text in fixed.items()])


class Encoder:
    """Encodes pulls by fixed rules. Keeps no state between pulls: threads may share one."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def encode(self, data: bytes, *, shard: int, first_cursor: int | None, max_bytes: int) -> Encoded:
        """Encode a LogGroupList.

        `first_cursor` is the position of its first log group, or None if events are to have no identity. A
        chunk is at most `max_bytes` long, or is a single event. Raises WireError if the list is corrupt;
        nothing of it is encoded then. Logs that the rules filter out are counted, not read.
        """
        encoding = _Encoding(self._rules, shard, first_cursor if self._rules.identity else None, max_bytes)
        for tag, start, end in fields(data, 0, len(data), depth=0):
            if tag == LOG_GROUPS:
                encoding.add(data, read_log_group(data, start, end))
        return encoding.encoded()


class _Topic(NamedTuple):
    """The result of applying the rules to one topic."""

    name: str
    writer: EventWriter | None
    """None: its logs are filtered out."""
    host: bytes | None
    """JSON name of the member of `event` whose value is the host; None: `keys` has it."""
    keys: bytes
    """Envelope keys that are the same for all logs."""


class _Encoding:
    def __init__(self, rules: Rules, shard: int, first_cursor: int | None, max_bytes: int) -> None:
        self._rules = rules
        self._shard = shard
        self._first_cursor = first_cursor
        self._chunks = _Chunks(max_bytes)
        self._topics: dict[bytes, _Topic] = {}
        self._writers: dict[frozenset[str], EventWriter] = {}
        self._filtered: dict[str, int] = {}
        self._groups = 0

    def add(self, data: bytes, group: LogGroup) -> None:
        topic = self._topics.get(group.topic) or self._new_topic(group.topic)
        if topic.writer is not None:
            frame = self._frame(topic, topic.writer, group)
            for index, (start, end) in enumerate(group.logs):
                self._chunks.add(topic.writer.event(data, start, end, frame, index))
        elif group.logs:
            self._filtered[topic.name] = self._filtered.get(topic.name, 0) + len(group.logs)
        self._groups += 1

    def encoded(self) -> Encoded:
        chunks = self._chunks.all()
        return Encoded(
            chunks,
            events=sum(chunk.events for chunk in chunks),
            filtered=self._filtered,
            groups=self._groups,
            repaired=sum(writer.repaired for writer in self._writers.values()),
        )

    def _new_topic(self, raw: bytes) -> _Topic:
        name = raw.decode("utf-8", "replace")
        writer = self._writer(self._rules.unfolded(name)) if self._rules.passes(name) else None
        host, keys = envelope_keys(self._rules.envelope(name))
        topic = self._topics[raw] = _Topic(name, writer, host, keys)
        return topic

    def _writer(self, unfold: frozenset[str]) -> EventWriter:
        if unfold not in self._writers:
            self._writers[unfold] = EventWriter(
                frozenset(name.encode("utf-8", "surrogatepass") for name in unfold)
            )
        return self._writers[unfold]

    def _frame(self, topic: _Topic, writer: EventWriter, group: LogGroup) -> Frame:
        members = {b'"__topic__"': writer.quoted(group.topic), b'"__source__"': writer.quoted(group.source)}
        for key, value in group.tags:
            members[writer.quoted(b"__tag__:" + key)] = writer.quoted(value)
        host = b'""' if topic.host is None else members.get(topic.host, b'""')
        opening = b'{"host":%b,' % host if host != b'""' else b"{"
        identity = b""
        if self._first_cursor is not None:
            cursor = self._first_cursor + self._groups
            identity = b',"fields":{"sls_id":"%d|%d|' % (self._shard, cursor)
        return Frame(b'%b%b"event":{' % (opening, topic.keys), members, identity)


class _Chunks:
    """Cuts events into bodies of at most `limit` bytes; a larger event gets a body of its own."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._done: list[Chunk] = []
        self._events: list[bytes] = []
        self._size = 0

    def add(self, event: bytes) -> None:
        size = self._size + 1 + len(event)
        if self._events and size > self._limit:
            self._cut()
            size = len(event)
        elif not self._events:
            size -= 1
        self._events.append(event)
        self._size = size

    def all(self) -> list[Chunk]:
        if self._events:
            self._cut()
        return self._done

    def _cut(self) -> None:
        self._done.append(Chunk(b"\n".join(self._events), len(self._events)))
        self._events = []
