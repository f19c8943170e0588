"""The metadata service of an ECS instance: temporary credentials of the RAM role that is attached to it.

`GET <metadata>/latest/meta-data/ram/security-credentials/<role>` answers JSON with AccessKeyId,
AccessKeySecret, SecurityToken and Expiration (UTC); the Go SDK reads the same (credentials provider "ECS RAM
role"). In security-hardening mode the service wants a token with it, which `PUT <metadata>/latest/api/token`
hands out (ECS User Guide, "Instance metadata access modes"); older services do not know that path.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, cast
from urllib.parse import quote, urlsplit

from sls_hec_forwarder.outside import iso_time, parse_json
from sls_hec_forwarder.sls.access_key import AccessKey
from sls_hec_forwarder.sls.errors import AuthFailed, ServiceFault, SlsError

#: Time (seconds) for everything; the service is on the same machine.
DEADLINE = 7.0
#: Of that, time (seconds) for the token. Its answer may not reach a container: the instance's setting
#: HttpPutResponseHopLimit counts networks, and 1 of them is the default.
_TOKEN_TIME = 2.0
#: Time (seconds) for which a token is asked for; it is used at once and forgotten.
_TOKEN_LIFE = 60
#: Longest answer (bytes) that is read; credentials take about 1 kB.
_MOST = 64 * 1024

_TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
_ROLE_PATH = "/latest/meta-data/ram/security-credentials/"
#: Answers to the request for a token with which it is tried without one: what services that know no tokens
#: say, and what a filter in front of one says. If a token is needed then, the next request is refused.
_WITHOUT_TOKEN = (403, 404, 405, 501)


@dataclass(frozen=True)
class Grant:
    """Credentials and the time (unix seconds) at which they expire."""

    key: AccessKey
    expires: float


def read_grant(answer: object) -> Grant:
    """Credentials from the metadata service's JSON. Raises ServiceFault when it holds none."""
    try:
        assert isinstance(answer, dict)
        if answer.get("Code", "Success") != "Success":
            raise ServiceFault(f"the metadata service answers {str(answer['Code'])[:100]!r}")
        return Grant(
            AccessKey(
                *(_key_part(answer, name) for name in ("AccessKeyId", "AccessKeySecret", "SecurityToken"))
            ),
            iso_time(answer["Expiration"]),
        )
    except (AssertionError, KeyError, ValueError) as problem:
        # Not the answer itself: it may hold half of the credentials.
        raise ServiceFault(f"the metadata service's answer lacks {problem}") from None


def _key_part(answer: Mapping[str, object], name: str) -> str:
    """It has to stand in a header, and an error about one that cannot would quote it."""
    value = answer[name]
    if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
        raise ValueError(f"a usable {name}")
    return value


def fetch(role: str, metadata_url: str, clock: Callable[[], float] = time.monotonic) -> Grant:
    """Ask the metadata service. Raises ServiceFault, or AuthFailed when somebody has to change something."""
    until = clock() + DEADLINE
    service = _Service(metadata_url, clock)
    token, tokenless = _token(service, min(until, clock() + _TOKEN_TIME))
    status, body = service.ask(
        "GET",
        _ROLE_PATH + quote(role, safe=""),
        {"X-aliyun-ecs-metadata-token": token} if token else {},
        until,
    )
    if status == 404:
        raise AuthFailed(
            f"this machine has no RAM role {role!r}: check SLS_RAM_ROLE, and that the role is attached to "
            "this ECS instance",
            status=404,
        )
    if status in (401, 403):
        raise AuthFailed(f"{service} {_refused(status, tokenless)}", status=status)
    if status != 200:
        raise ServiceFault(f"{service} answers HTTP {status}", status=status)
    return read_grant(_json(body))


