"""Absurd numbers, times and texts in answers of SLS: an answer, or an SlsError with plain words."""

from __future__ import annotations

import json
import threading
from typing import Any, Callable

import pytest

from sls_hec_forwarder.sls.api.errors import ServiceFault, SlsError
from sls_hec_forwarder.sls.group.status import group_status
from sls_hec_standins.http import Request, Response
from sls_hec_standins.sls.app import SlsApp

from .conftest import GROUP

DEEP = "[" * 100_000 + "]" * 100_000
DIGITS = "9" * 400
#: Half a character, escape sequences for terminals of both kinds, and a turned direction.
BAD_TEXT = "\ud800 \x1b]0;title\x07\x1b[2J\x9b2J \u202egnp.exe \u2028 line"
ABSURD = {
    "infinity": "Infinity",
    "nan": "NaN",
    "1e400": "1e400",
    "400 digits": DIGITS,
    "-400 digits": f"-{DIGITS}",
    "20000 digits": "9" * 20_000,
    "digits as text": f'"{DIGITS}"',
    "deep": DEEP,
    "half a character": r'"\ud800"',
    "object": '{"a":1}',
    "fraction": "1.5",
    "true": "true",
}
BODIES = {
    "ListConsumerGroup": '[{"name":"relay","timeout":%s,"order":false}]',
    "ListShards": '[{"shardID":0,"status":"readwrite","createTime":%s}]',
    "ListShards ": '[{"shardID":%s,"status":"readwrite","createTime":1}]',
    "GetCheckPoint": '[{"shard":0,"checkpoint":"MQ==","consumer":"","updateTime":%s}]',
    "GetCheckPoint ": '[{"shard":%s,"checkpoint":"MQ==","consumer":"","updateTime":1}]',
    "GetCursor": '{"cursor":%s}',
    "GetCursorTime": '{"cursor_time":%s}',
    "HeartBeat": "[%s]",
}
CALLS: dict[str, Callable[[Any], object]] = {
    "ListConsumerGroup": lambda client: client.list_groups(),
    "ListShards": lambda client: client.list_shards(),
    "GetCheckPoint": lambda client: client.checkpoints(),
    "GetCursor": lambda client: client.cursor(0, "begin"),
    "GetCursorTime": lambda client: client.cursor_time(0, "MQ=="),
    "HeartBeat": lambda client: client.heartbeat([]),
    "PullLogs": lambda client: client.pull(0, "MQ=="),
}


