"""Which letters are meant, and what is changed on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sls_hec_forwarder.replay.selection import CannotSend, Selection, edited
from sls_hec_forwarder.spool.dead_letter import DeadLetter

ENVELOPE = b'{"time":1700000000.123456789,"index":"a","sourcetype":"b","event":1,"fields":{"sls_id":"0|c|1"}}'
LETTER = DeadLetter(1000.5, "refused", 400, 7, "Incorrect index", "https://a", 3, ENVELOPE, refusals=2)


@pytest.mark.parametrize(
    ("meant", "wanted"),
    [
        ({}, True),
        ({"reasons": ("oversize", "refused")}, True),
        ({"reasons": ("oversize",)}, False),
        ({"statuses": (400,)}, True),
        ({"statuses": (413,)}, False),
        ({"codes": (6, 7)}, True),
        ({"codes": (None,)}, False),
        ({"shards": (3,)}, True),
        ({"shards": (0,)}, False),
        ({"ids": ("0|c|1",)}, True),
        ({"ids": ("0|c|2",)}, False),
        ({"since": 1000.5}, True),
        ({"since": 1000.6}, False),
        ({"until": 1000.5}, False),
        ({"until": 1000.6}, True),
        ({"below": 2}, False),
        ({"below": 3}, True),
        ({"envelope": (("index", ("x", "a")),)}, True),
        ({"envelope": (("index", ("a",)), ("sourcetype", ("x",)))}, False),
        ({"envelope": (("host", ("",)),)}, True),
        ({"envelope": (("index", ("",)),)}, False),
        ({"codes": (7,), "shards": (4,)}, False),
    ],
)
def test_every_field_has_to_fit(meant: dict[str, Any], wanted: bool) -> None:
    assert Selection(**meant).takes(LETTER) is wanted


def test_an_answer_without_a_code_and_an_envelope_that_is_broken() -> None:
    broken = DeadLetter(1.0, "oversize", 413, None, "", "", 0, b'{"index":"a')
    assert Selection(codes=(None,)).takes(broken)
    assert not Selection(envelope=(("index", ("a",)),)).takes(broken)
    assert not Selection(ids=("0|c|1",)).takes(broken)


def test_files_by_globs() -> None:
    assert Selection().takes_file("a.jsonl.gz")
    assert Selection(files=("b*", "a*")).takes_file("a.jsonl.gz")
    assert not Selection(files=("b*",)).takes_file("a.jsonl.gz")


def test_only_what_is_asked_for_is_changed() -> None:
    changed = edited(ENVELOPE, {"index": "main", "host": 'quo"te'})
    assert b'"time":1700000000.123456789,' in changed
    assert json.loads(changed) == {**json.loads(ENVELOPE), "index": "main", "host": 'quo"te'}
    assert edited(b"not JSON", {}) == b"not JSON"


@pytest.mark.parametrize(
    ("envelope", "edits"),
    [
        (b"not JSON", {"index": "a"}),
        (b"", {}),
        (b"  ", {}),
        (b'{"event":\n1}', {}),
        (b"\xff", {"index": "a"}),
    ],
)
def test_what_cannot_be_sent(envelope: bytes, edits: dict[str, str]) -> None:
    with pytest.raises(CannotSend):
        edited(envelope, edits)
