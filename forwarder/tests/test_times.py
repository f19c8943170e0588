"""Times as texts: what is written is read back, and what others write is a time or a ValueError."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sls_hec_forwarder.times import (
    LAST_SECOND,
    iso,
    iso_basic,
    iso_milliseconds,
    parse_http_date,
    parse_iso,
    parse_moment,
)


def test_how_times_are_written() -> None:
    assert iso(1769846400.1239) == "2026-01-31T08:00:00Z"
    assert iso_milliseconds(1769846400.1239) == "2026-01-31T08:00:00.123Z"
    assert iso_milliseconds(1769846400) == "2026-01-31T08:00:00.000Z"
    assert iso_basic(1769846400.1239) == "20260131T080000Z"


@given(seconds=st.integers(0, LAST_SECOND))
def test_what_is_written_is_read_back(seconds: int) -> None:
    assert parse_iso(iso(seconds)) == seconds


def test_a_zone_that_has_to_be_there() -> None:
    assert parse_iso("2026-01-31T08:00:00") == parse_moment("2026-01-31T16:00:00+08:00") == 1769846400
    assert parse_moment("1769846400") == 1769846400
    with pytest.raises(ValueError, match="zone"):
        parse_moment("2026-01-31T08:00:00")


@given(moment=st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.just(timezone.utc)))
def test_dates_are_read(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    assert parse_http_date(format_datetime(whole, usegmt=True)) == whole.timestamp()
    assert parse_iso(moment.isoformat()) == moment.timestamp()
    assert parse_iso(whole.isoformat().replace("+00:00", "Z")) == whole.timestamp()


@pytest.mark.parametrize("read", [parse_http_date, parse_iso, parse_moment])
@given(
    text=st.text(max_size=80)
    | st.from_regex(r"(Fri, )?\d{1,12} (Dec|Xyz) -?\d{1,30} \d\d:\d\d:\d\d (GMT|[+-]\d{4,20})")
    | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?([+-]\d\d:\d\d|Z)?")
)
@example(text="Fri, 31 Dec 99999999999 23:59:59 GMT")
@example(text="Fri, 31 Dec 9999 23:59:59 -2359")
@example(text="Mon, 01 Jan 0001 00:00:00 +2359")
@example(text="0001-01-01T00:00:00+23:59")
@example(text="9999-12-31T23:59:59-23:59")
@example(text="\ud800")
@example(text="1" * 5000)
def test_any_text_is_a_date_from_1970_to_9999_or_a_value_error(
    read: Callable[[str], float], text: str
) -> None:
    try:
        found = read(text)
    except ValueError:
        return
    assert 0 <= found <= LAST_SECOND
    datetime.fromtimestamp(found, timezone.utc)
