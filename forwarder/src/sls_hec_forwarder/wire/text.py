"""Log bytes as the inside of a JSON string."""

from __future__ import annotations

import json
import re

needs_care = re.compile(rb'[\x00-\x1f"\\\x80-\xff]').search
"""Finds the first byte that keeps bytes from being their own JSON text."""

_MUST_ESCAPE = re.compile(rb'[\x00-\x1f"\\]')
_CONTROL = re.compile(rb"[\x00-\x1f]")
_ESCAPES = {bytes([byte]): json.dumps(chr(byte))[1:-1].encode("ascii") for byte in range(0x20)}


def escape(raw: bytes) -> tuple[bytes, bool]:
    """The UTF-8 JSON text of `raw`, without quotes, and whether it had to be repaired.

    Bytes that are not UTF-8 become U+FFFD, as many as Python's `errors="replace"` makes of them. Characters
    beyond ASCII stay themselves.
    """
    repaired = False
    if not raw.isascii():
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            raw = raw.decode("utf-8", "replace").encode("utf-8")
            repaired = True
        if _MUST_ESCAPE.search(raw) is None:
            return raw, repaired
    text = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    if _CONTROL.search(text) is not None:
        # `sub` calls back per byte; line breaks and tabs come in numbers.
        text = text.replace(b"\n", b"\\n").replace(b"\t", b"\\t").replace(b"\r", b"\\r")
        text = _CONTROL.sub(lambda match: _ESCAPES[match[0]], text)
    return text, repaired


def quoted(value: str) -> bytes:
    """A setting as a JSON string, quotes included; what no UTF-8 can hold becomes U+FFFD."""
    return b'"%b"' % escape(value.encode("utf-8", "surrogatepass"))[0]
