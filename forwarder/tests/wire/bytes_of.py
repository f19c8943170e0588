"""Wire bytes by hand, and lists of log groups that no proper writer would write."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from typing import Any

VARINT, FIXED64, BYTES, GROUP, END_GROUP, FIXED32 = range(6)


def varint(value: int, size: int = 1) -> bytes:
    """At least `size` bytes long; protobuf takes more bytes than needed."""
    out = bytearray()
    while value > 127 or len(out) + 1 < size:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(number: int, kind: int) -> bytes:
    return varint(number << 3 | kind)


def field(number: int, body: bytes, length_size: int = 1) -> bytes:
    """A length-delimited field."""
    return tag(number, BYTES) + varint(len(body), length_size) + body


def pair(key: bytes, value: bytes) -> bytes:
    return field(1, key) + field(2, value)


def log(*contents: tuple[bytes, bytes], time: int | None = 1_700_000_000, nanos: int | None = None) -> bytes:
    out = b"" if time is None else tag(1, VARINT) + varint(time)
    out += b"".join(field(2, pair(key, value)) for key, value in contents)
    return out if nanos is None else out + tag(4, FIXED32) + nanos.to_bytes(4, "little")


def group(
    *logs: bytes, topic: bytes = b"", source: bytes = b"", tags: Iterable[tuple[bytes, bytes]] = ()
) -> bytes:
    out = b"".join(field(1, log) for log in logs)
    out += field(3, topic) if topic else b""
    out += field(4, source) if source else b""
    return out + b"".join(field(6, pair(*tag)) for tag in tags)


def groups(*groups: bytes) -> bytes:
    return b"".join(field(1, group) for group in groups)


# -- at random -------------------------------------------------------------------------------------------

TOPICS = ("", "audit", "audit_log", "actiontrail_audit_event", "日志")
NAMES = ("a", "b", "event", "status", "__topic__", "__source__", "__tag__:host", "__time__", "é", "x" * 130)
_CHARACTERS = '{}[]",:\\ \n\r\t0123456789.eE+-truefalsnuldD89abAB\u2028\x00\x7fé中\U0001f600'
_TEXTS = (b"", b"200", b"GET", b'a"b\\c\n', b"\xef\xbf\xbd", b"\xff", b"a\x00", b"\xe4\xb8", b"\xed\xa0\x80")


class Maker:
    """Makes bytes from a source of randomness. Written by hand: strategies of this depth take minutes."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def group_list(self) -> bytes:
        """A LogGroupList that protobuf accepts, from plain to absurd."""
        return self._message(self._fields(1, self.group, 4), 1 << 3 | BYTES)

    def damaged_group_list(self) -> bytes:
        """A LogGroupList with a few bytes changed, lost, added or repeated."""
        data = self.group_list()
        for _ in range(self._rng.randint(1, 3)):
            start, end = sorted(self._rng.randint(0, len(data)) for _ in range(2))
            some = self._binary(4)
            data = self._rng.choice(
                (
                    data[:start],
                    data[:start] + data[min(end, start + 4) :],
                    data[:start] + some + data[start + len(some) :],
                    data[:start] + some + data[start:],
                    data[:end] + data[start:end] + data[end:],
                )
            )
        return data

    def group(self) -> bytes:
        fields = self._fields(1, self.log, 5) + self._fields(6, self.pair, 3)
        fields += self._fields(3, self.topic) + self._fields(4, self.text) + self._fields(2, self.text)
        return self._message(fields, *(number << 3 | BYTES for number in range(1, 7)))

    def log(self) -> bytes:
        times = [tag(1, VARINT) + varint(self._integer(64), self._size()) for _ in range(self._count())]
        nanos = [tag(4, FIXED32) + self._nanos().to_bytes(4, "little") for _ in range(self._count())]
        fields = times + self._fields(2, self.pair, 6) + nanos
        return self._message(fields, 1 << 3 | VARINT, 2 << 3 | BYTES, 4 << 3 | FIXED32)

    def pair(self) -> bytes:
        fields = self._fields(1, self.name) + self._fields(2, self.text)
        return self._message(fields, 1 << 3 | BYTES, 2 << 3 | BYTES)

    def topic(self) -> bytes:
        return self._rng.choice(TOPICS).encode("utf-8") if self._usually() else self.text()

    def name(self) -> bytes:
        return self._rng.choice(NAMES).encode("utf-8") if self._usually() else self.text()

    def text(self) -> bytes:
        return self._rng.choice((self._known, self._characters, self._long, self._noise, self.json_text))()

    def json_text(self) -> bytes:
        """JSON, mostly an object or array, and sometimes with a character too many or too few."""
        value = self._json(3) if not self._usually() else self._rng.choice((self._object, self._array))(3)
        text = json.dumps(
            value, ensure_ascii=self._rng.random() < 0.5, indent=self._rng.choice((None, None, 1, "\r\n"))
        )
        if not self._usually():
            at = self._rng.randint(0, len(text))
            some = self._rng.choice((*_CHARACTERS, "", "NaN", "-Infinity", "\\ud83d", "\\u", "\\", "00"))
            text = text[:at] + some + text[at + self._rng.randint(0, 1) :]
        return text.encode("utf-8", "surrogatepass")

    def _message(self, fields: list[bytes], *known: int) -> bytes:
        if not self._usually():
            fields = fields + [self._unknown(known) for _ in range(self._rng.randint(0, 2))]
            self._rng.shuffle(fields)
        return b"".join(fields)

    def _fields(self, number: int, body: Callable[[], bytes], most: int = 1) -> list[bytes]:
        count = self._rng.randint(1, most) if self._usually() else self._rng.randint(0, most + 1)
        return [field(number, body(), self._size()) for _ in range(count)]

    def _unknown(self, known: tuple[int, ...], depth: int = 0) -> bytes:
        """A field that a reader of a message with the `known` tags has to skip."""
        number = self._rng.choice((1, 2, 3, 4, 5, 6, 7, 15, 16, 2047, 2**29 - 1))
        kind = self._rng.choice((VARINT, FIXED64, BYTES, GROUP, FIXED32))
        if kind == GROUP and depth < 4:
            inside = [self._unknown((), depth + 1) for _ in range(self._rng.randint(0, 3))]
            return tag(number, GROUP) + b"".join(inside) + tag(number, END_GROUP)
        if kind == GROUP or number << 3 | kind in known:
            return tag(7, VARINT) + b"\x00"
        bodies = {
            VARINT: varint(self._integer(64), self._size()),
            FIXED64: self._rng.getrandbits(64).to_bytes(8, "little"),
            FIXED32: self._rng.getrandbits(32).to_bytes(4, "little"),
            BYTES: field(7, self._binary(20))[1:],
        }
        return tag(number, kind) + bodies[kind]

    def _usually(self) -> bool:
        return self._rng.random() < 0.8

    def _count(self) -> int:
        return 1 if self._usually() else self._rng.randint(0, 2)

    def _size(self) -> int:
        """Least length of a varint."""
        return 1 if self._usually() else self._rng.choice((1, 2, 5, 10))

    def _integer(self, bits: int) -> int:
        number = self._rng.getrandbits(self._rng.randint(1, bits))
        return 1_700_000_000 + number % 3 if self._usually() else number

    def _nanos(self) -> int:
        return self._rng.choice((0, 1, 999_999_999, 1_000_000_000, 2**32 - 1, self._rng.getrandbits(29)))

    def _known(self) -> bytes:
        return self._rng.choice(_TEXTS)

    def _characters(self) -> bytes:
        return "".join(self._rng.choices(_CHARACTERS, k=self._rng.randint(0, 12))).encode("utf-8")

    def _long(self) -> bytes:
        return bytes(self._rng.choices(range(32, 127), k=self._rng.choice((119, 127, 128, 140, 16_400))))

    def _noise(self) -> bytes:
        return self._binary(12)

    def _binary(self, most: int) -> bytes:
        return bytes(self._rng.getrandbits(8) for _ in range(self._rng.randint(1, most)))

    def _json(self, depth: int) -> Any:
        if depth and self._usually():
            return self._rng.choice((self._object, self._array))(depth)
        return self._rng.choice(
            (None, True, False, 0, -1, self._integer(99), 1e-9, self._rng.random(), self._string())
        )

    def _object(self, depth: int) -> dict[str, Any]:
        return {self._string(): self._json(depth - 1) for _ in range(self._rng.randint(0, 3))}

    def _array(self, depth: int) -> list[Any]:
        return [self._json(depth - 1) for _ in range(self._rng.randint(0, 3))]

    def _string(self) -> str:
        return "".join(self._rng.choices(_CHARACTERS + "abcdefghij", k=self._rng.randint(0, 6)))
