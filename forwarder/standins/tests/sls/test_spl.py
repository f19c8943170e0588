from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sls_hec_standins.sls import wire
from sls_hec_standins.sls.spl import QueryError, compile_query

LOG = {
    "a": "1",
    "b": "it's",
    "empty": "",
    "lines": "one\ntwo",
    "中文": "审计",
    "with space": "x",
    'quo"te': "q",
    "percent": "100%",
    "Like": "keyword",
}


def group_of(*logs: dict[str, str]) -> bytes:
    items = [(1, None, list(log.items())) for log in logs]
    return wire.write_log_group(items, "audit", "10.0.0.1", [("__hostname__", "h1"), ("a", "tag")])


def passes(condition: str, log: dict[str, str] = LOG) -> bool:
    group = group_of(log)
    left, lines_in, lines_out = compile_query(f"* | where {condition}").apply(group)
    assert lines_in == 1
    assert left == (group if lines_out else None)
    return lines_out == 1


@pytest.mark.parametrize(
    "condition",
    [
        "a = '1'",
        "a='1'",
        "a != '2'",
        "a <> '2'",
        "a = '1' and b = 'it''s'",
        "a = '2' or b = 'it''s'",
        "A = '1' or a = '1'",
        "not a = '2'",
        "NOT NOT a = '1'",
        "not (a = '1' and b = 'x')",
        "a = '2' and a = '1' or a = '1'",  # and binds closer
        "a = '1' or a = '1' and a = '2'",
        "(a = '1' or a = '1') AND empty = ''",
        "empty = ''",
        "empty like ''",
        "empty like '%'",
        "b like 'it%'",
        "b like '%s'",
        "b like '%t%'",
        "b like 'i__s'",
        "b like 'it''_'",
        "b not like 'it'",
        "lines like 'one%two'",
        "lines like 'one_two'",
        "percent like '1__\\%' escape '\\'",
        "percent LIKE '%!%' ESCAPE '!'",
        "a not like '!_' escape '!'",
        "\"中文\" = '审计'",
        "\"中文\" like '_计'",
        "\"with space\" = 'x'",
        '"quo""te" = \'q\'',
        "\"Like\" = 'keyword'",
        "__topic__ = 'audit'",
        "__source__ like '10.%'",
        "\"__tag__:__hostname__\" = 'h1'",
        "\"__tag__:a\" = 'tag'",
        "missing is null",
        "a is not null and empty is not null",
        "missing = 'x' or a = '1'",
        "a = '1' | where b like 'it%'",
        "\n a\t=\n'1'  ",
    ],
)
def test_true(condition: str) -> None:
    assert passes(condition)


