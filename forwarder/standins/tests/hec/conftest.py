"""A stand-in for each test, and a plain client that sends exactly what it is told.

The tests of cases name the case (A1 to W6, B1 to B10) and who saw it: "Splunk 10.4.3" and "Splunk Cloud 10.5"
are the probes of real Splunk in the public repository ross/logit, "Splunk 10.4.2" those in mockdr/mockdr,
"local Splunk" those in fear-ai/hecpoc, "conf spec" Splunk's own text as in jewnix/splunk-spec-files.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, NamedTuple
from urllib.parse import urlsplit

import pytest

from sls_hec_standins.hec import HecStandin, Token
from sls_hec_standins.http import Clock, ThrowawayCa

PLAIN = Token("11111111-0000-0000-0000-000000000001", name="plain")
ACK = Token("11111111-0000-0000-0000-000000000002", name="ack", use_ack=True)
LIMITED = Token("11111111-0000-0000-0000-000000000003", name="limited", indexes=("main", "audit"))
DISABLED = Token("11111111-0000-0000-0000-000000000004", name="disabled", disabled=True)
QUERY = Token("11111111-0000-0000-0000-000000000005", name="query", query_string=True)

CHANNEL = "aaaaaaaa-0000-4000-8000-000000000001"
OTHER_CHANNEL = "aaaaaaaa-0000-4000-8000-000000000002"


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def brief(self) -> tuple[int, Any, Any]:
        """Status, HEC code and invalid-event-number."""
        return self.status, self.json["code"], self.json.get("invalid-event-number")


class Client:
    """One keep-alive connection to a stand-in, as one sender has it."""

    EVENT = "/services/collector/event"

    def __init__(self, url: str, authorization: str | None, context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.authorization = authorization
        self.connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection(parts.hostname, parts.port, timeout=20, context=context)
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
        )
        self.cookie: str | None = None

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """One request. Keeps a cookie as a load balancer's clients do."""
        all_headers = {"Authorization": self.authorization} if self.authorization is not None else {}
        if self.cookie:
            all_headers["Cookie"] = self.cookie
        self.connection.request(method, path, body, {**all_headers, **(headers or {})})
        got = self.connection.getresponse()
        set_cookie = got.headers["Set-Cookie"]
        if set_cookie:
            self.cookie = set_cookie.split(";")[0]
        return Answer(got.status, got.headers, got.read())

    def post(self, body: Any, path: str = EVENT, **headers: str) -> Answer:
        """POST, with headers written as keyword arguments: content_encoding="gzip"."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", path, body, named)

    def post_gzip(self, body: bytes, path: str = EVENT, **headers: str) -> Answer:
        return self.post(gzip.compress(body), path, content_encoding="gzip", **headers)

    def post_acked(self, body: Any, channel: str = CHANNEL) -> Answer:
        return self.post(body, x_splunk_request_channel=channel)

    def acks(self, numbers: list[int], channel: str = CHANNEL) -> dict[str, bool]:
        body = json.dumps({"acks": numbers})
        answer = self.post(body, f"/services/collector/ack?channel={channel}")
        assert answer.status == 200
        found: dict[str, bool] = answer.json["acks"]
        return found

    def close(self) -> None:
        self.connection.close()


@pytest.fixture
def start() -> Iterator[Callable[..., HecStandin]]:
    """Starts stand-ins with the tokens above and a clock that stands still; they must end without defects."""
    started: list[HecStandin] = []
    with contextlib.ExitStack() as stack:

        def begin(**options: Any) -> HecStandin:
            clock = Clock()
            clock.freeze(1_700_000_000.0)
            options = {
                "tokens": (PLAIN, ACK, LIMITED, DISABLED, QUERY),
                "clock": clock,
                "timeout": 20.0,
                **options,
            }
            standin = stack.enter_context(HecStandin(**options))
            started.append(standin)
            return standin

        yield begin
    for standin in started:
        assert list(standin.server.app_errors) == []
        assert list(standin.admin.app_errors) == []


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Clients: `connect(standin, token="ack")`, or `authorization=` to send something special."""
    with contextlib.ExitStack() as stack:

        def begin(
            standin: HecStandin,
            token: str = "plain",
            context: ssl.SSLContext | None = None,
            authorization: str | None = "",
        ) -> Client:
            if authorization == "":
                [value] = [t.value for t in standin.tokens.all() if t.name == token]
                authorization = f"Splunk {value}"
            client = Client(standin.url, authorization, context)
            stack.callback(client.close)
            return client

        yield begin


@pytest.fixture
def hec(start: Callable[..., HecStandin]) -> HecStandin:
    return start()


@pytest.fixture
def client(hec: HecStandin, connect: Callable[..., Client]) -> Client:
    return connect(hec)


@pytest.fixture
def ack_client(hec: HecStandin, connect: Callable[..., Client]) -> Client:
    return connect(hec, "ack")


@pytest.fixture
def texts() -> Callable[[HecStandin], list[Any]]:
    """The events held by a stand-in, decoded, oldest first."""
    return lambda standin: [json.loads(event.event) for event in standin.store.events()]


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayCa:
    folder: Path = tmp_path_factory.mktemp("ca")
    return ThrowawayCa(folder)
