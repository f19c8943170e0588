"""Answers to pulls that contradict themselves: nothing may move a checkpoint over logs that were not seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

import pytest

from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.errors import CorruptPull
from sls_hec_standins.http import Request, Response
from sls_hec_standins.sls.app import SlsApp

from .api.test_pull_answer import pulled

#: Headers and body of a good answer in, those of the lie out.
Lie = Callable[["dict[str, str]", bytes], "tuple[dict[str, str], bytes]"]
GROUPS = 10


class Liar:
    """Changes the stand-in's answers to pulls that bring something."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lie: Lie | None = None
        truth = SlsApp.handle

        def handle(app: SlsApp, request: Request) -> Response:
            response = truth(app, request)
            headers = {name.lower(): value for name, value in response.headers}
            if self.lie is None or headers.get("x-log-count", "0") == "0":
                return response
            headers, body = self.lie(headers, response.body)
            return Response(200, list(headers.items()), body)

        monkeypatch.setattr(SlsApp, "handle", handle)


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch) -> Iterator[Liar]:
    liar = Liar(monkeypatch)
    yield liar
    liar.lie = None  # so that a member can stop


def moved(headers: dict[str, str], by: int) -> dict[str, str]:
    """The answer goes `by` log groups further, by all of its headers."""
    position = cursors.decode(headers["x-log-cursor"]) + by
    return {**headers, "x-log-cursor": cursors.encode(position), "x-log-read-last-cursor": str(position - 1)}


def counted(headers: dict[str, str], by: int) -> dict[str, str]:
    return {**headers, "x-log-count": str(int(headers["x-log-count"]) + by)}


def without_last(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "x-log-read-last-cursor"}


def empty(headers: dict[str, str]) -> dict[str, str]:
    return without_last({**headers, "x-log-count": "0"})


LIES: dict[str, Lie] = {
    "a count and a size, but no body": lambda h, _: (h, b""),
    "a count, but neither size nor body": lambda h, _: ({**h, "x-log-bodyrawsize": "0"}, b""),
    "a body, but no size": lambda h, b: ({**empty(h), "x-log-bodyrawsize": "0"}, b),
    "fewer than announced": lambda h, b: (counted(moved(h, 2), 2), b),
    "more than announced": lambda h, b: (counted(moved(h, -2), -2), b),
    "a count of none over a body": lambda h, b: (empty(h), b),
    "a count of none over a body, in place": lambda h, b: (empty(moved(h, -GROUPS)), b),
    "a count below zero": lambda h, b: ({**h, "x-log-count": "-1"}, b),
    "nothing, but further": lambda h, _: ({**empty(h), "x-log-bodyrawsize": "0"}, b""),
    "the next cursor goes back": lambda h, b: (without_last(moved(h, -GROUPS - 1)), b),
    "the next cursor stays": lambda h, b: (without_last(moved(h, -GROUPS)), b),
    "the next cursor is short of what came": lambda h, b: (without_last(moved(h, -1)), b),
    "the next cursor is behind more than came": lambda h, b: (without_last(moved(h, 7)), b),
    "the next cursor is no cursor": lambda h, b: (without_last({**h, "x-log-cursor": "MTIzNDU2Nzg5M"}), b),
    "what came is behind a gap": lambda h, b: (moved(h, 7), b),
    "the last cursor is another": lambda h, b: (
        {**h, "x-log-read-last-cursor": str(int(h["x-log-read-last-cursor"]) + 1)},
        b,
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_moves_no_checkpoint(
    cloud: Any, liar: Liar, eventually: Any, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    cloud.make(shards=1)
    cloud.put(0, groups=GROUPS)
    liar.lie = LIES[name]
    member = cloud.member()
    begin = cursors.encode(cloud.positions()[0].first)
    eventually(lambda: "not a transmission error" in caplog.text)
    assert sum(member.seen.failures[kind] for kind in (("pull", "corrupt"), ("pull", "wire"))) >= 3
    [state] = member.consumer.shards()
    assert (state.cursor, state.committed, state.saved) == (begin, begin, begin)
    assert cloud.records[0].checkpoint == begin
    assert member.sink.events == []
    assert member.seen.lost == []
    liar.lie = None
    eventually(lambda: set(cloud.delivered()) == cloud.truth, timeout=120)
    assert set(cloud.delivered().values()) == {1}


def test_a_shard_is_not_at_its_end_because_one_answer_is_empty(
    cloud: Any, liar: Liar, eventually: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A read-only shard that was read to its end is not pulled any more."""
    cloud.make(shards=1)
    cloud.put(0, groups=GROUPS)
    with cloud.store.lock:
        cloud.store.split(0)
    liar.lie = lambda h, _: ({**empty(moved(h, -GROUPS)), "x-log-bodyrawsize": "0"}, b"")
    member = cloud.member()
    eventually(lambda: "not a transmission error" in caplog.text)
    assert member.seen.failures["pull", "wire"] >= 3
    liar.lie = None
    eventually(lambda: set(cloud.delivered()) == cloud.truth, timeout=120)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"groups": -1}, "a negative size"),
        ({"raw_bytes": -1}, "a negative size"),
        ({"raw_bytes": 0, "body": b""}, "no body"),
        ({"raw_bytes": 0, "groups": 0, "compression": "", "body": b"x"}, "no size"),
        ({"next_cursor": cursors.encode(100)}, "equals the requested one"),
        ({"next_cursor": cursors.encode(99)}, "before the requested one"),
        ({"next_cursor": cursors.encode(99), "filtered": True}, "before the requested one"),
        ({"cursor": "opaque", "next_cursor": "opaque"}, "equals the requested one"),
        ({"next_cursor": "opaque", "first_cursor": None}, "is not a cursor"),
        ({"next_cursor": "opaque", "first_cursor": None, "filtered": True}, "is not a cursor"),
        ({"next_cursor": cursors.encode(102)}, "more log groups"),
        ({"first_cursor": 101}, "the last log group read is at 103"),
    ],
)
def test_what_contradicts_itself(changes: dict[str, Any], part: str) -> None:
    with pytest.raises(CorruptPull, match=part):
        pulled(**changes).check()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"groups": 0, "first_cursor": None, "raw_bytes": 0, "body": b"", "next_cursor": cursors.encode(100)},
        # What nothing takes when it is compressed.
        {
            "groups": 0,
            "first_cursor": None,
            "raw_bytes": 0,
            "body": b"\0",
            "next_cursor": cursors.encode(100),
        },
        {"filtered": True, "first_cursor": None, "next_cursor": cursors.encode(900)},
        {"filtered": True, "groups": 5, "first_cursor": None},
        {"cursor": "opaque", "next_cursor": "other", "first_cursor": None},
        {"first_cursor": 107, "next_cursor": cursors.encode(110)},  # a gap, which is looked into
    ],
)
def test_what_does_not(changes: dict[str, Any]) -> None:
    pulled(**changes).check()


def test_a_gap_is_counted() -> None:
    assert pulled().missing == 0
    assert pulled(first_cursor=107, next_cursor=cursors.encode(110)).missing == 7
    assert pulled(first_cursor=107, next_cursor=cursors.encode(110)).first_position == 107
    assert pulled(first_cursor=None, next_cursor=cursors.encode(104)).missing == 1
    assert pulled(groups=0, first_cursor=None, next_cursor=cursors.encode(104)).missing == 4
    assert pulled(filtered=True, next_cursor=cursors.encode(110)).missing == 0
    assert pulled(cursor="opaque").missing == 0
