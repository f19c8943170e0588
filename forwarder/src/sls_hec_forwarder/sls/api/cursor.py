"""Cursors: base64 of a decimal int64; consecutive log groups of a shard differ by 1.

The SDKs rely on both (Python: `LogClient.get_previous_cursor_time`, Go: `addCursorIfPossible`).
"""

from __future__ import annotations

import base64
import binascii

from sls_hec_forwarder.untrusted import whole_number


def decode(cursor: str) -> int:
    """The position that `cursor` stands for. Raises ValueError when it is no plain cursor."""
    try:
        # Examples in the API documentation lack the padding.
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as problem:
        raise ValueError(f"not a cursor: {cursor!r}") from problem
    if not text.isdigit():
        raise ValueError(f"not a cursor: {cursor!r}")
    return whole_number(text)


def is_plain(cursor: str) -> bool:
    """Whether `cursor` stands for a position."""
    return distance(cursor, cursor) is not None


def encode(position: int) -> str:
    """The cursor of `position`."""
    return base64.b64encode(str(position).encode("ascii")).decode("ascii")


def distance(start: str, end: str) -> int | None:
    """Number of log groups from cursor `start` to `end`, or None when either is no plain cursor."""
    try:
        return decode(end) - decode(start)
    except ValueError:
        return None
