"""Encodes one log as one HEC envelope.

First `_usual` reads the log. It knows only the form that writers of logs usually produce, and gives up at the
first byte that differs. Then `_exact` reads the log again, by all rules of protobuf and JSON. So the hot path
stays short, and rare forms are handled by code that need not be fast.
"""

from __future__ import annotations

import sys

from sls_hec_forwarder.wire.builder import BytesBuilder
from sls_hec_forwarder.wire.protobuf import WireError, fields, varint
from sls_hec_forwarder.wire.rules import SOURCE_OF_GROUP, TAG_PREFIX, TOPIC_OF_GROUP
from sls_hec_forwarder.wire.schema import CONTENTS, KEY, TIME, TIME_NS, UINT32, VALUE, read_pair
from sls_hec_forwarder.wire.text import escape, needs_care
from sls_hec_forwarder.wire.unfold import unfolded

_NEVER_USUAL = sys.maxsize
_MAX_NAMES = 4096
_GROUP_NAMES = tuple(name.encode("ascii") for name in (TOPIC_OF_GROUP, SOURCE_OF_GROUP, TAG_PREFIX))


class Frame:
    """The parts that the events of one log group share.

    `opening` is the envelope up to and including the brace that opens `event`; `fields` are the JSON names
    and values in `event` that come from the group, at least one and all of them strings; `identity` is the
    envelope from the end of `time` to the log's index in its group, or empty for no identity.
    """

    __slots__ = ("fields", "head", "identity", "opening")

    def __init__(self, opening: bytes, fields: dict[bytes, bytes], identity: bytes) -> None:
        self.opening = opening
        self.fields = fields
        self.head = opening + _members(fields)[:-1]  # without the last quote: `_Name.text` begins with it
        self.identity = identity


class _Name:
    """A field name: its form on the wire, its form in an event, and where it was last seen."""

    __slots__ = ("follower", "log", "text", "wire")

    def __init__(self, wire: bytes, text: bytes, log: int) -> None:
        # On the wire: from the key's tag to the value's tag.
        self.wire = wire
        # In an event: from the closing quote of the value before to the opening quote of this field's value.
        self.text = text
        # Number of the last log that had it, to notice when a log has it twice.
        self.log = log
        # The name that followed it last time: similar logs have their names in the same order.
        self.follower = self


class EventWriter:
    """Makes events from the logs of one pull; `unfold` names the fields whose values are sent as JSON."""

    def __init__(self, unfold: frozenset[bytes]) -> None:
        self.repaired = 0
        self._unfold = unfold
        self._names: dict[bytes, _Name] = {}
        self._before_first = _Name(b"\xff", b"", _NEVER_USUAL)  # no content begins with this byte
        self._log = 0
        self._seconds = -1
        self._time = b"}"

    def event(self, data: bytes, start: int, end: int, frame: Frame, index: int) -> bytes:
        """The envelope of the log at `data[start:end]`, number `index` of its group. Raises WireError."""
        event = self._usual(data, start, end, frame, index)
        return self._exact(data, start, end, frame, index) if event is None else event

    def _usual(self, data: bytes, pos: int, end: int, frame: Frame, index: int) -> bytes | None:
        # Positions may pass `end`, or the end of the data, and lengths may be wrong. So the result is valid
        # only if every content ends where its length says, and the last one at `end`.
        self._log = log = self._log + 1
        out = BytesBuilder(end - pos + len(frame.head))
        add = out.append
        add(frame.head)
        name = self._before_first
        seconds, nanos, repairs = -1, 0, 0
        try:
            while pos < end:
                tag = data[pos]
                if tag == CONTENTS:
                    size = data[pos + 1]
                    pos += 2
                    if size > 127:
                        size, pos = varint(data, pos - 1, end)
                    stop = pos + size
                    follower = name.follower
                    at = pos + len(follower.wire)
                    if data[pos:at] != follower.wire:
                        at = pos + 3 + data[pos + 1]
                        wire = data[pos:at]
                        known = self._names.get(wire) or self._learn(wire)
                        if known is None:
                            return None
                        name.follower = follower = known
                    name = follower
                    if name.log >= log:
                        return None
                    name.log = log
                    size = data[at]
                    pos = at + 1
                    if size > 127:
                        size, pos = varint(data, at, end)
                    if pos + size != stop:
                        return None
                    value = data[pos:stop]
                    pos = stop
                    if needs_care(value) is not None:
                        value, repaired = escape(value)
                        repairs += repaired
                    add(name.text)
                    add(value)
                elif tag == TIME:
                    seconds, pos = varint(data, pos + 1, end)
                    seconds &= UINT32
                elif tag == TIME_NS:
                    nanos = int.from_bytes(data[pos + 1 : pos + 5], "little")
                    pos += 5
                else:
                    return None
        except (IndexError, WireError):
            return None
        if pos != end:
            return None
        self.repaired += repairs
        add(b'"')
        add(self._ending(seconds, nanos, frame, index))
        return out.build()

    def _learn(self, wire: bytes) -> _Name | None:
        if len(self._names) >= _MAX_NAMES or len(wire) < 3 or wire[0] != KEY or wire[-1] != VALUE:
            return None
        if wire[1] > 127 or wire[1] != len(wire) - 3:
            return None
        raw = wire[2:-1]
        text, repaired = escape(raw)
        # These names may equal that of another field of the event, which `log` would not reveal.
        special = repaired or raw in self._unfold or raw.startswith(_GROUP_NAMES)
        name = _Name(wire, b'","%b":"' % text, _NEVER_USUAL if special else 0)
        self._names[wire] = name
        return name

    def _exact(self, data: bytes, start: int, end: int, frame: Frame, index: int) -> bytes:
        members = dict(frame.fields)
        seconds, nanos = -1, 0
        for tag, at, stop in fields(data, start, end, depth=2):
            if tag == CONTENTS:
                key, raw = read_pair(data, at, stop, depth=3)
                value = unfolded(raw) if key in self._unfold else None
                members[self.quoted(key)] = self.quoted(raw) if value is None else value
            elif tag == TIME:
                seconds = at & UINT32
            elif tag == TIME_NS:
                nanos = int.from_bytes(data[at:stop], "little")
        return frame.opening + _members(members) + self._ending(seconds, nanos, frame, index)

    def quoted(self, raw: bytes) -> bytes:
        """`raw` as a JSON string; counts it if it had to be repaired."""
        text, repaired = escape(raw)
        self.repaired += repaired
        return b'"' + text + b'"'

    def _ending(self, seconds: int, nanos: int, frame: Frame, index: int) -> bytes:
        # Times are composed as text: a float does not have enough digits.
        if seconds != self._seconds:
            self._seconds = seconds
            self._time = b'},"time":%d' % seconds if seconds >= 0 else b"}"
        time = self._time
        if 0 < nanos < 1_000_000_000 and seconds >= 0:
            time += b".%09d" % nanos
        if not frame.identity:
            return time + b"}"
        return b"".join((time, frame.identity, str(index).encode("ascii"), b'"}}'))


def _members(fields: dict[bytes, bytes]) -> bytes:
    return b",".join([name + b":" + value for name, value in fields.items()])
