"""Cursors, and answers of pulls that do not decode."""

from __future__ import annotations

from typing import Any

import lz4.block
import pytest
import zstd
from hypothesis import given
from hypothesis import strategies as st

from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.errors import CorruptPull
from sls_hec_forwarder.sls.api.pull_answer import PullAnswer, first_cursor

RAW = b"log groups " * 100


def pulled(**changes: Any) -> PullAnswer:
    given: dict[str, Any] = {
        "shard": 0,
        "cursor": cursors.encode(100),
        "next_cursor": cursors.encode(103),
        "groups": 3,
        "first_cursor": 100,
        "cursor_time": None,
        "caught_up": False,
        "compression": "lz4",
        "raw_bytes": len(RAW),
        "body": lz4.block.compress(RAW, store_size=False),
    }
    return PullAnswer(**{**given, **changes})


@given(st.integers(0, 2**63 - 1))
def test_cursors_round_trip(position: int) -> None:
    assert cursors.decode(cursors.encode(position)) == position
    assert cursors.decode(cursors.encode(position).rstrip("=")) == position


@given(st.text(max_size=20))
def test_text_that_is_no_cursor_is_a_value_error(text: str) -> None:
    try:
        position = cursors.decode(text)
    except ValueError:
        assert cursors.distance(text, cursors.encode(1)) is None
    else:
        assert position >= 0


@pytest.mark.parametrize(
    ("compression", "body"),
    [
        ("lz4", lz4.block.compress(RAW, store_size=False)),
        ("zstd", zstd.compress(RAW, 1)),
        ("", RAW),
    ],
)
def test_unpack(compression: str, body: bytes) -> None:
    answer = pulled(compression=compression, body=body)
    assert answer.unpack() == RAW
    assert answer.wire_bytes == len(body)


@pytest.mark.parametrize("compression", ["lz4", "zstd", "gzip", "deflate", "", "brotli"])
@pytest.mark.parametrize("raw_bytes", [1, len(RAW) - 1, len(RAW) + 1, 2**62])
def test_a_body_that_is_not_what_its_headers_say(compression: str, raw_bytes: int) -> None:
    bodies = {"lz4": lz4.block.compress(RAW, store_size=False), "zstd": zstd.compress(RAW, 1)}
    for body in (bodies.get(compression, RAW), bodies.get(compression, RAW)[:-3], b"", b"\xff" * 40):
        with pytest.raises(CorruptPull):
            pulled(compression=compression, body=body, raw_bytes=raw_bytes).unpack()


def test_empty_answer_is_empty_whatever_its_body() -> None:
    assert pulled(raw_bytes=0, groups=0, body=b"").unpack() == b""


@pytest.mark.parametrize(
    ("headers", "cursor", "next_cursor", "groups", "first"),
    [
        ({"x-log-read-last-cursor": "102"}, 100, 103, 3, 100),
        ({"x-log-read-last-cursor": "112"}, 100, 113, 3, 110),  # SLS skipped ten
        ({}, 100, 103, 3, 100),
        ({}, 100, 104, 3, None),
        ({"x-log-read-last-cursor": "not a number"}, 100, 103, 3, 100),
        ({"x-log-read-last-cursor": "102"}, 100, 100, 0, None),
    ],
)
def test_first_cursor(
    headers: dict[str, str], cursor: int, next_cursor: int, groups: int, first: int
) -> None:
    assert first_cursor(headers, cursors.encode(cursor), cursors.encode(next_cursor), groups) == first
