"""Conversion of times between unix seconds and text.

The parsers return seconds from 1970 to 9999 or raise ValueError, whatever the text.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Final

#: The last second of the year 9999 (unix seconds), the last year that datetime knows.
LAST_SECOND: Final = 253_402_300_799
_LONGEST: Final = 64
#: A number beyond this (the begin of the year 2100, in unix seconds) must be milliseconds.
_LATEST_MOMENT: Final = 4_102_444_800
_MOMENT = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)[T ](\d\d?):(\d\d?)(?::(\d\d?))? ?(Z|([+-])(\d\d):?(\d\d))?",
    re.ASCII | re.IGNORECASE,
)


def iso(seconds: float) -> str:
    """Such as 2026-01-31T08:00:00Z."""
    return _utc(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_milliseconds(seconds: float) -> str:
    """Such as 2026-01-31T08:00:00.123Z."""
    return _utc(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_basic(seconds: float) -> str:
    """Such as 20260131T080000Z, for file names."""
    return _utc(seconds).strftime("%Y%m%dT%H%M%SZ")


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def parse_iso(text: object) -> float:
    """Unix seconds of a time in ISO 8601, which is UTC if it names no zone."""
    if not isinstance(text, str):
        raise ValueError("not a time in ISO 8601")
    return _seconds(_moment(text))


def parse_moment(text: str) -> int:
    """Unix seconds of a time that a person wrote: unix seconds, or date and time with their zone; to 2099.

    The message of its ValueError, which may be empty, never quotes the text.
    """
    if re.fullmatch(r"[0-9]{1,16}", text):
        seconds = int(text)
        if seconds > _LATEST_MOMENT:
            raise ValueError("unix seconds, not milliseconds, are expected")
        return seconds
    found = _MOMENT.fullmatch(text)
    if not found:
        raise ValueError
    year, month, day, hour, minute, second = (int(each or 0) for each in found.groups()[:6])
    naive = datetime(year, month, day, hour, minute, second)
    if found[7] is None:
        shown = naive.isoformat()
        raise ValueError(f"it has no zone: write {shown}Z for UTC, {shown}+08:00 for UTC+8")
    offset = timedelta()
    if found[8]:
        offset = timedelta(hours=int(found[9]), minutes=int(found[10]))
    zone = timezone(-offset if found[8] == "-" else offset)
    seconds = int(naive.replace(tzinfo=zone).timestamp())
    if not 0 <= seconds <= _LATEST_MOMENT:
        raise ValueError("it is before 1970 or after 2099")
    return seconds


def parse_http_date(text: str) -> float:
    """Unix seconds of an HTTP date (RFC 9110, 5.6.7)."""
    if len(text) > _LONGEST:
        raise ValueError("not a date")
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        raise ValueError("not a date") from None
    return _seconds(moment)


def _moment(text: str) -> datetime:
    if len(text) > _LONGEST or not text.isascii():
        raise ValueError("not a time in ISO 8601")
    try:
        # fromisoformat accepts "Z" only from Python 3.11 on.
        return datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)
    except IndexError:  # raised by PyPy for a text that is too short
        raise ValueError("not a time in ISO 8601") from None


def _seconds(moment: datetime) -> float:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
    found = aware.timestamp()
    if not 0 <= found <= LAST_SECOND:
        raise ValueError("not from 1970 to 9999")
    return found
