"""The metadata service of an ECS instance: temporary credentials of the RAM role that is attached to it.

`GET <metadata>/latest/meta-data/ram/security-credentials/<role>` answers JSON with AccessKeyId,
AccessKeySecret, SecurityToken and Expiration (UTC); the Go SDK reads the same (credentials provider "ECS RAM
role"). In security-hardening mode the service requires a token with that request. `PUT
<metadata>/latest/api/token` returns one (ECS User Guide, "Instance metadata access modes"); older services do
not have that path.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Callable
from urllib.parse import quote, urlsplit

from sls_hec_forwarder.http import connection as http
from sls_hec_forwarder.http.address import Address
from sls_hec_forwarder.http.connection import Connection
from sls_hec_forwarder.http.tls import TlsFiles
from sls_hec_forwarder.sls.api.access_key import AccessKey
from sls_hec_forwarder.sls.api.errors import AuthFailed, ServiceFault
from sls_hec_forwarder.times import parse_iso
from sls_hec_forwarder.untrusted import parse_json

#: Time (seconds) for all requests together; the service is on the same machine.
DEADLINE = 7.0
#: The part of it (seconds) for the token. That answer may not reach a container: the instance's setting
#: HttpPutResponseHopLimit limits the network hops, by default to 1.
_TOKEN_TIME = 2.0
#: Lifetime (seconds) to ask for; the token is used once, immediately.
_TOKEN_LIFE = 60
#: Longest answer (bytes) that is read; credentials are about 1 kB.
_MOST = 64 * 1024

_TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
_ROLE_PATH = "/latest/meta-data/ram/security-credentials/"
#: Answers to the token request after which credentials are requested without one: those of services that have
#: no tokens, and those of a filter in front of one. If a token is required, the next request is refused.
_WITHOUT_TOKEN = (403, 404, 405, 501)


@dataclass(frozen=True)
class Grant:
    """Credentials, and the time (unix seconds) at which they expire."""

    key: AccessKey
    expires: float


def read_grant(answer: object) -> Grant:
    """Read credentials from the metadata service's JSON. Raises ServiceFault when it holds none."""
    try:
        assert isinstance(answer, dict)
        if answer.get("Code", "Success") != "Success":
            raise ServiceFault(f"the metadata service answers {str(answer['Code'])[:100]!r}")
        return Grant(
            AccessKey(
                *(_key_part(answer, name) for name in ("AccessKeyId", "AccessKeySecret", "SecurityToken"))
            ),
            parse_iso(answer["Expiration"]),
        )
    except (AssertionError, KeyError, ValueError) as problem:
        # Not the answer itself: it may contain part of the credentials.
        raise ServiceFault(f"the metadata service's answer lacks {problem}") from None


def _key_part(answer: Mapping[str, object], name: str) -> str:
    """One part, checked to fit into a header: a later error about one that does not would quote it."""
    value = answer[name]
    if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
        raise ValueError(f"a usable {name}")
    return value


def fetch(
    role: str,
    metadata_url: str,
    opened: Callable[[Connection], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Grant:
    """Ask the metadata service. Raises ServiceFault, or AuthFailed when an operator has to change something.

    `opened` is called with each connection, so that the caller can `abort` it.
    """
    until = clock() + DEADLINE
    service = _Service(metadata_url, clock, opened)
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
    """The token and "", or "" and the reason why there is none: the service may not require one."""
    try:
        status, body = service.ask(
            "PUT", _TOKEN_PATH, {"X-aliyun-ecs-metadata-token-ttl-seconds": str(_TOKEN_LIFE)}, until
        )
    except MetadataUnanswered as problem:
        return "", f"{problem}; if the relay is in a container, raise the instance's HttpPutResponseHopLimit"
    if status in _WITHOUT_TOKEN:
        return "", f"PUT {_TOKEN_PATH} was answered with HTTP {status}"
    if status != 200:
        raise ServiceFault(f"{service} answers HTTP {status} when asked for a token", status=status)
    token = body.decode("latin-1").strip()
    if not (token.isascii() and token.isprintable() and token and " " not in token):
        raise ServiceFault(f"{service} answers a token request with something else", status=status)
    return token, ""


def _refused(status: int, tokenless: str) -> str:
    access = (
        "check that access to instance metadata is enabled for this ECS instance, and that no firewall or "
        "proxy answers instead of it"
    )
    if tokenless:
        return f"refuses requests without a token (HTTP {status}) but issued none: {tokenless}; {access}"
    return f"refuses its own token (HTTP {status}): {access}"


def _json(body: bytes) -> object:
    try:
        return parse_json(body)
    except ValueError:
        raise ServiceFault("the metadata service's answer is not JSON") from None


_WHERE = "check SLS_METADATA_URL, and that this is an ECS instance"


class MetadataUnanswered(ServiceFault):
    """There was no answer, or not in time."""


class _Service:
    """Sends single requests, each of which ends by its deadline, whatever the other side does.

    No proxy: the service is link-local, so a proxy would reach the service of its own machine. No redirect is
    followed: the token and the credentials are for this address only.
    """

    def __init__(self, url: str, clock: Callable[[], float], opened: Callable[[Connection], None]) -> None:
        self._url = url
        self._clock = clock
        self._opened = opened
        parts = urlsplit(url)
        self._address = Address.of(url)
        self._tls = TlsFiles()
        self._headers = {"Host": parts.netloc.rpartition("@")[2], "Connection": "close"}
        self._base = parts.path.rstrip("/")

    def __str__(self) -> str:
        return f"the metadata service at {self._url}"

    def ask(self, method: str, path: str, headers: dict[str, str], until: float) -> tuple[int, bytes]:
        """Return status and body. Raises MetadataUnanswered without an answer by `until`, on the clock."""
        left = until - self._clock()
        if left <= 0:
            raise self._late()
        try:
            with Connection(self._address, self._tls, left, clock=self._clock) as connection:
                self._opened(connection)
                answer = connection.exchange(
                    method, self._base + path, {**self._headers, **headers}, limit=_MOST
                )
        except http.NoAnswer as problem:
            if problem.late:
                raise self._late() from None
            # Not the error's text: it may quote what was received, and with it part of the credentials.
            kind = type(problem.cause).__name__
            raise MetadataUnanswered(f"no answer from {self} ({kind}): {_WHERE}") from problem
        if answer.cut:
            raise ServiceFault(f"{self} sent an answer of more than {_MOST // 1024} kB", status=answer.status)
        if answer.encoding:
            raise ServiceFault(
                f"{self} sent an answer encoded as {answer.encoding[:20]!r}, which was not requested",
                status=answer.status,
            )
        return answer.status, answer.body

    def _late(self) -> MetadataUnanswered:
        return MetadataUnanswered(f"no answer from {self} in time: {_WHERE}")
