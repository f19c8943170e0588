"""Exact comparison of JSON texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sls_hec_standins.hec.jsontext import JsonError, members, node, object_node, scalars, string_node

DEEP = 20_000  # beyond what recursion bears on either interpreter

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "true"),
        ("0", "false"),
        ("1", "1.0"),
        ("1e2", "100"),
        ("0", "-0"),
        ("0.1", "0.1000000000000000000001"),
        ("12345678901234567890123", "12345678901234567890124"),
        ("1e999", "2e999"),
        ("1", '"1"'),
        ("null", '"null"'),
        ("[]", "{}"),
        ('["a","b"]', '["b","a"]'),
        ('["ab"]', '["a","b"]'),
        ("[[1],2]", "[[1,2]]"),
        ('{"a":1,"a":2}', '{"a":2}'),
        ('{"a":1,"a":2}', '{"a":2,"a":1}'),
        ('{"a":{"b":1}}', '{"a":{"b":true}}'),
    ],
)
def test_what_differs(one: str, other: str) -> None:
    assert node(one) != node(other)
    assert node(f'{{"x":[{one}]}}') != node(f'{{"x":[{other}]}}')


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1,"b":[2,"x"]}', ' {"b" : [ 2 , "\\u0078" ]\n,\t"a":1 } '),
        ('"\\ud83d\\ude00\\/"', '"😀/"'),
        ('"\\ud800"', '"\\uD800"'),
    ],
)
def test_what_is_spelled_otherwise(one: str, other: str) -> None:
    assert node(one) == node(other)


@settings(deadline=None)
@given(values, values)
def test_equal_nodes_mean_equal_values(one: Any, other: Any) -> None:
    texts = [json.dumps(value, sort_keys=True) for value in (one, other)]
    assert (node(json.dumps(one, ensure_ascii=False)) == node(texts[1])) == (texts[0] == texts[1])


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1,]", '{"a"}', '{"a":1,}', '{"a":1]', "[1}", "01", "1.", "NaN", "-Infinity", '"\n"', "[] 1",
     '"\\x"', "tru", "{1:2}", "[1 2]", "+1", "\u00a01"],
)  # fmt: skip
def test_no_json(text: str) -> None:
    with pytest.raises(JsonError):
        node(text)


@pytest.mark.parametrize(("opening", "core", "closing"), [("[", "", "]"), ('{"a":', "1", "}")])
def test_depth_is_no_limit(opening: str, core: str, closing: str) -> None:
    deep = opening * DEEP + core + closing * DEEP
    assert node(deep) == node(" " + deep)
    assert node(deep) != node(opening * DEEP + "2" + closing * DEEP)
    assert [(name, text == deep) for name, text, _ in members(f'{{"k":{deep}}}')] == [("k", True)]


def test_depth_and_surrogates_when_asked() -> None:
    assert node("[" * 100 + "]" * 100, max_depth=100)
    with pytest.raises(JsonError):
        node("[" * 101 + "]" * 101, max_depth=100)
    for text in ('"\\ud800"', '{"\\udc00":1}', '{"a":"\\ud83d"}', '["\\ud800x"]'):
        with pytest.raises(JsonError):
            node(text, max_depth=100)


def test_members_and_scalars() -> None:
    found = list(members(' { "a" : [1, {"b":2}] , "\\u0062":"x\\n" , "c":-1.50 } '))
    assert [(name, text) for name, text, _ in found] == [
        ("a", '[1, {"b":2}]'),
        ("b", '"x\\n"'),
        ("c", "-1.50"),
    ]
    assert object_node([(name, value) for name, _, value in found]) == node(
        '{"c":-1.50,"b":"x\\n","a":[1,{"b":2}]}'
    )
    assert found[1][2] == string_node("x\n")
    assert list(members("{}")) == []
    assert scalars('["a\\n", 1.50, true]') == ["a\n", "1.50", "true"]
    assert (scalars('"x"'), scalars("null"), scalars("[ ]")) == (["x"], ["null"], [])
