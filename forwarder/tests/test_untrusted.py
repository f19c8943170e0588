"""What comes from outside is read as what it is, or is a ValueError: never anything else."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from typing import Any, Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sls_hec_forwarder.untrusted import (
    DEEPEST_JSON,
    LARGEST,
    TEXTS,
    parse_json,
    plain,
    whole_number,
)

DEEP = 100_000
HUGE = "9" * 20_000
ordinary = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
#: Texts that look like JSON, mostly broken.
pieces = st.sampled_from(
    [
        "[",
        "]",
        "{",
        "}",
        '"',
        "\\",
        ",",
        ":",
        "a",
        "1",
        "-",
        "e",
        "1e400",
        "NaN",
        "-Infinity",
        "null",
        "\\u",
        "d800",
    ]
)
jsonish = st.lists(pieces, max_size=40).map("".join)
numbers = st.integers() | st.floats() | st.text("0123456789-+e._ ٣²", max_size=30) | st.none() | st.booleans()


def tried(call: Callable[[], Any]) -> tuple[Any, str]:
    """What it returns, and the text of its ValueError."""
    try:
        return call(), ""
    except ValueError as problem:
        return None, str(problem)


@given(value=ordinary, ascii_only=st.booleans(), mark=st.booleans())
def test_ordinary_json_is_what_json_says(value: Any, ascii_only: bool, mark: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert parse_json(text) == json.loads(text) == value
    data = b"\xef\xbb\xbf" * mark + text.encode("utf-8", "surrogatepass")
    assert parse_json(data) == json.loads(data) == value


@given(data=st.binary(max_size=200) | jsonish | jsonish.map(str.encode) | st.text())
@example(data=b'{"a":1,"a":2}')
def test_any_bytes_are_json_or_a_value_error(data: bytes | str) -> None:
    found, problem = tried(lambda: parse_json(data))
    assert problem.isprintable()
    if problem:
        return
    if isinstance(data, str) or not {0, 0xFF, 0xFE} & set(data[:4]):  # json.loads takes UTF-16 as well
        assert found == json.loads(data)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("more", [{}, {"decoder": TEXTS}], ids=["all", "texts"])
@pytest.mark.parametrize(
    "text",
    [
        "[" * DEEP,
        "[" * DEEP + "]" * DEEP,
        '{"a":' * DEEP + "1" + "}" * DEEP,
        '["\\"",' * DEEP,
        "[" * (DEEPEST_JSON + 1) + "]" * (DEEPEST_JSON + 1),
        "[]" * DEEP + "[" * DEEP,
    ],
    ids=lambda text: text[:9],
)
def test_no_depth_is_too_much(text: str, more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no JSON"):
        parse_json(text, **more)


def test_depth_is_counted_outside_of_texts_only() -> None:
    assert parse_json("[" * DEEPEST_JSON + "]" * DEEPEST_JSON)
    assert parse_json(json.dumps(["[{" * DEEP, '"\\[{' * DEEP]))
    assert parse_json("[" + ",".join(["{}"] * 1000) + "]") == [{}] * 1000


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", HUGE, f"-{HUGE}"], ids=lambda text: text[:9]
)
def test_numbers_are_finite_and_of_a_length_that_takes_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="no JSON"):
        parse_json(f'{{"timeout":{text}}}')
    assert parse_json(f'{{"timeout":{text},"index":"i"}}', decoder=TEXTS) == {"timeout": None, "index": "i"}


def test_more_than_the_bound_is_not_looked_at() -> None:
    assert parse_json(b"[" + b" " * 100 + b"]", longest=102) == []
    with pytest.raises(ValueError, match="more than 101 bytes"):
        parse_json(b"[" + b" " * 100 + b"]", longest=101)


@given(value=numbers, low=st.integers(-100, 100), high=st.integers(-100, 2**63 - 1))
@example(value=math.inf, low=0, high=LARGEST)
@example(value=10**400, low=0, high=LARGEST)
@example(value="9" * 400, low=0, high=LARGEST)
@example(value=HUGE, low=0, high=LARGEST)
@example(value=True, low=0, high=LARGEST)
def test_a_whole_number_is_one_within_its_bounds(value: object, low: int, high: int) -> None:
    found, problem = tried(lambda: whole_number(value, low, high))
    assert problem.isprintable()
    assert len(problem) < 200
    if problem:
        return
    assert low <= found <= high
    assert str(found) == str(value) or re.fullmatch(f"-?0*{abs(found)}", str(value))


def test_whole_numbers_may_be_digits() -> None:
    assert [whole_number(each) for each in (0, 7, "7", "0", LARGEST, str(LARGEST))] == [
        0,
        7,
        7,
        0,
        LARGEST,
        LARGEST,
    ]
    assert whole_number("-3", low=-5) == -3
    wrong: object
    for wrong in (1.0, None, "", " 1", "1\n", "+1", "1_0", "٣", [], LARGEST + 1, -1, "ab", b"1"):
        with pytest.raises(ValueError, match=r"whole number|not from"):
            whole_number(wrong)


TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
WITHOUT_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
CONTROL = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))


@given(text=st.text(st.characters() | st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), max_size=50))
@example(text=TURNING + WITHOUT_WIDTH + CONTROL + "\u2028\u2029\ud800\udfff\U000e0041")
def test_plain_text_is_one_line_of_what_prints(text: str) -> None:
    found = plain(text)
    assert found.isprintable()
    found.encode("utf-8")
    assert not {unicodedata.category(each) for each in found} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert len(found.splitlines()) <= 1
    assert plain(found) == found
    if text.isprintable():
        assert found == text


def test_what_does_not_print_can_be_seen() -> None:
    assert plain("a\x1b[2J\x9b\u202eb\ud800\n") == "a\\x1b[2J\\x9b\\u202eb\\ud800\\n"
    assert plain("Größe 快 🎉") == "Größe 快 🎉"
    assert plain("abcdef", 3) == "abc..."
    assert plain("abc", 3) == "abc"
    assert plain("\x1b" * 5, 6) == "\\x1b\\x..."
    assert plain("\x1b" * 2, 8) == "\\x1b\\x1b"
