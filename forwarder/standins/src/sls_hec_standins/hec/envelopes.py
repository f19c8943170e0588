"""HEC bodies to events: which objects of a batch are indexed and what is answered.

Real Splunk reads the objects one after another and indexes as it goes, so an error concerns the rest of
the batch only (Splunk 10.4.3 and Splunk Cloud 10.5, probes of the repository ross/logit).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sls_hec_standins.hec.answers import Refusal
from sls_hec_standins.hec.behaviour import Behaviour
from sls_hec_standins.hec.jsontext import Node, members
from sls_hec_standins.hec.reader import Envelope, Number, Reader, is_number
from sls_hec_standins.hec.tokens import Token

IDENTITY_FIELD = "sls_id"
#: Marks a relay's test events (`check --send-test-event`).
TEST_FIELD = "sls_hec_test"
KEYS = frozenset(("event", "time", "host", "source", "sourcetype", "index", "fields"))


@dataclass(eq=False)
class Event:
    """One indexed event.

    `time` is in seconds since the epoch, in the digits that were sent.
    `envelope` is the object it came in, as it was sent, in UTF-8. `received` is the stand-in's time, `batch`
    the number of the request that brought the event and `node` the node that took it.
    """

    __slots__ = (
        *("envelope", "time", "host", "source", "sourcetype", "index"),
        *("fields", "received", "node", "batch"),
    )

    envelope: bytes
    time: str
    host: str
    source: str
    sourcetype: str
    index: str
    fields: dict[str, Any]
    received: float
    node: int
    batch: int

    @property
    def event(self) -> bytes:
        """The JSON value of the "event" member as it was sent, in UTF-8."""
        return self.member("event").encode("utf-8")

    @property
    def content(self) -> Node:
        """The key by which events are compared."""
        return [node for name, _, node in self._members() if name == "event"][-1]

    def member(self, name: str) -> str:
        """The JSON text of a member of the envelope as it was sent, of several the last; "" for none."""
        found = ""
        for each, text, _ in self._members():
            if each == name:
                found = text
        return found

    def _members(self) -> Iterator[tuple[str, str, Node]]:
        return members(self.envelope.decode("utf-8"))


@dataclass(frozen=True)
class Defaults:
    """Defaults of a request for its objects, and what its token allows."""

    token: Token
    host: str
    source: str
    sourcetype: str
    index: str
    time: str
    received: float
    node: int
    batch: int


class Refused(NamedTuple):
    """The object because of which a batch was refused, as far as the event can be identified."""

    source: str
    sls_id: str
    code: int


@dataclass
class Batch:
    """What a body holds: the events before the first bad object, and what is said about that one.

    `skipped` counts objects with "fields" and no "event", which are measurements or nothing at all.
    `counted` is the number of events of a body that was not looked into. `refused` tells more of the bad one.
    """

    events: list[Event] = field(default_factory=list)
    skipped: int = 0
    refusal: Refusal | None = None
    refused: Refused | None = None
    counted: int = 0

    def __len__(self) -> int:
        return len(self.events) + self.counted

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to index, not even a measurement."""
        return not len(self) and not self.skipped

    def cut(self, keep: int, refusal: Refusal) -> None:
        """Let `refusal` come after the first `keep` events, if the batch has more."""
        if len(self) > keep:
            del self.events[keep:]
            self.counted = min(self.counted, keep)
            self.refusal = refusal


class _Stop(Exception):
    """An unknown envelope key: nothing from this object on is indexed, and the answer does not say so."""


class _Skip(Exception):
    """An object that is no event."""


def parse_events(body: bytes, defaults: Defaults, behaviour: Behaviour) -> Batch:
    """The events of a body for the event endpoint, with the answer's error if there is one."""
    batch = Batch()
    number = 0
    envelope = None
    try:
        for envelope in Reader(body, behaviour):
            try:
                batch.events.append(_event(envelope, defaults, behaviour))
            except _Skip:
                batch.skipped += 1
            number += 1
            envelope = None
        if number == 0:
            batch.refusal = Refusal(5)
    except _Stop:
        if number == 0:
            batch.refusal = Refusal(5)
    except Refusal as refusal:
        # A wrong index is reported one too high: Splunk 10.4.3, Splunk 10.4.2, local Splunk.
        refusal.number = number + 1 if refusal.code == 7 else number
        batch.refusal = refusal
        if envelope is not None:
            batch.refused = _refused(envelope, defaults, refusal.code)
    return batch


def _refused(envelope: Envelope, defaults: Defaults, code: int) -> Refused | None:
    fields, source = envelope.members.get("fields"), envelope.members.get("source", defaults.source)
    sls_id = fields.get(IDENTITY_FIELD) if isinstance(fields, dict) else None
    return Refused(source, sls_id, code) if isinstance(sls_id, str) and isinstance(source, str) else None


def parse_lines(body: bytes, defaults: Defaults) -> list[Event]:
    """The events of a body for the raw endpoint: one a line, blank lines left out."""
    lines = (line.rstrip("\r") for line in body.decode("utf-8", "replace").split("\n"))
    return [
        _build(
            {},
            b'{"event":' + json.dumps(line, ensure_ascii=False).encode() + b"}",
            {},
            defaults.time,
            defaults,
        )
        for line in lines
        if line.strip()
    ]


def _event(envelope: Envelope, defaults: Defaults, behaviour: Behaviour) -> Event:
    members = envelope.members
    if not members.keys() <= KEYS:
        raise _Stop
    if len(envelope.raw) > behaviour.max_event_size:
        raise Refusal(6) if behaviour.oversized_event == "refuse" else _Skip
    if "event" in members:
        _check_event(members["event"], behaviour)
    elif "fields" not in members:
        raise Refusal(12)
    fields = _check_fields(members["fields"]) if "fields" in members else {}
    time = _time(members["time"], behaviour) if "time" in members else defaults.time
    for name in ("host", "source", "sourcetype", "index"):
        if type(members.get(name, "")) is not str:
            raise Refusal(6)
    if not defaults.token.allows(members.get("index", defaults.index)):
        raise Refusal(7)
    if "event" not in members:
        raise _Skip
    return _build(members, envelope.raw, fields, time, defaults)


def _build(
    members: dict[str, Any], raw: bytes, fields: dict[str, Any], time: str, defaults: Defaults
) -> Event:
    get = members.get
    return Event(
        raw,
        time,
        get("host", defaults.host),
        get("source", defaults.source),
        get("sourcetype", defaults.sourcetype),
        get("index", defaults.index),
        fields,
        defaults.received,
        defaults.node,
        defaults.batch,
    )


def _check_event(value: Any, behaviour: Behaviour) -> None:
    if value is None:
        raise Refusal(behaviour.null_event)
    if isinstance(value, str) and not value.strip():
        raise Refusal(13)
    if value in ({}, []) and isinstance(value, (dict, list)) and behaviour.empty_container == "blank":
        raise Refusal(13)


def _check_fields(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refusal(6)
    for item in value.values():
        for scalar in item if isinstance(item, list) else (item,):
            if not isinstance(scalar, (str, int, float)):
                raise Refusal(15)
    return value


def _time(value: Any, behaviour: Behaviour) -> str:
    if type(value) is Number:
        return value.text
    if type(value) is int:
        return str(value)
    if isinstance(value, str) and is_number(value.strip()):
        return value.strip()
    raise Refusal(behaviour.bad_time)
