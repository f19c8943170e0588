"""Cases B1 to B10: busy receivers, proxies in between, and connections that break."""

from __future__ import annotations

import http.client
from typing import Any

import pytest

from sls_hec_standins.http import Fault

BODY = b'{"event":"a"}'


@pytest.mark.parametrize("code", [9, 23])
def test_b1_busy(client: Any, hec: Any, code: int) -> None:
    """B1: conf spec, GitHub issues of several forwarders."""
    hec.faults.add(Fault("busy", code=code, times=2))
    assert [client.post(BODY).brief for _ in range(3)] == [(503, code, None)] * 2 + [(200, 0, None)]
    assert hec.store.total == 1


@pytest.mark.parametrize(("code", "text"), [(26, "HEC queue is at"), (27, "HEC ACK channel is at")])
def test_b2_too_many_requests(client: Any, hec: Any, code: int, text: str) -> None:
    """B2: conf spec since 10.0. Retry-After comes from load balancers only, so it is on request."""
    hec.faults.add(Fault("busy", code=code, retry_after=7, times=1))
    hec.faults.add(Fault("busy", code=code))
    answers = [client.post(BODY), client.post(BODY)]
    assert [answer.brief for answer in answers] == [(429, code, None)] * 2
    assert [answer.headers["Retry-After"] for answer in answers] == ["7", None]
    assert answers[0].json["text"].startswith(text)
    assert hec.store.total == 0


def test_b2_backpressure_decides_the_code(start: Any, connect: Any) -> None:
    """B2: conf spec, backpressureState."""
    hec = start(switches={"backpressure": "warn_at_80"})
    hec.faults.add(Fault("busy"))
    assert connect(hec).post(BODY).brief == (429, 26, None)


@pytest.mark.parametrize("code", [24, 25])
def test_b3_warning_is_acceptance(client: Any, hec: Any, code: int) -> None:
    """B3: conf spec since 10.0."""
    hec.faults.add(Fault("warn", code=code))
    assert client.post(BODY).brief == (200, code, None)
    assert hec.store.total == 1


@pytest.mark.parametrize("status", [503, 404])
def test_b4_rolling_restart(client: Any, hec: Any, status: int) -> None:
    """B4: conf spec (rollingRestartReturnServerBusy)."""
    hec.faults.add(Fault("error", "event", status=status, times=1))
    assert client.post(BODY).status == status
    assert client.post(BODY).status == 200
    assert hec.store.total == 1


def test_b5_internal_error(client: Any, hec: Any) -> None:
    """B5: conf spec; may have indexed."""
    hec.faults.add(Fault("error", status=500, times=1))
    assert client.post(BODY).json == {"text": "Internal server error", "code": 8}
    hec.faults.add(Fault("busy", code=8, after=1))
    assert client.post(BODY + BODY).brief == (500, 8, 1)
    assert hec.store.total == 1


@pytest.mark.parametrize("status", [502, 503, 504, 408, 413, 429, 401, 403])
def test_b6_b7_page_of_a_proxy(client: Any, hec: Any, status: int) -> None:
    """B6, B7: proxies and load balancers."""
    hec.faults.add(Fault("proxy", status=status, retry_after=3, text="<busy>"))
    answer = client.post(BODY)
    assert (answer.status, answer.headers["Retry-After"]) == (status, "3")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert b"&lt;busy&gt;" in answer.body
    assert hec.store.total == 0


@pytest.mark.parametrize("body", ["", "OK", '{"text":"Odd","code":99}', '{"text":"Success"}', '{"text"'])
@pytest.mark.parametrize("handled", [False, True])
def test_b8_strange_success(client: Any, hec: Any, body: str, handled: bool) -> None:
    """B8: 200 that is no success."""
    hec.faults.add(Fault("answer", body=body, handled=handled))
    answer = client.post(BODY)
    assert (answer.status, answer.body) == (200, body.encode())
    assert hec.store.total == handled
    assert hec.app.newest_requests()[0].code == (99 if "99" in body else None)


@pytest.mark.parametrize("status", [301, 302, 307])
def test_b9_redirect(client: Any, hec: Any, status: int) -> None:
    """B9: a sender must not follow with its token."""
    hec.faults.add(Fault("proxy", status=status, location="http://127.0.0.1:1/elsewhere"))
    answer = client.post(BODY)
    assert (answer.status, answer.headers["Location"]) == (status, "http://127.0.0.1:1/elsewhere")
    assert hec.store.total == 0


@pytest.mark.parametrize(
    ("kind", "indexed"), [("reset_before", 0), ("reset_during", 0), ("reset_after", 1), ("refuse", 0)]
)
def test_b10_connection_breaks(client: Any, hec: Any, kind: str, indexed: int) -> None:
    """B10: unknown outcome for the sender."""
    hec.faults.add(Fault(kind))
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        client.post(BODY)
    assert hec.store.total == indexed
    assert hec.faults.fired(kind=kind) == 1


def test_b10_answer_is_lost(client: Any, hec: Any) -> None:
    """B10: the batch was taken; only the second post is answered."""
    hec.lose_answers()
    with pytest.raises(ConnectionError):
        client.post(BODY)
    client.close()
    assert client.post(BODY).brief == (200, 0, None)
    assert hec.store.total == 2


def test_answers_are_counted(client: Any, hec: Any) -> None:
    hec.faults.add(Fault("error", status=503, times=1))
    hec.faults.add(Fault("proxy", status=502, times=1))
    client.post(BODY)
    client.post(BODY)
    client.post_gzip(BODY)
    client.post(b"x")
    assert hec.app.answers_given() == {
        ("event", 503, 9): 1,
        ("event", 502, None): 1,
        ("event", 200, 0): 1,
        ("event", 400, 6): 1,
    }
    taken = hec.app.newest_requests()[2]
    assert (taken.size, taken.events, taken.status, taken.node) == (len(BODY), 1, 200, 0)
    assert taken.wire_size > taken.size


def test_error_in_words_of_ones_own(client: Any, hec: Any) -> None:
    fault = Fault("error", status=418, code=99, text="teapot", headers={"X-Cause": "test"}, times=1)
    hec.faults.add(fault)
    answer = client.post(BODY)
    assert (answer.status, answer.json) == (418, {"text": "teapot", "code": 99})
    assert answer.headers["X-Cause"] == "test"
