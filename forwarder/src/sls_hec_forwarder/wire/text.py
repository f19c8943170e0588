"""Turns log bytes into the inside of a JSON string."""

from __future__ import annotations

import json
import re

needs_care = re.compile(rb'[\x00-\x1f"\\\x80-\xff]').search
"""Finds the first byte that may need escaping or repair; without one, the bytes are their own JSON text."""

_MUST_ESCAPE = re.compile(rb'[\x00-\x1f"\\]').search
_CONTROL = re.compile(rb"[\x00-\x1f]").search
_ESCAPES = {bytes([byte]): json.dumps(chr(byte))[1:-1].encode("ascii") for byte in range(0x20)}

# Table 3-7 of the Unicode Standard: well-formed UTF-8; and the longest beginnings of it in ill-formed bytes,
# each of which becomes one U+FFFD (section 3.9, "substitution of maximal subparts").
_WELL_FORMED = re.compile(
    rb"((?:[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}"
    rb"|\xf4[\x80-\x8f][\x80-\xbf]{2})+)"
)
_ILL_FORMED = re.compile(
    rb"\xe0[\xa0-\xbf]|\xed[\x80-\x9f]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]?"
    rb"|[\xf1-\xf3][\x80-\xbf]{1,2}|\xf4[\x80-\x8f][\x80-\xbf]?|[\x80-\xff]"
)


def escape(raw: bytes) -> tuple[bytes, bool]:
    """The UTF-8 JSON text of `raw`, without quotes, and whether it had to be repaired.

    Bytes that are not UTF-8 become U+FFFD, as many as Python's `errors="replace"` makes of them. Non-ASCII
    characters are kept as they are.
    """
    repaired = False
    if not raw.isascii():
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            raw = _repair(raw)
            repaired = True
        if _MUST_ESCAPE(raw) is None:
            return raw, repaired
    text = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    control = _CONTROL(text)
    while control is not None:
        text = text.replace(control[0], _ESCAPES[control[0]])
        control = _CONTROL(text)
    return text, repaired


def _repair(raw: bytes) -> bytes:
    # As raw.decode("utf-8", "replace"), which on PyPy takes a microsecond for every invalid byte.
    pieces = _WELL_FORMED.split(raw)
    pieces[::2] = [_ILL_FORMED.sub(b"\xef\xbf\xbd", piece) for piece in pieces[::2]]
    return b"".join(pieces)


def quoted(value: str) -> bytes:
    """A setting as a JSON string with its quotes; what UTF-8 cannot represent becomes U+FFFD."""
    return b'"%b"' % escape(value.encode("utf-8", "surrogatepass"))[0]