class Service:
    """The stand-in, whose answers to one call are another one's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cloud: Any) -> None:
        self.answers: dict[str, Callable[[Response], Response]] = {}
        honest = SlsApp.handle

        def handle(app: SlsApp, request: Request) -> Response:
            truth = honest(app, request)
            lie = self.answers.get(app.route(request))
            return truth if lie is None else lie(truth)

        monkeypatch.setattr(SlsApp, "handle", handle)
        cloud.make(shards=1)
        self.client = cloud.client()

    def says(self, call: str, body: bytes, status: int = 200, *more: tuple[str, str]) -> None:
        self.answers[call] = lambda answer: Response(status, [*answer.headers, *more], body)

    def header(self, call: str, name: str, value: str) -> None:
        def changed(answer: Response) -> Response:
            kept = [(each, old) for each, old in answer.headers if each.lower() != name.lower()]
            return Response(answer.status, [*kept, (name, value)], answer.body)

        self.answers[call] = changed


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, cloud: Any) -> Service:
    return Service(monkeypatch, cloud)


@pytest.mark.parametrize("call", BODIES)
@pytest.mark.parametrize("value", ABSURD)
def test_a_value_that_cannot_be(service: Service, call: str, value: str) -> None:
    service.says(call.strip(), (BODIES[call] % ABSURD[value]).encode())
    if call == "GetCursor" and value == "digits as text":  # a cursor may be any text
        assert service.client.cursor(0, "begin") == DIGITS
        return
    with pytest.raises(ServiceFault, match="not a valid answer of SLS") as told:
        CALLS[call.strip()](service.client)
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 500


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("code", ["InternalServerError", BAD_TEXT])
def test_words_that_do_not_print(service: Service, call: str, code: str) -> None:
    body = json.dumps({"errorCode": code, "errorMessage": BAD_TEXT}).encode()
    service.says(call, body, 500, ("x-log-requestid", "\x1b[2J"))
    with pytest.raises(ServiceFault) as told:
        CALLS[call](service.client)
    problem = told.value
    for text in (str(problem), problem.code, problem.request_id):
        assert text.isprintable()
        text.encode()
    assert "\\ud800" in str(problem)
    assert "\\u202egnp.exe" in str(problem)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("message", [DEEP, DIGITS, '{"a":["\\ud800"]}'])
def test_a_refusal_that_is_no_text(service: Service, call: str, message: str) -> None:
    service.says(call, f'{{"errorCode":"InternalServerError","errorMessage":{message}}}'.encode(), 500)
    with pytest.raises(SlsError) as told:
        CALLS[call](service.client)
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 1000


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 31 Dec 99999999999 23:59:59 GMT",
        "Thu, 01 Jan 1960 00:00:00 GMT",
        "x" * 5000,
        DIGITS,
        "1 2 3 4 5 6",
    ],
    ids=lambda date: date[:20],
)
def test_a_date_that_cannot_be_says_nothing_of_the_clock(service: Service, date: str) -> None:
    service.client.list_shards()
    assert service.client.clock_skew is not None
    service.header("ListShards", "Date", date)
    service.client.list_shards()
    assert service.client.clock_skew is None


@pytest.mark.parametrize("value", [DIGITS, "9" * 20_000, "-1", "1e400", "NaN", "", str(2**62)])
def test_the_time_of_a_pull_that_cannot_be_is_not_known(service: Service, cloud: Any, value: str) -> None:
    cloud.put(0, groups=3)
    begin = service.client.cursor(0, "begin")
    assert service.client.pull(0, begin).cursor_time is not None
    service.header("PullLogs", "x-log-cursor-time", value)
    answer = service.client.pull(0, begin)
    assert answer.cursor_time is None
    assert answer.groups == 3


@pytest.mark.parametrize(
    "name", ["x-log-count", "x-log-bodyrawsize", "x-log-read-last-cursor", "x-log-cursor"]
)
@pytest.mark.parametrize("value", [DIGITS, "9" * 20_000, "NaN"])
def test_the_numbers_of_a_pull_that_cannot_be_are_a_fault(
    service: Service, cloud: Any, name: str, value: str
) -> None:
    cloud.put(0, groups=3)
    begin = service.client.cursor(0, "begin")
    service.header("PullLogs", name, value)
    try:
        answer = service.client.pull(0, begin)
        answer.check()
        assert name in (
            "x-log-cursor",
            "x-log-read-last-cursor",
        )  # a cursor may be any text, and the other may lack
    except SlsError as problem:
        assert len(str(problem)) < 1000  # noqa: PT017 - both are right


def test_any_other_error_of_an_answer_is_a_fault(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def absurd(*_: object) -> None:
        raise OverflowError("cannot convert float infinity to integer")

    service.client.create_group(40, False)
    monkeypatch.setattr("sls_hec_forwarder.sls.api.read_client.rows", absurd)
    for call in ("ListConsumerGroup", "ListShards", "GetCheckPoint"):
        with pytest.raises(ServiceFault, match="not a valid answer of SLS \\(OverflowError"):
            CALLS[call](service.client)


def test_a_group_without_a_time_out_is_a_fault(service: Service) -> None:
    """No heartbeat would be in time."""
    service.says("ListConsumerGroup", f'[{{"name":"{GROUP}","timeout":0,"order":false}}]'.encode())
    with pytest.raises(ServiceFault, match="time-out of 0 s"):
        group_status(service.client)


def test_shards_that_are_not_there_start_no_threads(
    service: Service, cloud: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.put(0, groups=3)
    service.says("HeartBeat", json.dumps([0, "0", 0, -1, *range(1000, 2500)]).encode())
    before = threading.active_count()
    most = before
    member = cloud.member(watch_interval=0.2)
    eventually(lambda: set(cloud.delivered()) == cloud.truth != set(), "the shard that is there is read")

    def told() -> bool:
        nonlocal most
        most = max(most, threading.active_count())
        return any(each.name == "shards_not_listed" for each in member.conditions.standing())

    eventually(told, "the others are told")
    assert member.shards == [0]
    assert most < before + 40
    del service.answers["HeartBeat"]
    eventually(lambda: not told(), "and no more when they are not named any more")
    assert member.shards == [0]


def test_more_shards_than_one_process_reads(
    service: Service, cloud: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sls_hec_forwarder.sls.group.consumer.MOST_SHARDS", 1)
    with cloud.store.lock:
        cloud.store.split(0)
    member = cloud.member()
    eventually(lambda: member.conditions.is_active("shards_too_many", ""))
    eventually(lambda: len(member.shards) == 1)  # the condition comes first
    other = cloud.member("b")
    eventually(
        lambda: other.shards and not member.conditions.is_active("shards_too_many", ""), "it has a share"
    )
