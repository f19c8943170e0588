"""The admin API of the HEC stand-in, its page and its table."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any
from urllib.parse import quote

import pytest

from sls_hec_standins.hec import HecStandin
from sls_hec_standins.http import Fault

ROW = {
    "project": "p",
    "logstore": "l",
    "shard": 0,
    "cursor": 7,
    "index": 0,
    "receive_time": 1_699_999_990.0,
    "topic": "t",
    "source": "s",
    "time": 1_700_000_000,
    "time_ns": None,
    "tags": [],
    "contents": [["k", "v"]],
}
EVENT = json.dumps(
    {
        "time": 1_700_000_000,
        "source": "sls:p/l",
        "event": {"__topic__": "t", "__source__": "s", "k": "v"},
        "fields": {"sls_id": "0|7|0"},
    }
).encode()


class Admin:
    """Calls of the admin API."""

    def __init__(self, standin: HecStandin, connect: Any) -> None:
        self._client = connect(standin, authorization=None)
        self._client.connection = http.client.HTTPConnection("127.0.0.1", standin.admin.port, timeout=20)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body)
        return self._client.send(method, path, body)

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status == 200
        return answer.json


@pytest.fixture
def admin(hec: Any, connect: Any) -> Any:
    made = Admin(hec, connect)
    yield made
    made._client.close()


def test_state(admin: Any, client: Any, hec: Any) -> None:
    client.post(EVENT + b'{"event":"x"}!')
    state = admin.get("/state")
    assert (state["events"], state["identities"], state["unidentified"]) == (2, 1, 1)
    assert {"index": "main", "sourcetype": "httpevent", "source": "sls:p/l", "events": 1} in state["counts"]
    assert state["answers"] == [{"route": "event", "status": 400, "code": 6, "count": 1}]
    assert state["nodes"] == [{"node": 0, "up": True, "channels": 0, "open_ids": 0}]
    assert [token["name"] for token in state["tokens"]] == ["plain", "ack", "limited", "disabled", "query"]
    assert state["switches"]["max_content_length"] == 838_860_800


def test_token_values_are_never_told(admin: Any, client: Any, hec: Any) -> None:
    client.post(EVENT)
    [value] = [token.value for token in hec.tokens.all() if token.name == "plain"]
    for path in ("/state", "/requests", "/events", "/", "/table", "/faults", "/clock", "/routes"):
        assert value.encode() not in admin.call("GET", path).body
    assert value not in repr(hec.tokens.all())
    answer = admin.call("POST", "/tokens", {"token": value, "name": 7})
    assert answer.status == 400
    assert value.encode() not in answer.body


def test_events_and_search(admin: Any, client: Any) -> None:
    client.post(EVENT + b'{"event":"x"}')
    newest, oldest = admin.get("/events")
    assert newest["event"] == "x"
    assert oldest["fields"] == {"sls_id": "0|7|0"}
    assert admin.get("/events?limit=1") == [newest]
    assert admin.get("/events?source=sls:p/l&k=v") == [oldest]
    assert admin.get("/events?k=w") == []
    assert admin.call("GET", "/events?limit=x").status == 400
    assert admin.call("DELETE", "/events").status == 200
    assert admin.get("/events") == []


def test_numbers_come_back_as_they_were_sent(admin: Any, client: Any) -> None:
    event = '{"a":0.1000000000000000000001,"b":1e999,"c":12345678901234567890123,"d":1.0,"e":-0,"f":1E2}'
    fields = '{"x":0.1000000000000000000001,"y":-1e999}'
    client.post(f'{{"event":{event},"fields":{fields}}}')
    text = admin.call("GET", "/events").body.decode()
    assert f'"event": {event}' in text
    assert f'"fields": {fields}' in text
    assert "Infinity" not in text
    assert "NaN" not in text
    assert admin.get("/events?x=0.1000000000000000000001&c=12345678901234567890123") != []
    assert admin.get("/events?x=0.1") == []


def test_long_numbers_are_numbers(client: Any, admin: Any) -> None:
    digits = "1" * 20_000
    assert client.post(f'{{"event":{{"a":{digits}}}}}').brief == (200, 0, None)
    assert digits in admin.call("GET", "/events").body.decode()


def test_page_and_table(admin: Any, client: Any, hec: Any) -> None:
    client.post(b'{"event":"<script>alert(1)</script>","source":"<b>\\u001b[2J","fields":{"sls_id":"a|b"}}')
    hec.faults.add(Fault("latency", delay=0))
    page = admin.call("GET", "/")
    text = page.body.decode()
    assert page.headers["Content-Type"].startswith("text/html")
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "a|b" in text
    assert "latency" in text
    assert "http://" not in text
    table = admin.call("GET", "/table").body.decode()
    assert "\x1b" not in table
    assert "\\x1b[2J" in table
    assert table.startswith("events 1")


def test_compare_with_rows(admin: Any, client: Any) -> None:
    client.post(EVENT)
    body = json.dumps(ROW).encode() + b"\n" + json.dumps({**ROW, "index": 1}).encode()
    result = admin.call("POST", "/compare?check_time=true", body).json
    assert (result["expected"], result["missing"], result["mismatches"]) == (2, 1, 0)
    assert result["latency_max"] == 10.0
    assert result["complete"] is False
    for bad in (b"{}", b"x", json.dumps({**ROW, "tags": 5}).encode()):
        answer = admin.call("POST", "/compare", bad)
        assert answer.status == 400
        assert answer.json["error"].startswith("cannot compare: ")


def test_compare_by_topic_and_with_a_bound(admin: Any, client: Any) -> None:
    sent = json.loads(EVENT)
    sent["event"]["k"] = {"a": True}
    for _ in range(3):
        client.post(json.dumps(sent))
    body = json.dumps({**ROW, "contents": [["k", '{"a": true}']]}).encode()
    path = "/compare?unfold=" + quote('{"t":["k"]}')
    result = admin.call("POST", path, body).json
    assert (result["mismatches"], result["duplicates"], result["excess_duplicates"]) == (0, 2, 2)
    assert (result["complete"], result["acceptable"], result["exact"]) == (True, False, False)
    assert admin.call("POST", path + "&allowed_duplicates=2", body).json["acceptable"] is True
    assert admin.call("POST", "/compare?unfold=" + quote('{"u":["k"]}'), body).json["mismatches"] == 1
    for wrong in ("/compare?unfold=%7B", "/compare?allowed_duplicates=x"):
        assert admin.call("POST", wrong, body).status == 400


@pytest.mark.parametrize("depth", [2000, 100_000])
def test_deep_json_is_compared(admin: Any, client: Any, depth: int) -> None:
    deep = "[" * depth + "]" * depth
    sent = json.loads(EVENT)
    sent["event"]["k"] = deep
    client.post(json.dumps(sent))
    body = json.dumps({**ROW, "contents": [["k", deep]]}).encode()
    assert admin.call("POST", "/compare?unfold=k", body).json["exact"] is True
    assert admin.call("POST", "/compare", deep.encode()).status == 400


def test_compare_tells_what_was_refused(admin: Any, client: Any) -> None:
    wrong = json.loads(EVENT)
    wrong["time"] = "x"
    assert client.post(json.dumps(wrong)).brief == (400, 15, 0)
    result = admin.call("POST", "/compare", json.dumps(ROW).encode()).json
    assert (result["missing"], result["refused"]) == (1, 1)


def test_compare_with_an_address(admin: Any, client: Any) -> None:
    client.post(EVENT)

    class Truth(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(ROW).encode())

        def log_message(self, *args: object) -> None:
            """Not on the test's output."""

    with http.server.HTTPServer(("127.0.0.1", 0), Truth) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/truth"
        assert admin.call("POST", f"/compare?truth={url}").json["exact"] is True
        thread.join(20)
    answer = admin.call("POST", f"/compare?truth={url}")
    assert answer.status == 502
    assert answer.json["error"].startswith("cannot fetch the truth: ")
    assert admin.call("POST", "/compare?truth=file:///etc/passwd").status == 400


