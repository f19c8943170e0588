"""What an end can do to an exchange: drip, flood, lie about lengths, send bombs, numbers and texts."""

from __future__ import annotations

import functools
import itertools
import json
import os
import struct
import zlib
from collections.abc import Iterator
from typing import Callable

from .front import Answer, Exchange, Misbehaviour

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def _of(data: bytes, size: int = 1) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


# Slow, and for ever: only a deadline for the whole exchange ends these.


def slowly(begin: bytes, repeated: bytes, pause: float = 0.1) -> Misbehaviour:
    """`begin` at once, then `repeated` again and again."""

    def misbehave(exchange: Exchange) -> None:
        exchange.send(begin)
        exchange.flow(itertools.repeat(repeated), pause)

    return misbehave


def drip_all(exchange: Exchange) -> None:
    """The real answer, a byte at a time."""
    exchange.flow(_of(exchange.real().wire()), 0.1)
    exchange.wait()


def silent(begin: bytes) -> Misbehaviour:
    def misbehave(exchange: Exchange) -> None:
        exchange.send(begin)
        exchange.wait()

    return misbehave


SLOW: dict[str, Misbehaviour] = {
    "says nothing": silent(b""),
    "drips the whole answer": drip_all,
    "drips the status line": slowly(b"HTTP/1.1 200 ", b"O"),
    "drips headers": slowly(OK, b"X-Y: z\r\n"),
    "drips a header's value": slowly(OK + b"X-Y: ", b"z"),
    "drips a body": slowly(OK + b"Content-Length: 5000\r\n\r\n", b" "),
    "drips chunks": slowly(CHUNKED, b"1\r\n \r\n"),
    "drips a chunk's size": slowly(CHUNKED, b"0"),
    "drips trailers": slowly(CHUNKED + b"2\r\n[]\r\n0\r\n", b"X-Y: z\r\n"),
    "drips a body without length": slowly(OK + b"Connection: close\r\n\r\n", b" "),
    "drips 100 Continue": slowly(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "stops within the head": silent(OK + b"Content-Le"),
    "stops within the body": silent(OK + b"Content-Length: 50\r\n\r\n[1, "),
}

# As much as the client takes, as fast as it takes it.

_MANY = 1 << 16

FLOODS: dict[str, Misbehaviour] = {
    "floods 100 Continue": slowly(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.0),
    "floods 102 Processing": slowly(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 1000, 0.0),
    "floods 103 Early Hints": slowly(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1000, 0.0),
    "floods headers": slowly(OK, b"X-Y: z\r\n" * 1000, 0.0),
    "floods one header": slowly(OK + b"X-Y: ", b"z" * _MANY, 0.0),
    "floods the status line": slowly(b"HTTP/1.1 200 ", b"O" * _MANY, 0.0),
    "floods chunks": slowly(CHUNKED, b"%x\r\n%s\r\n" % (_MANY, b" " * _MANY), 0.0),
    "floods tiny chunks": slowly(CHUNKED, b"1\r\n \r\n" * 1000, 0.0),
    "floods a chunk's extension": slowly(CHUNKED + b"1;x=", b"y" * _MANY, 0.0),
    "floods trailers": slowly(CHUNKED + b"2\r\n[]\r\n0\r\n", b"X-Y: z\r\n" * 1000, 0.0),
    "floods a body without length": slowly(OK + b"Connection: close\r\n\r\n", b" " * _MANY, 0.0),
    "floods a body of 10 GB": slowly(OK + b"Content-Length: 10000000000\r\n\r\n", b" " * _MANY, 0.0),
    "floods an error's body": slowly(b"HTTP/1.1 500 No\r\nConnection: close\r\n\r\n", b"x" * _MANY, 0.0),
}

# Said at once, and then the end, or nothing more.


def says(data: bytes) -> Misbehaviour:
    def misbehave(exchange: Exchange) -> None:
        exchange.send(data)
        exchange.end()
        exchange.wait()

    return misbehave


def with_length(*lengths: str) -> Misbehaviour:
    lines = "".join(f"Content-Length: {each}\r\n" for each in lengths)
    return silent(OK + f"{lines}\r\n[]".encode("latin-1"))


LENGTHS: dict[str, Misbehaviour] = {
    "Content-Length of 1 PB": with_length("1000000000000000"),
    "Content-Length of 400 digits": with_length("9" * 400),
    "Content-Length of 5000 digits": with_length("9" * 5000),
    "Content-Length below zero": with_length("-1"),
    "Content-Length that is no number": with_length("two"),
    "Content-Length in other digits": with_length("\u0662".encode().decode("latin-1")),
    "two Content-Lengths": with_length("2", "3000"),
    "a list of Content-Lengths": with_length("2, 3000"),
    "Content-Length beside chunks": silent(
        OK + b"Content-Length: 3000\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n"
    ),
    "a chunk of 2^80 bytes": silent(CHUNKED + b"%x\r\n[]" % 2**80),
    "a chunk below zero": silent(CHUNKED + b"-5\r\n[]\r\n0\r\n\r\n"),
    "a chunk that is no number": silent(CHUNKED + b"zz\r\n[]\r\n0\r\n\r\n"),
    "Transfer-Encoding unknown": silent(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n[]\r\n"),
    "less than Content-Length": says(OK + b"Content-Length: 50\r\n\r\n[1, "),
}


def reset(exchange: Exchange) -> None:
    exchange.reset()


def reset_after(exchange: Exchange) -> None:
    """The request takes effect; the answer is lost."""
    exchange.real()
    exchange.reset()


def reset_within(exchange: Exchange) -> None:
    answer = exchange.real().wire()
    exchange.send(answer[: len(answer) // 2])
    exchange.reset()


_HEAD_ENDS = b"Content-Length: 2\r\nConnection: close\r\n\r\n[]"
#: A host that no setting names: nothing may be asked of it.
STRANGER = "http://stranger.test/services/collector/event"


def redirect(status: int) -> Misbehaviour:
    return says(f"HTTP/1.1 {status} Elsewhere\r\nLocation: {STRANGER}\r\n".encode() + _HEAD_ENDS)


ENDINGS: dict[str, Misbehaviour] = {
    "reset at once": reset,
    "reset after it took effect": reset_after,
    "reset within the answer": reset_within,
    "closed without a word": says(b""),
    "no HTTP": says(os.urandom(2000).replace(b"\n", b"-") + b"\r\n\r\n"),
    "TLS where none is spoken": says(bytes.fromhex("15030300020228")),
    "HTTP/0.9": says(b"[]"),
    "HTTP/2.0": says(b"HTTP/2.0 200 OK\r\n" + _HEAD_ENDS),
    "HTTP/9.9": says(b"HTTP/9.9 200 OK\r\n" + _HEAD_ENDS),
    "status 99999": says(b"HTTP/1.1 99999 OK\r\n" + _HEAD_ENDS),
    "status -200": says(b"HTTP/1.1 -200 OK\r\n" + _HEAD_ENDS),
    "status 101": says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
    "status 204 with a body": says(b"HTTP/1.1 204 No Content\r\n" + _HEAD_ENDS),
    "status 599": says(b"HTTP/1.1 599 \xff\x1b[31m\r\n" + _HEAD_ENDS),
    "an end of a line too few": says(OK + b"Content-Length: 2\r\n"),
    "a header without a name": says(OK + b": x\r\n\r\r\n \r\n" + _HEAD_ENDS),
    "NUL in headers": says(OK + b"X\x00Y: \x00\r\n" + _HEAD_ENDS),
    "300 headers": says(OK + b"X-Y: z\r\n" * 300 + _HEAD_ENDS),
    **{f"redirect {status}": redirect(status) for status in (301, 302, 303, 307, 308)},
}

# The real answer, changed.


def headers(**changes: str) -> Misbehaviour:
    """The real answer with these headers changed; "_" stands for "-"."""

    def misbehave(exchange: Exchange) -> None:
        real = exchange.real()
        exchange.send(real.replaced(real.body, **changes).wire(close=True))

    return misbehave


def body(text: str | bytes, **changes: str) -> Misbehaviour:
    """Another body under the real answer's headers."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")

    def misbehave(exchange: Exchange) -> None:
        exchange.send(exchange.real().replaced(data, **changes).wire(close=True))

    return misbehave


def answers(text: str | bytes, status: str = "200 OK", *more: str) -> Misbehaviour:
    """An answer of its own; the request takes no effect."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    lines = "".join(f"{line}\r\n" for line in more)
    head = f"HTTP/1.1 {status}\r\n{lines}Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"

    def misbehave(exchange: Exchange) -> None:
        exchange.send(head.encode("latin-1") + data)

    return misbehave


class Raw(str):
    """Text that stands for itself in JSON, such as 1e400."""


def changed(field: str, value: object) -> Misbehaviour:
    """The real JSON with one field changed, in the first object of a list; "" changes the whole."""

    def misbehave(exchange: Exchange) -> None:
        real = exchange.real()
        told = json.loads(real.body or b"null")
        where = told[0] if field and isinstance(told, list) and told else told
        if not field:
            told = "@"
        elif isinstance(where, dict):
            where[field] = "@"
        else:
            told = {field: "@"}
        text = json.dumps(told).replace('"@"', written(value))
        answer = real.replaced(text.encode("utf-8", "surrogatepass"))
        exchange.send(answer.wire(close=True))

    return misbehave


def written(value: object) -> str:
    return str(value) if isinstance(value, Raw) else json.dumps(value)


DEEP = Raw("[" * 100_000 + "]" * 100_000)
NUMBERS: dict[str, object] = {
    "400 digits": Raw("9" * 400),
    "5000 digits": Raw("9" * 5000),
    "1e400": Raw("1e400"),
    "Infinity": Raw("Infinity"),
    "NaN": Raw("NaN"),
    "-1": -1,
    "2^63": 2**63,
    "0.5": 0.5,
}
TYPES: dict[str, object] = {
    "null": None,
    "true": True,
    "a list": [1, [2]],
    "an object": {"a": {"b": 1}},
    "100,000 deep": DEEP,
}
TEXTS: dict[str, object] = {
    "half a character": Raw('"\\ud800"'),
    "terminal escapes": "\x1b]0;title\x07\x1b[2J\x9b31m\x90",
    "directions": "\u202e\u2066abc\u2069\u200f",
    "NUL": "a\x00b",
    "1 MB": "x" * 1_000_000,
    "no digits": "\u0661\u0662",
    "empty": "",
}

BODIES: dict[str, Misbehaviour] = {
    "no JSON": answers("{"),
    "an empty body": answers(""),
    "100,000 deep": answers(str(DEEP)),
    "5000 digits": answers("[" + "9" * 5000 + "]"),
    "a text": answers('"text"'),
    "invalid UTF-8": answers(b'{"text": "\xff\xfe", "errorMessage": "\xc3("}'),
    "UTF-16": answers('{"text": "x"}'.encode("utf-16")),
    "half a character": answers('{"errorCode": "\\ud800", "errorMessage": "\\udfff"}', "400 Bad"),
    "an error of terminal escapes": answers(
        json.dumps({"errorCode": "\x1b]0;t\x07", "errorMessage": "\x1b[2J\x9b\u202e", "text": "\x1b[2J"}),
        "500 No",
        "x-log-requestid: \x1b[31m\x9b",
    ),
    "an error of 1 MB": answers(
        json.dumps({"errorCode": "x" * 1_000_000, "errorMessage": "y" * 1_000_000, "text": "z" * 1_000_000}),
        "500 No",
    ),
    "an error of lists": answers(
        '{"errorCode": [], "errorMessage": {"a": 1}, "text": [1], "code": []}', "500 No"
    ),
}

# Bombs: small on the wire, large when unpacked.

_BOMB = 400_000_000


@functools.cache
def gzip_bomb() -> bytes:
    packed, check = _deflate_bomb(zlib.crc32)
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + packed + struct.pack("<II", check, _BOMB)


@functools.cache
def zlib_bomb() -> bytes:
    """What SLS means by "deflate"."""
    packed, check = _deflate_bomb(zlib.adler32)
    return b"\x78\x9c" + packed + struct.pack(">I", check)


def _deflate_bomb(checksum: Callable[..., int]) -> tuple[bytes, int]:
    """Made of one piece, compressed so that it can be repeated; to compress it all would take seconds."""
    piece = b" " * 1_000_000
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    check = checksum(b"")
    for _ in range(_BOMB // len(piece)):
        check = checksum(piece, check)
    return packed * (_BOMB // len(piece)) + b"\x03\x00", check


@functools.cache
def zstd_bomb(announced: bool = True) -> bytes:
    """RFC 8878: a frame of blocks that repeat one byte, with or without its size in the header."""
    size = 128 * 1024
    count = _BOMB // size
    # Single segment with a size of 8 bytes; or a window of 128 kB (2^17) and no size.
    head = b"\xe0" + struct.pack("<Q", count * size) if announced else b"\x00\x38"
    blocks = [
        (size << 3 | 1 << 1 | (number == count - 1)).to_bytes(3, "little") + b"\n" for number in range(count)
    ]
    return b"\x28\xb5\x2f\xfd" + head + b"".join(blocks)


@functools.cache
def lz4_bomb() -> bytes:
    """A block of one literal and a match that repeats it: each byte of length stands for 255."""
    return b"\x1f\n\x01\x00" + b"\xff" * (_BOMB // 255) + b"\x00" + b"\x50     "


def encoded_bomb(exchange: Exchange) -> None:
    """Content-Encoding that nobody asked for."""
    data = gzip_bomb()
    exchange.send(
        Answer("200 OK", [("Content-Encoding", "gzip"), ("Content-Length", str(len(data)))], data).wire(
            close=True
        )
    )


def pull_bomb(kind: str, data: bytes, raw: int, count: int = 1) -> Misbehaviour:
    return body(data, x_log_compresstype=kind, x_log_bodyrawsize=str(raw), x_log_count=str(count))


def pull_bombs() -> dict[str, Misbehaviour]:
    found = {}
    for kind, data in (
        ("lz4", lz4_bomb()),
        ("zstd", zstd_bomb()),
        ("zstd", zstd_bomb(announced=False)),
        ("deflate", zlib_bomb()),
        ("gzip", gzip_bomb()),
    ):
        for raw in (_BOMB, 1000, 2**62):
            label = f"{kind} bomb of {len(data)} bytes, said to be {raw}"
            found[label] = pull_bomb(kind, data, raw)
    found["brotli"] = pull_bomb("br", b"\xff" * 100, 1000)
    found["no compression, said to be large"] = pull_bomb("", b"\x0a" * 100, 2**40)
    return found
