"""A stand-in to talk to: by the SDK over a socket, or call by call without one."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Callable
from urllib.parse import quote, urlencode

import pytest
import requests
from aliyun.log import LogClient, LogException

from sls_hec_standins.http import Clock, Request, Response
from sls_hec_standins.sls.app import SlsApp
from sls_hec_standins.sls.auth import Key, sign_v1
from sls_hec_standins.sls.service import Service
from sls_hec_standins.sls.shards import Shard
from sls_hec_standins.sls.standin import SlsStandin
from sls_hec_standins.sls.store import Logstore

NOW = 1_800_000_000.0


class Answer:
    """A response with its JSON and error code at hand."""

    def __init__(self, response: Response) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers}
        self.body = response.body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        assert self.status != 200, self.body
        assert set(self.json) == {"errorCode", "errorMessage"}
        return self.status, self.json["errorCode"]

    @property
    def message(self) -> str:
        return str(self.json["errorMessage"])


class Asker:
    """Sends signed requests to the service, without a socket, at the time `NOW`.

    There is the project "proj" with the logstore "store" of two shards.
    """

    def __init__(self) -> None:
        self.clock = Clock(lambda: NOW)
        self.service = Service.new(clock=self.clock)
        self.app = SlsApp(self.service)
        self.key = self.service.keys.put(Key("ak", "sk"))
        self.logstore: Logstore = self.service.store.create_project("proj").create_logstore("store")

    def __call__(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: bytes = b"",
        obj: Any = None,
        headers: Mapping[str, str | None] | None = None,
        host: str = "proj.sls.test",
    ) -> Answer:
        """`obj` is a body as JSON. A header given as None is left out."""
        if obj is not None:
            body = json.dumps(obj).encode()
        all_headers: dict[str, str | None] = {
            "host": host,
            "date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(self.clock.now())),
            "x-log-apiversion": "0.6.0",
            "x-log-signaturemethod": "hmac-sha1",
            "x-log-bodyrawsize": str(len(body)),
            **({"content-type": "application/json"} if body else {}),
            **({"content-md5": hashlib.md5(body).hexdigest().upper()} if body else {}),
            **(headers or {}),
        }
        sent = {name: value for name, value in all_headers.items() if value is not None}
        sent.setdefault(
            "authorization",
            f"LOG {self.key.id}:{sign_v1(self.key.secret, method, path, query or {}, sent)}",
        )
        if all_headers.get("authorization", "") is None:
            del sent["authorization"]
        request = Request(
            method=method,
            path=path,
            query=dict(query or {}),
            raw_query=urlencode(query or {}),
            headers=sent,
            body=body,
            peer="192.0.2.7",
            secure=False,
            raw_path=quote(path),
        )
        assert isinstance(self.app.route(request), str)
        return Answer(self.app.handle(request))

    def switch(self, **changes: Any) -> None:
        self.service.switches = self.service.switches.replace(changes)

    def shard(self, number: int = 0) -> Shard:
        return self.logstore.shards[number]

    def append(self, *datas: bytes, shard: int = 0) -> list[int]:
        """Store groups of one log each, as far as their count goes; returns the cursors."""
        return [self.logstore.append(data, 1, shard=shard)[1] for data in datas]


@pytest.fixture
def ask() -> Asker:
    return Asker()


@pytest.fixture
def sls() -> Iterator[SlsStandin]:
    """A running stand-in with the key "ak" and the logstore "proj/store" of two shards."""
    with SlsStandin() as standin:
        standin.add_key("ak", "sk")
        standin.create_logstore("proj", "store")
        yield standin
    assert not standin.server.app_errors


@pytest.fixture
def connect(sls: SlsStandin) -> Callable[..., Any]:
    """Makes SDK clients that use the stand-in as their proxy."""

    def make(key_id: str = "ak", secret: str = "sk", **options: Any) -> Any:
        client: Any = LogClient(sls.endpoint, key_id, secret, **options)
        client._session.proxies = {"http": sls.proxy_url}
        client._session.trust_env = False
        client.timeout = 30
        return client

    return make


@pytest.fixture
def refused() -> Callable[..., tuple[int, str]]:
    """Calls the SDK and returns the status and the code of its exception."""

    def call(function: Callable[..., Any], *args: Any, **options: Any) -> tuple[int, str]:
        with pytest.raises(LogException) as caught:
            function(*args, **options)
        return caught.value.get_resp_status(), caught.value.get_error_code()

    return call


class Admin:
    def __init__(self, sls: SlsStandin) -> None:
        self._url = sls.admin_url
        self._session = requests.Session()
        self._session.trust_env = False

    def __call__(self, method: str, path: str, obj: Any = None, **query: str) -> Any:
        """The JSON of a successful answer."""
        answer = self.raw(method, path, obj, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def raw(self, method: str, path: str, obj: Any = None, **query: str) -> requests.Response:
        body = None if obj is None else json.dumps(obj)
        return self._session.request(method, self._url + path, params=query, data=body, timeout=60)

    def refusal(self, method: str, path: str, obj: Any = None, **query: str) -> tuple[int, str]:
        answer = self.raw(method, path, obj, **query)
        return answer.status_code, answer.json()["error"]


@pytest.fixture
def admin(sls: SlsStandin) -> Admin:
    return Admin(sls)
