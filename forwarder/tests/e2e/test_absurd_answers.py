"""Absurd numbers, times and texts in answers: the relay outlives each of them, and every event arrives."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, NamedTuple, Union

import pytest

from sls_hec_standins.hec.app import HecApp
from sls_hec_standins.http import Request, Response
from sls_hec_standins.sls.app import SlsApp

from .relay_process import RelayProcess
from .site import GROUP, Site, wait_until

#: Of an answer: its status, other headers and another body.
Lie = Callable[[Response], Response]
DEEP = "[" * 100_000 + "]" * 100_000
DIGITS = "9" * 400
#: Half a character, a terminal's escape sequences of both kinds, and a turned direction.
BAD_TEXT = r"\ud800 \u001b]0;title\u0007\u001b[2J\u009b2J \u202egnp.exe \u2028 line"
NO_DATE = "Fri, 31 Dec 99999999999 23:59:59 GMT"


class Row(NamedTuple):
    """`times`: so many answers of the call are lies."""

    call: str
    lie: Lie
    times: int = 1


def body(text: str, status: int = 200) -> Lie:
    return lambda answer: Response(status, answer.headers, text.encode("utf-8"))


def header(name: str, value: str) -> Lie:
    def lie(answer: Response) -> Response:
        kept = [(each, old) for each, old in answer.headers if each.lower() != name.lower()]
        return Response(answer.status, [*kept, (name, value)], answer.body)

    return lie


def refused(status: int, code: str, message: str) -> Lie:
    return body(f'{{"errorCode":"{code}","errorMessage":"{message}"}}', status)


def sls_rows() -> Iterator[Row]:
    """A few, as the relay waits after each fault; the client's own tests have a row for each value."""
    for call in ("ListConsumerGroup", "ListShards", "HeartBeat", "PullLogs", "GetCheckPoint"):
        yield Row(call, header("Date", NO_DATE))
    yield Row("ListConsumerGroup", body(f'[{{"name":"{GROUP}","timeout":Infinity,"order":false}}]'))
    yield Row("ListConsumerGroup", body(DEEP))
    yield Row("ListShards", refused(500, BAD_TEXT, BAD_TEXT))
    yield Row("HeartBeat", body("[1e400]"))
    yield Row("HeartBeat", body(DEEP))
    yield Row("HeartBeat", refused(500, "InternalServerError", BAD_TEXT))
    yield Row(
        "GetCheckPoint", body(f'[{{"shard":0,"checkpoint":"MQ==","consumer":"","updateTime":{DIGITS}}}]')
    )
    yield Row("PullLogs", header("x-log-cursor-time", DIGITS), 4)
    yield Row("PullLogs", refused(500, "InternalServerError", BAD_TEXT))
    yield Row("PullLogs", header("x-log-count", DIGITS))


def hec_rows() -> Iterator[Row]:
    """A few, too: tests/hec/api/test_answers.py has the others."""
    yield Row("event", body('{"text":"busy","code":Infinity}', 503))
    yield Row("event", body(f'{{"text":"busy","code":9,"invalid-event-number":{DIGITS}}}', 503))
    yield Row("event", body(f'{{"text":"{BAD_TEXT}","code":9}}', 503))
    yield Row("event", body(DEEP, 503))
    yield Row("event", lambda answer: header("Retry-After", NO_DATE)(body("", 503)(answer)))


class Liar:
    """Stands before a service, and takes one row of the table after the other."""

    def __init__(self, rows: list[Row]) -> None:
        self.left = rows
        self._fired = 0
        self._lock = threading.Lock()

    def answer(self, call: str, truth: Callable[[], Response]) -> Response:
        with self._lock:
            fits = [row for row in self.left if row.call == call]
            if not fits:
                lie = None
            else:
                row, lie = fits[0], fits[0].lie
                self._fired += 1
                if self._fired >= row.times:
                    self.left.remove(row)
                    self._fired = 0
        return truth() if lie is None else lie(truth())


Standin = Union["type[SlsApp]", "type[HecApp]"]


def lying(monkeypatch: pytest.MonkeyPatch, standin: Standin, rows: list[Row]) -> Liar:
    liar = Liar(rows)
    honest = standin.handle

    def handle(app: SlsApp | HecApp, request: Request) -> Response:
        return liar.answer(app.route(request), lambda: honest(app, request))  # type: ignore[arg-type]

    monkeypatch.setattr(standin, "handle", handle)
    return liar


def outlived(relay: RelayProcess, liar: Liar) -> None:
    def told_all() -> bool:
        assert relay.returncode is None, relay.log()[-5000:]
        return not liar.left

    wait_until(told_all, f"all lies are told, left: {len(liar.left)}")


def test_of_sls(tmp_path: Path, python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    liar = lying(monkeypatch, SlsApp, list(sls_rows()))
    with Site(tmp_path, shards=2) as site:
        site.load(logs=2_000)
        relay = site.relay(python, "relay-1", SLS_GROUP_TIMEOUT="60")
        outlived(relay, liar)
        site.wait_indexed(2_000)
        result = site.compare()
        assert result.exact, str(result)
        relay.wait_ready()
        assert relay.stop() == 0
        log = relay.log()
    assert "unexpected error" not in log
    assert all(line.isprintable() for line in log.splitlines())


def test_of_a_collector(tmp_path: Path, python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    liar = lying(monkeypatch, HecApp, list(hec_rows()))
    with Site(tmp_path, shards=2) as site:
        site.load(logs=2_000)
        relay = site.relay(python, "relay-1").wait_ready()
        outlived(relay, liar)
        site.wait_indexed(2_000)
        assert site.compare().complete  # the stand-in takes the events of which it says that it does not
        assert relay.stop() == 0
        log = relay.log()
    assert "unexpected error" not in log
    assert all(line.isprintable() for line in log.splitlines())
