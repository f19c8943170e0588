"""Log templates: serialized logs with places for what differs from event to event.

A product describes its logs as plain text and puts placeholders where an id, a time or an address goes. A
placeholder is exactly as long as what replaces it, so that no length in the serialized bytes changes and a
log is made by joining the pieces of a template. That is what makes the generator fast.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from . import wire

# What a log can have filled in. The text is the placeholder.
HEX = "<hex-id-of-the-event-32-digits>_"  # 32 hexadecimal digits, unique
UUID = "<uuid-of-the-event-in-36-characters>"  # the same id in another spelling
PORT = "<por>"  # 5 digits
SIZE = "<size>"  # 6 digits, unique together with PORT
ADDRESS = "<ipv4-address>"  # 14 characters
UNIX = "<unix-sec>"  # 10 digits
UNIX_MS = "<unix-millis>"  # 13 digits
ISO = "<utc-time-20-chars->"  # 2026-01-02T03:04:05Z
ISO_CHINA = "<beijing-time-25-chars-->"  # 2026-01-02T11:04:05+08:00
SPACED = "<beijing-time-19ch>"  # 2026-01-02 11:04:05
APACHE = "<beijing-time-20-ch>"  # 02/Jan/2026:11:04:05

PLACEHOLDERS = [
    text.encode() for text in (HEX, UUID, PORT, SIZE, ADDRESS, UNIX, UNIX_MS, ISO, ISO_CHINA, SPACED, APACHE)
]
_SPLIT = re.compile(b"(" + b"|".join(PLACEHOLDERS) + b")")

# What fills one log is a list: values of the placeholders in this order, then the two times of the log.
AT_HEX, AT_UUID, AT_PORT, AT_SIZE, AT_ADDRESS = range(5)
_AT_TIME = len(PLACEHOLDERS)
AT_TIME_NS = _AT_TIME + 1

EARLIEST = 1 << 28  # Unix time of 1978: from here to the year 3058 its varint takes five bytes
_TIME_BYTES = 5
_CHINA = 8 * 3600
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Template:
    """One log with its field header in the group: copy `parts`, fill the `slots` (part, value) and join.

    `size` is the number of bytes that come out, always the same.
    """

    def __init__(self, contents: Sequence[tuple[str, str]], nanoseconds: str) -> None:
        """`nanoseconds` is "absent", "zero" (written, but 0) or "present"."""
        pairs = [wire.write_pair(key, value) for key, value in contents]
        body = b"".join(b"\x12" + wire.varint(len(pair)) + pair for pair in pairs)
        tail = {"absent": b"", "zero": b"\x25\0\0\0\0", "present": b"\x25"}[nanoseconds]
        length = 1 + _TIME_BYTES + len(body) + (5 if tail else 0)
        self.parts = [b"\x0a" + wire.varint(length) + b"\x08", b""]
        slots = [(1, _AT_TIME)]
        for piece in _SPLIT.split(body):
            if piece in PLACEHOLDERS:
                slots.append((len(self.parts), PLACEHOLDERS.index(piece)))
            self.parts.append(piece)
        self.parts.append(tail)
        if nanoseconds == "present":
            slots.append((len(self.parts), AT_TIME_NS))
            self.parts.append(b"")
        self.slots = tuple(slots)
        self.size = len(self.parts[0]) - 1 + length


def time_values(seconds: int) -> list[bytes]:
    """The values of a log at a Unix time >= `EARLIEST`; those that do not follow from it are empty."""
    utc, china = time.gmtime(seconds), time.gmtime(seconds + _CHINA)
    there = time.strftime("%Y-%m-%dT%H:%M:%S", china)
    month = _MONTHS[china.tm_mon - 1]  # not %b, which follows the locale
    texts = [
        *("", "", "", "", ""),
        str(seconds),
        f"{seconds}000",
        time.strftime("%Y-%m-%dT%H:%M:%SZ", utc),
        f"{there}+08:00",
        there.replace("T", " "),
        f"{china.tm_mday:02}/{month}/{china.tm_year}:{there[11:]}",
    ]
    return [*(text.encode() for text in texts), wire.varint(seconds), b""]