@pytest.mark.parametrize(
    "condition",
    [
        "a = '2'",
        "A = '1'",  # fields are case-sensitive
        "a != '1'",
        "a = '1' and b = 'x'",
        "a = '2' and b = 'it''s' or a = '2'",
        "b like 'it'",
        "b like '_'",
        "b like 'IT%'",
        "b like '%i%i%'",
        "b like 'it''s%s'",  # parts may not overlap
        "b like 'i.%'",
        "a like '!_' escape '!'",
        "percent not like '%!%' escape '!'",
        # null compares as unknown, and unknown does not pass, negated or not
        "missing = 'x'",
        "missing != 'x'",
        "not missing = 'x'",
        "missing like '%'",
        "missing not like '%'",
        "not (missing = 'x' or a = '2')",
        "missing = 'x' and a = '1'",
        "a is null",
        "a = '1' | where b like 'x%'",
    ],
)
def test_not_true(condition: str) -> None:
    assert not passes(condition)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", r"expected \*, found the end at position 1"),
        ("a = '1'", r"expected \*, found 'a' at position 1"),
        ("error | where a = '1'", "found 'error' at position 1"),
        ("* |", "expected where, found the end at position 4"),
        ("* | where", "expected a field, found the end at position 10"),
        ("* | extend x = 'y'", "expected where, found 'extend' at position 5"),
        ("* | where a", "expected a comparison, found the end at position 12"),
        ("* | where a == '1'", "expected 'text', found '=' at position 14"),
        ("* | where a = b", "expected 'text', found 'b' at position 15"),
        ("* | where a = 1", "unexpected 1 at position 15"),
        ("* | where a > '1'", "unexpected > at position 13"),
        ("* | where a = '1", "unterminated ' at position 15"),
        ('* | where "a = 1', 'unterminated " at position 11'),
        ("* | where (a = '1'", r"expected \), found the end at position 19"),
        ("* | where a = '1')", r"expected the end, found '\)' at position 18"),
        ("* | where a = '1' b", "expected the end, found 'b' at position 19"),
        ("* | where a not = '1'", "expected like, found '=' at position 17"),
        ("* | where a is 'x'", "expected null, found 'x' at position 16"),
        ("* | where like = 'x'", "expected a field, found 'like' at position 11"),
        ("* | where '1' = a", "expected a field, found '1' at position 11"),
        ("* | where regexp_like(a)", r"expected a comparison, found '\(' at position 22"),
        ("* | where a like '!' escape '!'", "dangling escape in the pattern at position 18"),
        ("* | where a like '!x' escape '!'", "dangling escape in the pattern at position 18"),
        ("* | where a like 'x' escape '!!'", "escape at position 29 is not one character"),
        ("* | where a like 'x' escape ''", "escape at position 29 is not one character"),
        ("* | where __time__ = '1'", "'__time__' at position 11 is a number"),
        ("* | where " + "(" * 10_000, "nested too deeply at position"),
        ("* | where " + "not " * 10_000, "nested too deeply at position"),
    ],
)
def test_anything_else_is_refused_with_its_position(query: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        compile_query(query)


def test_star_passes_everything() -> None:
    group = group_of(LOG, {}, LOG)
    assert compile_query(" * ").apply(group) == (group, 3, 3)
    assert compile_query("*").apply(group_of()) == (None, 0, 0)


def test_what_is_left_keeps_the_order_the_head_and_unknown_fields() -> None:
    logs = [{"n": str(i), "keep": "yes" if i in (0, 2, 3, 6) else "no"} for i in range(7)]
    first, second = group_of(*logs[:3]), group_of(*logs[3:])
    group = b"\x7a\x03new" + first + second  # concatenation merges messages
    left, lines_in, lines_out = compile_query("* | where keep = 'yes'").apply(group)
    assert (lines_in, lines_out) == (7, 4)
    assert left is not None
    assert left.startswith(b"\x7a\x03new")
    assert wire.read_head(left) == wire.read_head(group)
    assert [dict(log.contents)[b"n"] for log in wire.iter_logs(left)] == [b"0", b"2", b"3", b"6"]


def test_the_last_of_duplicate_keys_counts_and_contents_hide_the_head() -> None:
    group = wire.write_log_group([(1, None, [("k", "a"), ("k", "b"), ("__topic__", "own")])], "audit")
    assert compile_query("* | where k = 'b' and __topic__ = 'own'").apply(group) == (group, 1, 1)
    assert compile_query("* | where k = 'a' or __topic__ = 'audit'").apply(group) == (None, 1, 0)


def test_invalid_utf8_can_be_filtered() -> None:
    group = wire.write_log_group([(1, None, [("k", b"a\xff\xfe")])])
    assert compile_query("* | where k like 'a__'").apply(group)[2] == 1


@given(st.text("ab%_\n", max_size=8), st.text("ab\n", max_size=8))
def test_like_agrees_with_one_regular_expression(pattern: str, text: str) -> None:
    expected = re.fullmatch(pattern.replace("%", ".*").replace("_", "."), text, re.DOTALL)
    assert passes(f"v like '{pattern}'", {"v": text}) == bool(expected)


def test_many_wildcards_over_a_long_value_stay_quick() -> None:
    # One backtracking expression of this shape would not finish.
    assert not passes("v like '" + "%a" * 30 + "%b'", {"v": "a" * 100_000})


@given(st.text(), st.text(min_size=1).filter(lambda field: field not in ("__time__", "__time_ns_part__")))
def test_quoting_carries_any_text(value: str, field: str) -> None:
    quoted = "'{}'".format(value.replace("'", "''"))
    name = '"{}"'.format(field.replace('"', '""'))
    assert passes(f"{name} = {quoted}", {field: value})
    wild = "".join("!" + each if each in "%_!" else each for each in value).replace("'", "''")
    assert passes(f"{name} like '{wild}' escape '!'", {field: value})


@given(st.text("*|where andlike'\"=!<>()%_ \n中", max_size=60))
def test_any_text_compiles_or_is_refused_with_a_position(text: str) -> None:
    try:
        compile_query(text)
    except QueryError as error:
        message = str(error)
    else:
        message = "no position 0"
    assert re.search(r"position \d+$", message)


@given(st.text("*|where andlike'\"=!<>()%_ \n中", max_size=20))
def test_what_compiles_runs(condition: str) -> None:
    try:
        query = compile_query(f"* | where a = '1' or {condition}")
    except QueryError:
        query = compile_query("*")
    assert query.apply(group_of(LOG, {}))[1] == 2