def _token(service: _Service, until: float) -> tuple[str, str]:
    """The token, or "" and why there is none: the service may do without."""
    try:
        status, body = service.ask(
            "PUT", _TOKEN_PATH, {"X-aliyun-ecs-metadata-token-ttl-seconds": str(_TOKEN_LIFE)}, until
        )
    except NoAnswer as problem:
        return "", f"{problem}; if it is in a container, raise the instance's HttpPutResponseHopLimit"
    if status in _WITHOUT_TOKEN:
        return "", f"PUT {_TOKEN_PATH} is answered with HTTP {status}"
    if status != 200:
        raise ServiceFault(f"{service} answers HTTP {status} when asked for a token", status=status)
    token = body.decode("latin-1").strip()
    if not (token.isascii() and token.isprintable() and token and " " not in token):
        raise ServiceFault(f"{service} answers something else than a token", status=status)
    return token, ""


def _refused(status: int, tokenless: str) -> str:
    access = (
        "check that access to instance metadata is enabled for this ECS instance, and that no firewall or "
        "proxy answers in its place"
    )
    if tokenless:
        return f"refuses a request without a token (HTTP {status}), and gave none: {tokenless}; {access}"
    return f"refuses its own token (HTTP {status}): {access}"


def _json(body: bytes) -> object:
    try:
        return parse_json(body)
    except ValueError:
        raise ServiceFault("the metadata service's answer is not JSON") from None


_WHERE = "check SLS_METADATA_URL, and that this is an ECS instance"


class NoAnswer(ServiceFault):
    """There was no answer, or not in time."""


class _Service:
    """Sends single requests, each ended by its deadline, whatever the other side does.

    No proxy: the service is link-local, and a proxy would ask its own machine's. No redirect is followed: the
    token and the credentials are for this address only.
    """

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        self._url = url
        self._clock = clock
        parts = urlsplit(url)
        self._tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._netloc = parts.netloc.rpartition("@")[2]
        self._base = parts.path.rstrip("/")

    def __str__(self) -> str:
        return f"the metadata service at {self._url}"

    def ask(self, method: str, path: str, headers: dict[str, str], until: float) -> tuple[int, bytes]:
        """Status and body. Raises NoAnswer when there is none by `until`, on the clock."""
        lines = [f"{method} {self._base}{path} HTTP/1.1", f"Host: {self._netloc}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Content-Length: 0"] * (method == "PUT")
        request = "\r\n".join([*lines, "", ""]).encode("latin-1")
        try:
            with self._connect(until) as sock:
                sock.sendall(request)
                return _parsed(self._read(sock, until))
        except SlsError:
            raise
        except socket.timeout:
            raise self._late() from None
        except (OSError, ValueError, http.client.HTTPException) as problem:
            raise NoAnswer(f"no answer from {self} ({type(problem).__name__}): {_WHERE}") from problem

    def _connect(self, until: float) -> socket.socket:
        sock = socket.create_connection((self._host, self._port), self._left(until))
        if not self._tls:
            return sock
        try:
            return ssl.create_default_context().wrap_socket(sock, server_hostname=self._host)
        except BaseException:
            sock.close()
            raise

    def _left(self, until: float) -> float:
        left = until - self._clock()
        if left <= 0:
            raise self._late()
        return left

    def _late(self) -> NoAnswer:
        return NoAnswer(f"no answer from {self} in time: {_WHERE}")

    def _read(self, sock: socket.socket, until: float) -> bytes:
        """All that comes, up to the end of the answer or of the connection."""
        data = b""
        while True:
            sock.settimeout(self._left(until))
            more = sock.recv(_MOST)
            data += more
            if not more or _complete(data):
                return data
            if len(data) > _MOST:
                raise ServiceFault(f"{self} answers more than {_MOST // 1024} kB")


class _Bytes:
    """What http.client wants to read an answer from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _complete(data: bytes) -> bool:
    """Whether an answer with a Content-Length has come whole; others end with the connection."""
    head, gap, body = data.partition(b"\r\n\r\n")
    if not gap:
        return False
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return len(body) >= int(value)
    return False


def _parsed(data: bytes) -> tuple[int, bytes]:
    answer = http.client.HTTPResponse(cast(Any, _Bytes(data)))
    answer.begin()
    return answer.status, answer.read()
