"""What is kept of indexed events, and the comparison with the truth."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from sls_hec_standins.hec.compare import compare, flatten, identity, read_rows
from sls_hec_standins.hec.envelopes import Event, Refused
from sls_hec_standins.hec.store import Store
from sls_hec_standins.hec.unfold import Unfold


def row(index: int, **changes: Any) -> dict[str, Any]:
    """A row of the truth as the SLS stand-in tells it."""
    return {
        "project": "p",
        "logstore": "l",
        "shard": 0,
        "cursor": 1_700_000_000_000_000_000,
        "index": index,
        "receive_time": 1_700_000_000.0,
        "topic": "audit_log",
        "source": "10.0.0.1",
        "time": 1_700_000_000,
        "time_ns": 5,
        "tags": [["__hostname__", "h"]],
        "contents": [["key", "first"], ["number", str(index)], ["key", "last"]],
        **changes,
    }


def event(made: dict[str, Any], *, latency: float = 1.0, **changes: Any) -> Event:
    """The event a faithful relay would have had indexed for a row."""
    source, sls_id = identity(made)
    time = changes.pop("time", f"{made['time']}.{made['time_ns'] or 0:09d}")
    text = changes.pop("event", json.dumps(flatten(made)).encode())
    content = {
        "envelope": b'{"event":%s}' % text,
        "time": time,
        "host": "h",
        "source": source,
        "sourcetype": "aliyun",
        "index": "main",
        "fields": {"sls_id": sls_id},
        "received": made["receive_time"] + latency,
        "node": 0,
        "batch": 1,
    }
    return Event(**{**content, **changes})


def filled(*events: Event, keep: int | None = None) -> Store:
    store = Store(keep)
    store.add(events)
    return store


def test_flatten() -> None:
    """Metadata first, tags prefixed, the last of repeated keys wins."""
    assert identity(row(3)) == ("sls:p/l", "0|1700000000000000000|3")
    assert flatten(row(3)) == {
        "__topic__": "audit_log",
        "__source__": "10.0.0.1",
        "__tag__:__hostname__": "h",
        "key": "last",
        "number": "3",
    }


@pytest.mark.parametrize("keep", [None, 0, 2, 100])
def test_exact(keep: int | None) -> None:
    rows = [row(n) for n in range(10)]
    store = filled(*(event(made, latency=n) for n, made in enumerate(rows)), keep=keep)
    result = compare(store, rows, check_time=True)
    assert result.exact
    assert (result.expected, result.found) == (10, 10)
    assert (result.latency_p50, result.latency_p99, result.latency_max) == (4.0, 8.0, 9.0)
    assert "expected             10" in str(result)


@pytest.mark.parametrize("keep", [None, 0, 1, 3])
def test_each_defect_is_found(keep: int | None) -> None:
    rows = [row(n) for n in range(6)]
    altered = event(rows[2], event=b'{"__topic__":"other"}')
    foreign = event(row(99))
    late = event(rows[3], time="1700000001")
    anonymous = event(rows[4], fields={})
    store = filled(
        event(rows[0]), event(rows[0]), event(rows[0]), altered, foreign, late, anonymous, event(rows[5]),
        keep=keep,
    )  # fmt: skip
    result = compare(store, rows, check_time=True)
    assert not result.complete
    assert (result.expected, result.found, result.missing, result.duplicates) == (6, 4, 2, 2)
    assert (result.unexpected, result.mismatches, result.unidentified) == (1, 2, 1)
    base = "sls:p/l 0|1700000000000000000|"
    assert result.samples == {
        "duplicates": [base + "0"],
        "mismatches": [base + "2", base + "3"],
        "missing": [base + "1", base + "4"],
        "unexpected": [base + "99"],
    }
    assert compare(store, rows).mismatches == 1
    assert result.as_json()["exact"] is False


def test_copies_are_complete_but_not_exact() -> None:
    result = compare(filled(event(row(0)), event(row(0), latency=9)), [row(0)])
    assert (result.complete, result.exact, result.latency_max) == (True, False, 1.0)


def test_an_altered_copy_is_a_mismatch() -> None:
    result = compare(filled(event(row(0)), event(row(0), event=b'"x"')), [row(0)])
    assert result.mismatches == 1


UNFOLD = Unfold.parse('{"audit_log": ["detail", "absent"], "pre*": ["detail"]}')


def unfolding(made: dict[str, Any], value: str) -> Event:
    """The event of a relay that sent the JSON text `value` for the field detail."""
    flat = json.dumps({name: text for name, text in flatten(made).items() if name != "detail"})
    return event(made, event=f'{flat[:-1]},"detail":{value}}}'.encode())


@pytest.mark.parametrize("keep", [None, 0])
def test_unfolded_fields_are_compared_as_json(keep: int | None) -> None:
    texts = ['{"a": [1, {"b": "x"}]}', "[]", "7", "{no json"]
    rows = [row(n, contents=[["detail", text]]) for n, text in enumerate(texts)]
    values = [texts[0], "[]", '"7"', '"{no json"']
    faithful = [unfolding(each, value) for each, value in zip(rows, values)]
    assert compare(filled(*faithful, keep=keep), rows, unfold=UNFOLD).exact
    assert compare(filled(*faithful, keep=keep), rows).mismatches == 2
    folded = filled(*map(event, rows), keep=keep)
    assert compare(folded, rows).exact
    assert compare(folded, rows, unfold=UNFOLD).mismatches == 2


@pytest.mark.parametrize("keep", [None, 0])
@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ('{"a":true}', '{"a":1}'),
        ('{"a":0.1000000000000000000001}', '{"a":0.1}'),
        ('{"a":1}', '{"a":1.0}'),
        ('{"a":12345678901234567890123}', '{"a":12345678901234567890124}'),
        ('{"a":"1"}', '{"a":1}'),
        ('{"a":1,"a":2}', '{"a":2}'),
    ],
)
def test_numbers_and_types_are_compared_exactly(keep: int | None, written: str, sent: str) -> None:
    made = row(0, contents=[["detail", written]])
    assert compare(filled(unfolding(made, written), keep=keep), [made], unfold=UNFOLD).exact
    assert compare(filled(unfolding(made, sent), keep=keep), [made], unfold=UNFOLD).mismatches == 1


def test_a_name_that_is_sent_twice_is_a_mismatch() -> None:
    made = row(0, contents=[["k", "first"], ["k", "last"]])
    twice = event(made, event=b'{"__topic__":"audit_log","__source__":"10.0.0.1","__tag__:__hostname__":"h",'
                  b'"k":"first","k":"last"}')  # fmt: skip
    assert compare(filled(event(made)), [made]).exact
    assert compare(filled(twice), [made]).mismatches == 1


def test_unfolding_goes_by_topic() -> None:
    """The topic of a rule is exact or a prefix, as in RELAY_UNFOLD; a tag of the field's name stays text."""
    text = '{"a":1}'
    topics = {"audit_log": True, "prefix": True, "pre": True, "audit_logs": False, "other": False, "": False}
    rows = [
        row(n, topic=topic, contents=[["detail", text], ["more", text]], tags=[["detail", text]])
        for n, topic in enumerate(topics)
    ]
    sent = [unfolding(each, text if topics[each["topic"]] else json.dumps(text)) for each in rows]
    assert compare(filled(*sent), rows, unfold=UNFOLD).exact
    assert compare(filled(*sent), rows, unfold=Unfold.parse("detail")).mismatches == 3
    assert Unfold.parse("detail,event").fields("any") == {"detail", "event"}
    for wrong in ('{"a":"b"}', '{"a":[1]}', "{", '{"a":' * 20_000):
        with pytest.raises(ValueError, match=r"^unfold is"):
            Unfold.parse(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 101 + "]" * 101,
        "[" * 20_000 + "]" * 20_000,
        "[" * 20_000,
        '{"a":NaN}',
        '{"a":"\\ud800"}',
        '"x"',
    ],
    ids=["101", "deep", "open", "NaN", "surrogate", "string"],
)
def test_what_is_no_json_stays_text(text: str) -> None:
    made = row(0, contents=[["detail", text]])
    assert compare(filled(event(made)), [made], unfold=UNFOLD).exact


