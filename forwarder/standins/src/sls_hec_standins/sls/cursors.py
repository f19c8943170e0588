"""Cursors: positions in a shard, the base64 of a decimal int64 (SDK `LogClient._get_cursor_as_int`)."""

from __future__ import annotations

import base64
import binascii

MAX = (1 << 63) - 1


def encode(position: int) -> str:
    return base64.b64encode(str(position).encode()).decode()


def decode(text: str) -> int | None:
    """The position of a cursor, or None if `text` is not one.

    White space at the ends is allowed because the SDK's `get_previous_cursor_time` sends a trailing newline,
    missing padding because the examples of the PullLogs page have none.
    """
    text = text.strip()
    try:
        digits = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    # At most 19 digits: int() of a text without bound is an attack on the server.
    if not digits.isdigit() or len(digits) > 19:
        return None
    position = int(digits)
    return position if position <= MAX else None
