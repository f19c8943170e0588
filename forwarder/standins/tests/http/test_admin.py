"""The admin API and the clock."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from sls_hec_standins.http import Clock, Fault, Faults, Response, admin_server


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def clock() -> Clock:
    return Clock(source=lambda: 100.0)


@pytest.fixture
def call(faults: Faults, clock: Clock) -> Any:
    extra = {
        ("GET", "/extra"): lambda _: Response(200, (), b"extra"),
        ("PUT", "/extra"): lambda _: Response(200),
    }
    with admin_server(faults, clock, extra) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)

        def send(method: str, path: str, body: Any = None) -> tuple[int, Any]:
            text = body if isinstance(body, (bytes, type(None))) else json.dumps(body)
            connection.request(method, path, text)
            answer = connection.getresponse()
            got = answer.read()
            return answer.status, json.loads(got) if got.startswith((b"{", b"[")) else got

        yield send
        connection.close()
        assert list(server.app_errors) == []


def test_faults_come_and_go(call: Any, faults: Faults) -> None:
    assert call("POST", "/faults", {"kind": "error", "status": 500, "times": 3}) == (200, {"ids": [1]})
    assert call("POST", "/faults", [{"kind": "hang"}, {"kind": "drip"}]) == (200, {"ids": [2, 3]})
    faults.take("error", "r")
    status, rows = call("GET", "/faults")
    assert status == 200
    assert rows[0] == {
        "id": 1,
        "active": True,
        "fired": 1,
        "kind": "error",
        "route": "*",
        "probability": 1.0,
        "times": 3,
        "seconds": None,
        "status": 500,
    }
    assert call("DELETE", "/faults?id=2") == (200, {})
    assert [row["active"] for row in call("GET", "/faults")[1]] == [True, False, True]
    assert call("DELETE", "/faults") == (200, {})
    assert faults.peek("drip") is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 100_000, {"kind": "x"}, [{"kind": "hang"}, {"kind": "x"}], 7]
)
def test_wrong_faults_change_nothing(call: Any, faults: Faults, body: Any) -> None:
    status, told = call("POST", "/faults", body)
    assert status == 400
    assert told["error"]
    assert faults.as_json() == []


def test_wrong_removals(call: Any) -> None:
    assert call("DELETE", "/faults?id=9") == (404, {"error": "no fault 9 in force"})
    assert call("DELETE", "/faults?id=x") == (400, {"error": "id must be a number, not 'x'"})


def test_routes(call: Any) -> None:
    assert call("GET", "/extra") == (200, b"extra")
    assert call("HEAD", "/extra") == (200, b"")
    assert call("POST", "/extra") == (405, {"error": "use GET or PUT here"})
    assert call("GET", "/nothing")[0] == 404
    for path in ("/", "/routes"):
        assert b"/extra           GET\n" in call("GET", path)[1]


def test_the_admin_api_has_no_faults(call: Any, faults: Faults) -> None:
    for kind in ("error", "hang", "reset_before", "refuse", "truncate"):
        faults.add(Fault(kind))
    assert call("DELETE", "/faults")[0] == 200


def test_clock_over_the_api(call: Any, clock: Clock) -> None:
    assert call("GET", "/clock") == (200, {"now": 100.0, "frozen": False})
    assert call("POST", "/clock", {"advance": 50}) == (200, {"now": 150.0, "frozen": False})
    assert call("POST", "/clock", {"set": 1.5}) == (200, {"now": 1.5, "frozen": False})
    assert call("POST", "/clock", {"freeze": None}) == (200, {"now": 1.5, "frozen": True})
    assert call("POST", "/clock", {"freeze": 9}) == (200, {"now": 9, "frozen": True})
    assert call("POST", "/clock", {"run": True})[1]["frozen"] is False
    assert clock.now() == 9


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"set": "x"},
        {"set": None},
        {"advance": True},
        {"jump": 1},
        {"run": False},
        {"set": 1, "advance": 1},
        {"set": 1e300},
        b'{"set":NaN}',
    ],
)
def test_wrong_clock_settings(call: Any, clock: Clock, body: Any) -> None:
    assert call("POST", "/clock", body)[0] == 400
    assert clock.now() == 100


def test_clock() -> None:
    now = [100.0]
    clock = Clock(source=lambda: now[0])
    assert clock.advance(600) == clock.now() == 700
    now[0] += 5
    assert clock.now() == 705
    clock.freeze()
    now[0] += 1000
    assert clock.now() == 705
    assert clock.advance(-5) == 700
    assert clock.set(50) == 50
    clock.run()
    now[0] += 1
    assert clock.now() == 51