def test_a_value_that_is_not_utf8_stays_text() -> None:
    """The truth shows U+FFFD for it, which would be JSON."""
    made = row(0, contents=[["detail", '{"a":"\ufffd"}']])
    assert compare(filled(unfolding(made, '{"a":"\ufffd"}')), [made], unfold=UNFOLD).exact
    made["not_utf8"] = [0]
    assert compare(filled(event(made)), [made], unfold=UNFOLD).exact


def test_depth_up_to_the_limit_is_json() -> None:
    text = "[" * 100 + "]" * 100
    made = row(0, contents=[["detail", text]])
    assert compare(filled(unfolding(made, text)), [made], unfold=UNFOLD).exact
    assert compare(filled(event(made)), [made], unfold=UNFOLD).mismatches == 1


@pytest.mark.parametrize("keep", [None, 0])
def test_copies_are_weighed(keep: int | None) -> None:
    copies = [event(row(0), latency=n) for n in range(4)]
    result = compare(filled(*copies, keep=keep), [row(0)], allowed_duplicates=2)
    assert (result.duplicates, result.excess_duplicates, result.acceptable, result.exact) == (
        3,
        1,
        False,
        False,
    )
    assert result.duplicate_bytes == 3 * len(copies[0].envelope)
    assert compare(filled(*copies), [row(0)], allowed_duplicates=3).acceptable
    assert not compare(Store(), [row(0)], allowed_duplicates=3).acceptable


