"""The table: which end does what to which call. Every row is a case of its own."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Callable, TypeVar

from . import front, misbehaviours
from .front import Misbehaviour, Request
from .misbehaviours import (
    BODIES,
    ENDINGS,
    FLOODS,
    LENGTHS,
    NUMBERS,
    SLOW,
    TEXTS,
    TYPES,
    Raw,
    answers,
    changed,
    headers,
    silent,
)

_T = TypeVar("_T")

ENDS: Mapping[str, str] = {
    **dict.fromkeys((front.CONNECT, front.TLS), "proxy"),
    **dict.fromkeys((front.TOKEN, front.CREDENTIALS), "metadata"),
    **dict.fromkeys((front.EVENT, front.ACK, front.COLLECTOR_HEALTH), "HEC"),
}


@dataclass(frozen=True)
class Row:
    """`client`: the call alone, made by the relay's client; else by a whole relay in its own time.

    `wants` chooses among the requests of the call.
    """

    call: str
    family: str
    name: str
    misbehave: Misbehaviour
    client: bool = False
    wants: Callable[[Request], bool] = lambda _: True

    @property
    def end(self) -> str:
        return ENDS.get(self.call, "SLS")

    def __str__(self) -> str:
        return f"{self.end}, {'single ' if self.client else ''}{self.call}: {self.name}"


def rows(call: str, family: str, found: Mapping[str, Misbehaviour], *, client: bool = False) -> list[Row]:
    return [Row(call, family, name, misbehave, client) for name, misbehave in found.items()]


def _some(found: Mapping[str, _T], first: int, step: int) -> dict[str, _T]:
    """Each so many-th, from `first` on: calls share their code, so each gets another part of a family."""
    return dict(itertools.islice(found.items(), first, None, step))


def _fields(call: str, names: str, values: Mapping[str, object], family: str, client: bool) -> Iterator[Row]:
    for field in names.split():
        for label, value in values.items():
            yield Row(call, family, f"{field} is {label}", changed(field, value), client)


# Whole relays: what it does by itself, again and again.

_EXCHANGES = ((SLOW, "slow"), (FLOODS, "flood"), (LENGTHS, "length"), (ENDINGS, "ending"))


def _event_rows() -> Iterator[Row]:
    for found, family in _EXCHANGES[:3]:
        yield from rows(front.EVENT, family, found)
    yield from rows(front.EVENT, "ending", _some(ENDINGS, 0, 2))
    yield from rows(front.EVENT, "body", _some(BODIES, 0, 2))
    yield Row(front.EVENT, "bomb", "Content-Encoding gzip", misbehaviours.encoded_bomb)
    for label in ("400 digits", "1e400", "NaN", "-1"):
        yield Row(front.EVENT, "number", f"code is {label}", changed("code", NUMBERS[label]))
        yield Row(front.EVENT, "number", f"ackId is {label}", changed("ackId", NUMBERS[label]))
        text = json.dumps({"text": "Invalid data format", "code": 6, "invalid-event-number": "@"})
        told = text.replace('"@"', misbehaviours.written(NUMBERS[label]))
        yield Row(
            *(front.EVENT, "number", f"invalid-event-number is {label}", answers(told, "400 Bad Request")),
            wants=lambda request: request.body.count(b'"event"') > 1,
        )
    for label in ("null", "a list", "100,000 deep"):
        yield Row(front.EVENT, "type", f"ackId is {label}", changed("ackId", TYPES[label]))
    for label in ("half a character", "terminal escapes", "1 MB"):
        yield Row(front.EVENT, "text", f"text is {label}", changed("text", TEXTS[label]))
    busy = '{"text":"Server is busy","code":9}'
    for value in ("9" * 400, "-1", "Fri, 31 Dec 99999999999 23:59:59 GMT", "Infinity", "1e400", "\xb2"):
        yield Row(
            *(front.EVENT, "number", f"Retry-After is {value[:40]}"),
            answers(busy, "503 Busy", f"Retry-After: {value}"),
        )
    cookies = "".join(f"Set-Cookie: c{number}={'v' * 50}\r\n" for number in range(90)).strip()
    yield Row(front.EVENT, "text", "90 cookies", answers(busy, "503 Busy", cookies))
    hostile = "Set-Cookie: a\x1b[2J=\xff\x9b; Path=/\r\nSet-Cookie: ;;;=\r\nSet-Cookie: \x00"
    yield Row(front.EVENT, "text", "cookies of escapes", answers(busy, "503 Busy", hostile))


_PULL_HEADERS = (
    *("x-log-count", "x-log-bodyrawsize", "x-log-cursor-time", "x-log-read-last-cursor"),
    *("x-log-cursor", "x-log-end-of-cursor", "x-log-compresstype"),
)
_HEADER_VALUES = {
    "400 digits": "9" * 400,
    "5000 digits": "9" * 5000,
    "-1": "-1",
    "2^62": str(2**62),
    "1e400": "1e400",
    "a superscript": "\xb2",
    "escapes": "\x1b[2J\x9b",
}
_DATES = {
    "year 99999999999": "Fri, 31 Dec 99999999999 23:59:59 GMT",
    "year 0": "Fri, 31 Dec 0000 23:59:59 GMT",
    "400 digits": "9" * 400,
    "a zone of 99999999": "Fri, 27 Nov 2026 10:00:00 +99999999",
    "60 kB": "x" * 60_000,
}


def _dates(call: str, client: bool) -> Iterator[Row]:
    for label, value in _DATES.items():
        yield Row(call, "number", f"Date is {label}", headers(Date=value), client)


def _pull_rows() -> Iterator[Row]:
    yield from rows(front.PULL, "slow", _some(SLOW, 0, 2))
    yield from rows(front.PULL, "flood", _some(FLOODS, 0, 2))
    yield from rows(front.PULL, "length", _some(LENGTHS, 0, 3))
    yield from rows(front.PULL, "ending", _some(ENDINGS, 1, 3))
    yield from rows(front.PULL, "body", _some(BODIES, 1, 3))
    yield from rows(front.PULL, "bomb", misbehaviours.pull_bombs())
    yield Row(front.PULL, "bomb", "Content-Encoding gzip", misbehaviours.encoded_bomb)
    for header in _PULL_HEADERS:
        for label, value in _HEADER_VALUES.items():
            change = {header.replace("-", "_"): value}
            yield Row(front.PULL, "number", f"{header} is {label}", headers(**change))
    yield from _dates(front.PULL, False)


def _heartbeat_rows() -> Iterator[Row]:
    yield from rows(front.HEARTBEAT, "slow", _some(SLOW, 1, 4))
    yield from rows(front.HEARTBEAT, "flood", _some(FLOODS, 0, 4))
    yield from rows(front.HEARTBEAT, "ending", _some(ENDINGS, 2, 8))
    yield Row(front.HEARTBEAT, "bomb", "Content-Encoding gzip", misbehaviours.encoded_bomb)
    shards = {
        "1,500 shards": [*range(1500)],
        "1,500 unknown shards": [*range(10**9, 10**9 + 1500)],
        "shard 400 digits": Raw(f"[0, {'9' * 400}]"),
        "shard -1": [-1, 0],
        "shard NaN": Raw("[NaN, Infinity, 1e400]"),
        "one shard 1,000 times": [0] * 1000,
        "shards in lists": [[0], {"a": 1}, None, True, "0"],
        "100,000 deep": misbehaviours.DEEP,
    }
    for label, value in shards.items():
        yield Row(front.HEARTBEAT, "number", label, changed("", value))
    yield Row(front.HEARTBEAT, "text", "an error of 1 MB", BODIES["an error of 1 MB"])
    yield Row(front.HEARTBEAT, "text", "half a character", BODIES["half a character"])


def _other_rows() -> Iterator[Row]:
    for call, first in ((front.SAVE, 0), (front.ACK, 2)):
        yield from rows(call, "slow", _some(SLOW, first, 4))
        yield from rows(call, "flood", _some(FLOODS, first + 1, 4))
        yield from rows(call, "length", _some(LENGTHS, first, 4))
        yield from rows(call, "ending", _some(ENDINGS, first, 4))
        yield from rows(call, "body", _some(BODIES, first, 3))
    for label, value in {**NUMBERS, **TYPES}.items():
        told = f'{{"acks":{misbehaviours.written(value)}}}'
        yield Row(front.ACK, "type", f"acks is {label}", answers(told))
    for told in ('{"acks":{"x":true,"-1":true}}', '{"acks":{"0":1,"1":"true","2":[]}}'):
        yield Row(front.ACK, "type", told, answers(told))
    for call, first in ((front.CREDENTIALS, 0), (front.TOKEN, 1)):
        yield from rows(call, "slow", _some(SLOW, first, 5))
        yield from rows(call, "flood", _some(FLOODS, first, 4))
        yield from rows(call, "ending", _some(ENDINGS, first, 8))
    yield from _fields(
        *(front.CREDENTIALS, "Expiration"),
        {**_some(NUMBERS, 0, 2), "year 99999": "99999-01-01T00:00:00Z", "year 1": "0001-01-01T00:00:00Z"},
        *("number", False),
    )
    for call in (front.LIST_GROUPS, front.LIST_SHARDS, front.CHECKPOINTS):
        yield from rows(call, "slow", _some(SLOW, 2, 7))
        yield from rows(call, "flood", _some(FLOODS, 2, 7))
    yield from _fields(front.LIST_GROUPS, "timeout", NUMBERS, "number", False)
    yield from _fields(front.LIST_SHARDS, "shardID", NUMBERS, "number", False)
    yield from _fields(front.CHECKPOINTS, "updateTime", NUMBERS, "number", False)
    yield from _fields(front.CHECKPOINTS, "consumer", TEXTS, "text", False)
    yield from rows(front.CONNECT, "slow", {key: SLOW[key] for key in (*[*SLOW][:4], "drips 100 Continue")})
    yield from rows(front.CONNECT, "flood", {key: FLOODS[key] for key in [*FLOODS][:6]})
    yield from rows(front.CONNECT, "ending", _some(ENDINGS, 0, 3))
    yield from rows(front.TLS, "slow", {"says nothing": silent(b""), "drips": SLOW["drips the status line"]})
    record = b"\x16\x03\x03\x40\x00"
    yield from rows(
        front.TLS,
        "ending",
        {
            "closed without a word": ENDINGS["closed without a word"],
            "reset": misbehaviours.reset,
            "no TLS": ENDINGS["HTTP/2.0"],
            "garbage": ENDINGS["no HTTP"],
            "an alert": ENDINGS["TLS where none is spoken"],
            "a record without its rest": silent(record),
            "records without an end": misbehaviours.slowly(record, b"\x00" * 0x4000, 0.0),
        },
    )


def relay_rows() -> list[Row]:
    return [*_event_rows(), *_pull_rows(), *_heartbeat_rows(), *_other_rows()]


# Clients: calls that a relay makes seldom, or once.

_JSON_FIELDS = {
    front.LIST_GROUPS: "name timeout order",
    front.LIST_SHARDS: "shardID status createTime",
    front.CHECKPOINTS: "shard checkpoint updateTime consumer",
    front.CURSOR: "cursor",
    front.CURSOR_TIME: "cursor_time",
    front.CREDENTIALS: "AccessKeyId AccessKeySecret SecurityToken Expiration Code",
}
_SELDOM = (
    *(front.CURSOR, front.CURSOR_TIME, front.CREATE_GROUP, front.UPDATE_GROUP),
    *(front.LIST_GROUPS, front.LIST_SHARDS, front.CHECKPOINTS, front.COLLECTOR_HEALTH),
)
#: Each is cut at every byte of its answer.
CUT = (
    *_SELDOM,
    *(front.HEARTBEAT, front.SAVE, front.PULL, front.CREDENTIALS, front.EVENT, front.ACK),
)


def client_rows() -> list[Row]:
    found: list[Row] = []
    for number, call in enumerate(_SELDOM):
        found += rows(call, "slow", _some(SLOW, number % 4, 4), client=True)
        found += rows(call, "flood", _some(FLOODS, number % 4, 4), client=True)
        found += rows(call, "length", _some(LENGTHS, number % 2, 2), client=True)
        found += rows(call, "ending", _some(ENDINGS, number % 2, 2), client=True)
        found += rows(call, "body", BODIES, client=True)
        found.append(Row(call, "bomb", "Content-Encoding gzip", misbehaviours.encoded_bomb, True))
        found += _dates(call, True)
    for call, names in _JSON_FIELDS.items():
        found += _fields(call, names, NUMBERS, "number", True)
        found += _fields(call, names, TYPES, "type", True)
        found += _fields(call, names, TEXTS, "text", True)
    return found
