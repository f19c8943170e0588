"""Times as texts: unix seconds to ISO 8601 in UTC, and back from what others write.

What reads returns seconds from 1970 to 9999 or raises ValueError, whatever the text.
"""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Final

#: The last second of the year 9999 (unix seconds), which is as far as dates go.
LAST_SECOND: Final = 253_402_300_799
_LONGEST: Final = 64


def iso(seconds: float) -> str:
    """Such as 2026-01-31T08:00:00Z."""
    return _utc(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_milliseconds(seconds: float) -> str:
    """Such as 2026-01-31T08:00:00.123Z."""
    return _utc(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_basic(seconds: float) -> str:
    """Such as 20260131T080000Z, for names of files."""
    return _utc(seconds).strftime("%Y%m%dT%H%M%SZ")


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def parse_iso(text: object) -> float:
    """Unix seconds of a time in ISO 8601, in UTC unless it says otherwise."""
    if not isinstance(text, str):
        raise ValueError("no time in ISO 8601")
    return _seconds(_moment(text))


def parse_iso_with_zone(text: str) -> float:
    """Unix seconds of a time in ISO 8601 that names its zone."""
    moment = _moment(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} lacks a time zone")
    return _seconds(moment)


def parse_http_date(text: str) -> float:
    """Unix seconds of an HTTP date (RFC 9110, 5.6.7)."""
    if len(text) > _LONGEST:
        raise ValueError("no date")
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        raise ValueError("no date") from None
    return _seconds(moment)


def _moment(text: str) -> datetime:
    if len(text) > _LONGEST or not text.isascii():
        raise ValueError("no time in ISO 8601")
    try:
        # fromisoformat learns of "Z" only in Python 3.11.
        return datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)
    except IndexError:  # PyPy's, of a text that is too short
        raise ValueError("no time in ISO 8601") from None


def _seconds(moment: datetime) -> float:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
    found = aware.timestamp()
    if not 0 <= found <= LAST_SECOND:
        raise ValueError("not from 1970 to 9999")
    return found