def test_what_was_refused_is_told() -> None:
    store = filled(event(row(0)))
    for n in (0, 1):
        store.refuse(Refused(*identity(row(n)), 7))
    result = compare(store, [row(n) for n in range(3)])
    assert (result.missing, result.refused) == (2, 1)
    assert result.samples["refused"] == ["sls:p/l 0|1700000000000000000|1"]


def test_nothing_at_all() -> None:
    result = compare(Store(), [])
    assert result.exact
    assert result.latency_max is None
    assert "latency" not in str(result)


def test_samples_are_bounded() -> None:
    result = compare(Store(), (row(n) for n in range(1000)))
    assert (result.missing, len(result.samples["missing"])) == (1000, 20)


def test_rows_without_nanoseconds() -> None:
    made = row(0, time_ns=None)
    assert compare(filled(event(made, time="1700000000")), [made], check_time=True).exact


def test_rows_from_lines() -> None:
    lines = [json.dumps(row(0)).encode() + b"\n", b"\n", json.dumps(row(1)).encode()]
    assert [made["index"] for made in read_rows(lines)] == [0, 1]
    with pytest.raises(ValueError, match="line 2 of the truth lacks contents, cursor, index, source"):
        list(read_rows([lines[0], b'{"project":"p","logstore":"l","shard":0,"receive_time":1}']))
    with pytest.raises(ValueError, match="line 1 of the truth lacks"):
        list(read_rows([b"7"]))


def test_keep_bounds_the_events_and_nothing_else() -> None:
    store = filled(*(event(row(n)) for n in range(10)), event(row(0)), keep=3)
    assert [e.fields["sls_id"][-1] for e in store.newest()] == ["0", "9", "8"]
    assert store.counts() == {("main", "aliyun", "sls:p/l"): 11}
    assert sum(store.identities().values()) == 11
    assert store.summary() == {
        "events": 11,
        "bytes": 0,
        "skipped": 0,
        "identities": 10,
        "duplicates": 1,
        "unidentified": 0,
        "held": 3,
    }


def test_test_events_of_a_check_are_no_defect() -> None:
    store = filled(event(row(0)), event(row(1), fields={"sls_hec_test": "true"}))
    result = compare(store, [row(0)])
    assert (result.complete, result.unidentified) == (True, 0)
    assert compare(filled(event(row(1), fields={"sls_hec_test": "false"})), []).unidentified == 1


def test_clear() -> None:
    store = filled(event(row(0)), event(row(1), fields={}))
    store.clear()
    assert set(store.summary().values()) == {0}


def test_find() -> None:
    store = filled(
        event(row(0), index="a", fields={"sls_id": "x", "list": ["p", "q"]}),
        event(row(1), index="b"),
        event(row(2), event=b'"text"'),
    )
    assert [e.index for e in store.find()] == ["main", "b", "a"]
    assert len(store.find(limit=1)) == 1
    assert [e.index for e in store.find(wanted={"index": "b"})] == ["b"]
    assert [e.index for e in store.find(wanted={"number": "0", "__topic__": "audit_log"})] == ["a"]
    assert [e.index for e in store.find(wanted={"list": "q"})] == ["a"]
    assert store.find(wanted={"number": "7"}) == []


def test_find_by_what_was_sent() -> None:
    deep = b"[" * 20_000 + b"]" * 20_000
    store = filled(event(row(0), event=b'{"deep":%s,"n":0.10,"yes":true,"list":["a",1e999]}' % deep))
    for name, text in (("n", "0.10"), ("yes", "true"), ("list", "a"), ("list", "1e999")):
        assert len(store.find(wanted={name: text})) == 1
    assert store.find(wanted={"n": "0.1"}) == []


def test_many_threads() -> None:
    store = Store(keep=5)

    def fill(first: int) -> None:
        for n in range(first, first + 100):
            store.add([event(row(n))])

    threads = [threading.Thread(target=fill, args=(first,)) for first in range(0, 800, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert compare(store, [row(n) for n in range(800)]).exact
