"""Changing one key of an envelope."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sls_hec_forwarder.wire.envelope import identity, with_key

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["time", "host", "index", "event", "fields"]) | st.text()


@given(
    whole=st.dictionaries(keys, values, max_size=6),
    key=st.sampled_from(["index", "sourcetype"]),
    value=st.text(),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
)
def test_only_that_key_changes(
    whole: dict[str, object], key: str, value: str, indent: int | None, ascii_only: bool
) -> None:
    envelope = json.dumps(whole, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
    whole = json.loads(envelope)
    changed = with_key(envelope, key, value)
    assert json.loads(changed) == {**whole, key: value}


def test_other_bytes_stay() -> None:
    envelope = b'{"time":1700000000.123456789,"index":"a","event":{"index":"b","n":1E400},"fields":{}}'
    assert with_key(envelope, "index", "c") == envelope.replace(b'"index":"a"', b'"index":"c"')
    assert with_key(b'{"event":1.10}', "index", "c") == b'{"index":"c","event":1.10}'
    assert with_key(b"{}", "index", "c") == b'{"index":"c"}'


@pytest.mark.parametrize("broken", [b"", b"[]", b"{", b'{"a"', b'{"a":', b'{"a":1', b"{1:2}\xff", b'"x"'])
def test_what_is_no_object_is_an_error(broken: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        with_key(broken, "index", "c")


def test_identity() -> None:
    assert identity(b'{"event":1,"fields":{"sls_id":"0|c|1"}}') == "0|c|1"
    for other in (b"", b"[]", b'{"fields":[]}', b'{"fields":{"sls_id":1}}', b"[" * 100_000):
        assert identity(other) is None
