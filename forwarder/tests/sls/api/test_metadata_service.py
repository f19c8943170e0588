"""The ECS metadata service: with a token and without, and answers that are none."""

from __future__ import annotations

import itertools
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable

import pytest

from sls_hec_forwarder.sls.api import metadata_service
from sls_hec_forwarder.sls.api.errors import AuthFailed, ServiceFault, SlsError
from sls_hec_forwarder.sls.api.metadata_service import Grant, fetch, read_grant

from ...http.scripted import answer, read_request, scripted

GOOD = {
    "Code": "Success",
    "AccessKeyId": "role-key",
    "AccessKeySecret": "s3cret",
    "SecurityToken": "st",
    "Expiration": "2036-01-01T00:00:00Z",
}
TOKEN = "AQAA-t0ken-of-the-service=="
ROLE = "/latest/meta-data/ram/security-credentials/my-role"

#: Answer to the request for a token, and to one for credentials with the token that came with it.
PutAnswer = Callable[[str], bytes]
GetAnswer = Callable[[str], bytes]


class Service:
    """Answers by method; keeps the first line and the token of each request."""

    def __init__(self, put: PutAnswer, get: GetAnswer) -> None:
        self.requests: list[tuple[str, str]] = []
        self._put = put
        self._get = get

    def serve(self, sock: socket.socket) -> None:
        head, _ = read_request(sock)
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        token = headers.get("x-aliyun-ecs-metadata-token", "")
        method, path, _ = first.split(" ")
        self.requests.append((f"{method} {path}", token))
        if method == "PUT":
            sock.sendall(self._put(headers.get("x-aliyun-ecs-metadata-token-ttl-seconds", "")))
        else:
            sock.sendall(self._get(token))


@contextmanager
def service(put: PutAnswer, get: GetAnswer) -> Iterator[tuple[Service, str]]:
    found = Service(put, get)
    with scripted(found.serve) as port:
        yield found, f"http://127.0.0.1:{port}"


def credentials(_: str = "") -> bytes:
    return answer(json.dumps(GOOD).encode())


def says(status: str, body: bytes = b"<html>no</html>", *headers: str) -> Callable[[str], bytes]:
    return lambda _: answer(body, status, *headers)


def hands_out_a_token(life: str) -> bytes:
    return answer(TOKEN.encode()) if 1 <= int(life) <= 21600 else answer(b"", "400 Bad Request")


def hardened(token: str) -> bytes:
    return credentials() if token == TOKEN else answer(b"<html>403 - Forbidden</html>", "403 Forbidden")


def test_a_service_that_wants_a_token() -> None:
    with service(hands_out_a_token, hardened) as (found, url):
        grant = fetch("my-role", url)
    assert grant.key.get_access_key_id() == "role-key"
    assert grant.expires == 2082758400
    assert found.requests == [("PUT /latest/api/token", ""), (f"GET {ROLE}", TOKEN)]


@pytest.mark.parametrize("status", ["404 Not Found", "405 Not Allowed", "501 Not Implemented"])
def test_a_service_that_knows_no_tokens(status: str) -> None:
    with service(says(status), credentials) as (found, url):
        assert fetch("my-role", url).key.get_security_token() == "st"
    assert found.requests[1] == (f"GET {ROLE}", "")


def test_a_token_that_does_not_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: the answer with the token may not pass one more network."""
    monkeypatch.setattr(metadata_service, "_TOKEN_TIME", 0.2)

    def silent(sock: socket.socket) -> None:
        read_request(sock)
        sock.recv(1)  # until the other side gives up

    def plain(sock: socket.socket) -> None:
        Service(says("404 Not Found"), credentials).serve(sock)

    with scripted(silent, plain) as port:
        assert isinstance(fetch("my-role", f"http://127.0.0.1:{port}"), Grant)

    def refuses(sock: socket.socket) -> None:
        Service(says("404 Not Found"), hardened).serve(sock)

    with scripted(silent, refuses) as port, pytest.raises(AuthFailed, match="HttpPutResponseHopLimit"):
        fetch("my-role", f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("put", "get", "kind", "parts"),
    [
        (hands_out_a_token, says("404 Not Found"), AuthFailed, ("no RAM role 'my-role'", "SLS_RAM_ROLE")),
        (hands_out_a_token, says("403 Forbidden"), AuthFailed, ("its own token (HTTP 403)", "is enabled")),
        (says("403 Forbidden"), hardened, AuthFailed, ("without a token (HTTP 403)", "/api/token was")),
        (says("500 Broken"), credentials, ServiceFault, ("HTTP 500", "for a token")),
        (says("302 Found", b"", "Location: /other"), credentials, ServiceFault, ("HTTP 302",)),
        (hands_out_a_token, says("302 Found", b"", "Location: /other"), ServiceFault, ("HTTP 302",)),
        (says("200 OK", b"<html>a portal</html>\n<p>"), credentials, ServiceFault, ("with something else",)),
        (says("200 OK", b""), credentials, ServiceFault, ("with something else",)),
        (hands_out_a_token, says("200 OK", b"<html>"), ServiceFault, ("not JSON",)),
        (hands_out_a_token, says("200 OK", b"[" * 60_000), ServiceFault, ("not JSON",)),
        (hands_out_a_token, says("200 OK", b"x" * 200_000), ServiceFault, ("more than 64 kB",)),
        (lambda _: b"\x00" * 50 + b"\r\n\r\n", hardened, AuthFailed, ("issued none: no answer",)),
        (hands_out_a_token, lambda _: b"SSH-2.0\r\n", ServiceFault, ("no answer from the metadata",)),
        (hands_out_a_token, lambda _: answer(b"half")[:-1], ServiceFault, ("no answer from the metadata",)),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_told_without_secrets(
    put: PutAnswer, get: GetAnswer, kind: type[SlsError], parts: tuple[str, ...]
) -> None:
    with service(put, get) as (found, url), pytest.raises(kind) as caught:
        fetch("my-role", url)
    text = str(caught.value)
    assert url in text or "metadata service" in text or "RAM role" in text
    for part in parts:
        assert part in text
    assert TOKEN not in text
    assert "AccessKey" not in text
    assert "\n" not in text
    assert all(path in ("PUT /latest/api/token", f"GET {ROLE}") for path, _ in found.requests)


def test_an_answer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """One deadline for everything, not one for each byte."""
    monkeypatch.setattr(metadata_service, "DEADLINE", 1.0)
    monkeypatch.setattr(metadata_service, "_TOKEN_TIME", 0.3)

    def drip(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in itertools.count():
            sock.sendall(b"x-%d: y\r\n" % number)
            time.sleep(0.02)

    begun = time.monotonic()
    with scripted(drip) as port, pytest.raises(ServiceFault, match="in time"):
        fetch("my-role", f"http://127.0.0.1:{port}")
    assert time.monotonic() - begun < 30  # it would be for ever


def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with service(hands_out_a_token, hardened) as (_, url):
        assert isinstance(fetch("my-role", url), Grant)


def test_nobody_there() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        with pytest.raises(ServiceFault, match=f"no answer from the metadata service at {url}"):
            fetch("my-role", url)


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        {},
        {"Code": "Failed"},
        {"AccessKeyId": "a", "AccessKeySecret": "s3cret", "SecurityToken": "t", "Expiration": "soon"},
        {"AccessKeyId": "a", "AccessKeySecret": "s3cret", "SecurityToken": "t"},
    ],
)
def test_answers_without_credentials(found: object) -> None:
    with pytest.raises(ServiceFault) as caught:
        read_grant(found)
    assert "s3cret" not in str(caught.value)
