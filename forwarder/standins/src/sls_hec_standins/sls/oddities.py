"""Logs that break careless code: contents that writers can put into SLS and readers do not expect.

Only values have invalid UTF-8. The SDK's ``log_logs_raw.proto`` has keys, topic, source and tags as strings
even where values are bytes, and its pure Python reader rejects a whole pull for one of them. Keys are within
what PutLogs accepts: 1 to 128 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import wire
from .pick import Pick

LARGEST = 1 << 20  # the service's limit of one value, in bytes

VALUES = (
    b"",
    b" ",
    b"\n",
    b"line one\nline two\r\nline three\rline four\n\n",
    b"tab\there",
    b"\x00",
    b"before\x00after",
    bytes(range(32)) + b"\x7f",
    b'"',
    b"'",
    b"\\",
    b'\\"',
    b"C:\\new\\table\\u0041\\",
    b"null",
    b"true",
    b"-0",
    b"1e999",
    b"NaN",
    "中文日志：用户“张伟”登录失败".encode(),
    "日本語 한국어 ไทย العربية עברית".encode(),
    "👩‍👩‍👧‍👦 🇨🇳 \U0010ffff".encode(),
    "line\u2028paragraph\u2029end\u0085".encode(),
    "\ufeffbyte order mark, \u200bzero width, \ufffd replaced, \uffff none".encode(),
    "e\u0301 combining, \u202eright to left".encode(),
    b"\xff\xfe",
    b"latin-1 caf\xe9",
    "中文".encode("gb18030"),
    "half of 中".encode()[:-1],
    b"\xc0\x80 over-long NUL",
    b"\xed\xa0\x80 lone surrogate",
    b"\xed\xa0\xbd\xed\xb8\x80 surrogate pair",
    b"\xf4\x90\x80\x80 beyond Unicode",
    b"\x80\x80\x80",
    b"{}",
    b"[]",
    b'{"a":1}',
    b'{"a":1',
    b"{'a':1}",
    b'{"a":1,}',
    b'{"a":1}{"b":2}',
    b'{"a":1} trailing',
    b' {"leading": "space"}',
    b'{"a":NaN,"b":Infinity}',
    b'{"a":1,"a":2}',
    b'{"a":"\xff"}',
    b'{"a":"raw\nbreak"}',
    b'{"a":"\\ud800"}',
    b'{"a":"\\x41"}',
    b'{"a":12345678901234567890123,"b":1.0000000000000000001}',
    b'"just a string"',
    b"[1,2",
    b"[" * 2000 + b"]" * 2000,
    b'{"a":' * 200 + b"1" + b"}" * 200,
    b"</script><script>alert(1)</script>",
    b"%s %n {0} ${HOME} $(id) `id`",
    b'{"event":"x"}\n{"event":"forged second event"}',
    b"\x1b[31mred\x1b[0m",
    b"a" * 10_001,
    ("宽" * 20_000).encode(),
)

KEYS = (
    b" ",
    b"a.b.c",
    b"with space",
    b'quo"te',
    b"back\\slash",
    b"new\nline",
    b"nul\x00",
    "键".encode(),
    b"__time__",
    b"__topic__",
    b"__source__",
    b"__time_ns_part__",
    b"__tag__:__hostname__",
    b"time",
    b"host",
    b"source",
    b"sourcetype",
    b"index",
    b"event",
    b"fields",
    b"sls_id",
    b"-",
    b"0",
    b"k" * 128,
)

TAGS: tuple[Sequence[wire.Pair], ...] = (
    (),
    ((b"", b""),),
    ((b"same", b"1"), (b"same", b"2")),
    (("标签".encode(), "值\n\"'\\".encode()),),
    ((b"nul\x00", b"\x00"),),
)
HEADS = (b"", "审计".encode(), b'with "quotes" and \\', b"\x00", b"t" * 300)


def contents(pick: Pick, ident: bytes) -> list[wire.Pair]:
    """Contents of one log: up to ten unexpected fields, `ident` among them, or now and then none but that."""
    pairs = [(pick.of(KEYS), pick.of(VALUES)) for _ in range(pick.number(0, 9))]
    if pairs and pick.number(0, 2) == 0:
        pairs.append((pairs[0][0], pick.of(VALUES)))  # the key once more
    pairs.insert(pick.number(0, len(pairs)), (b"request_id", ident))
    return pairs


def large_contents(pick: Pick, ident: bytes) -> list[wire.Pair]:
    """Contents of one log with a value of 16 KiB to `LARGEST` bytes; one of four has the very largest."""
    size = LARGEST if pick.number(0, 3) == 0 else pick.number(1 << 14, LARGEST)
    line = pick.of(
        (b"stack frame at 0x%s\n" % ident, '{"字段":"值"},'.encode(), b'\\"', b"\xff", b"abcdefgh")
    )
    value = (line * (size // len(line) + 1))[:size]
    return [(b"request_id", ident), (b"payload", value)]