def test_tokens(admin: Any, client: Any, hec: Any, connect: Any) -> None:
    assert admin.call("POST", "/tokens", {"name": "plain", "disabled": True}).status == 200
    assert client.post(EVENT).brief == (403, 1, None)
    assert admin.call("POST", "/tokens", {"name": "plain", "disabled": False}).status == 200
    assert client.post(EVENT).status == 200
    assert admin.call("DELETE", "/tokens?name=plain").status == 200
    assert client.post(EVENT).brief == (403, 4, None)
    assert admin.call("POST", "/tokens", {"token": "new", "name": "n", "use_ack": True}).status == 200
    assert connect(hec, authorization="Splunk new").post(EVENT).brief == (400, 10, None)
    assert admin.call("DELETE", "/tokens?name=plain").status == 404
    wrong: list[Any] = [
        {"name": "nobody", "disabled": True},
        {"name": "n", "disabled": "yes"},
        {"name": "n", "indexes": "main"},
        {"name": "n", "connection_host": "dns"},
        {"token": "x", "colour": "red"},
        {"token": ""},
        [],
    ]
    for bad in wrong:
        answer = admin.call("POST", "/tokens", bad)
        assert answer.status == 400
        assert answer.json["error"]


def test_nodes(start: Any, connect: Any) -> None:
    hec = start(nodes=2)
    admin = Admin(hec, connect)
    assert admin.call("POST", "/nodes", {"down": 1}).status == 200
    assert [node["up"] for node in admin.get("/state")["nodes"]] == [True, False]
    assert admin.call("POST", "/nodes", {"up": 1}).status == 200
    client = connect(hec, "ack")
    client.post_acked(EVENT)
    assert admin.get("/state")["nodes"][0]["open_ids"] == 1
    assert admin.call("POST", "/nodes", {"restart": 0}).status == 200
    assert admin.get("/state")["nodes"][0]["open_ids"] == 0
    wrong: list[Any] = [{"down": 2}, {"down": -1}, {"down": True}, {"burn": 0}, {}, [], {"up": 0, "down": 1}]
    for bad in wrong:
        assert admin.call("POST", "/nodes", bad).status == 400
    admin._client.close()


def test_faults_of_hec(admin: Any, client: Any) -> None:
    assert admin.call("POST", "/faults", {"kind": "busy", "code": 26, "times": 1}).json == {"ids": [1]}
    assert client.post(EVENT).brief == (429, 26, None)
    assert client.post(EVENT).status == 200
    [fault] = admin.get("/faults")
    assert (fault["kind"], fault["fired"], fault["active"]) == ("busy", 1, False)


def test_requests(admin: Any, client: Any) -> None:
    client.post_gzip(EVENT)
    [request] = admin.get("/requests")
    assert (request["route"], request["status"], request["code"], request["events"]) == ("event", 200, 0, 1)
    assert request["size"] == len(EVENT) > request["wire_size"]
