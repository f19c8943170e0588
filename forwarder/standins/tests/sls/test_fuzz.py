"""Whatever is sent, the answer is one of the service: never an exception, never another format."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sls_hec_standins.http import Request
from sls_hec_standins.sls.routes import ROUTES

TEXT = st.text(max_size=12)
ODD_VALUES = st.sampled_from(
    [
        "",
        "0",
        "-1",
        "1e3",
        "begin",
        "end",
        "MQ==",
        "%",
        "é",
        "logs",
        "True",
        "9" * 30,
        "4" + "0" * 31,
        "*",
        "lz4",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | ODD_VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
KEYS = (
    "consumerGroup",
    "timeout",
    "order",
    "shard",
    "checkpoint",
    "logstoreName",
    "ttl",
    "shardCount",
    "shards",
)
BODIES = (
    st.just(b"")
    | st.binary(max_size=60)
    | JSON.map(lambda obj: json.dumps(obj).encode())
    | st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4).map(lambda obj: json.dumps(obj).encode())
)
NAMES = (
    *("type", "action", "cursor", "end_cursor", "count", "from", "key", "query", "pullMode", "processor"),
    *("consumer", "shard", "shardCount", "forceSuccess", "size", "offset"),
)
HEADERS = ("x-log-compresstype", "x-log-bodyrawsize", "content-type", "accept", "accept-encoding")


@st.composite
def calls(draw: st.DrawFn) -> dict[str, Any]:
    """A request near one of the calls: parts of it are right and the rest is anything."""
    route = draw(st.sampled_from(ROUTES))
    filled = [
        draw(st.sampled_from(["store", "g", "0", "9"]) | TEXT) if p[0] == "{" else p for p in route.path
    ]
    query = draw(st.dictionaries(st.sampled_from(NAMES), ODD_VALUES | TEXT, max_size=5))
    if route.query is not None and draw(st.booleans()):
        query[route.query[0]] = route.query[1][0]
    right = {"content-type": "application/x-protobuf", "x-log-compresstype": "lz4", "x-log-bodyrawsize": "20"}
    headers = draw(st.just(right) | st.dictionaries(st.sampled_from(HEADERS), ODD_VALUES, max_size=3))
    return {
        "method": draw(
            st.just(route.method) | st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "X"])
        ),
        "path": "/" + "/".join(filled),
        "query": query,
        "headers": headers,
        "body": draw(BODIES),
        "host": draw(st.sampled_from(["proj.sls.test", "sls.test", "other.sls.test", "..", ":"])),
    }


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls())
def test_signed_nonsense(ask: Any, call: dict[str, Any]) -> None:
    answer = ask(call.pop("method"), call.pop("path"), call.pop("query"), **call)
    if answer.status == 200:
        assert answer.body == b"" or answer.headers["content-type"] in (
            "application/json",
            "application/x-protobuf",
        )
    else:
        assert 400 <= answer.status < 500
        assert answer.error[1]
    assert answer.headers["x-log-requestid"]


AUTH_HEADERS = (
    *("host", "authorization", "date", "x-log-date", "x-log-apiversion", "x-log-signaturemethod"),
    *("x-acs-security-token", "x-log-content-sha256", "content-md5", "content-type"),
)
AUTH_VALUES = (
    *("", "0.6.0", "hmac-sha1", "LOG ak:x", "LOG ak:é", "LOG a:b:c"),
    *("Sun, 06 May 2018 09:44:10 GMT", "20260101T000000Z"),
    "SLS4-HMAC-SHA256 Credential=ak/20260101/r/sls/aliyun_v4_request,Signature=00",
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(AUTH_HEADERS),
        st.sampled_from(AUTH_VALUES) | st.text(st.characters(max_codepoint=255), max_size=20),
    ),
    st.binary(max_size=10),
)
def test_headers_of_strangers(ask: Any, headers: dict[str, str], body: bytes) -> None:
    request = Request("POST", "/logstores", {}, "", headers, body, "192.0.2.1", False, "/logstores")
    response = ask.app.handle(request)
    assert response.status in (400, 401)
    assert set(json.loads(response.body)) == {"errorCode", "errorMessage"}
