"""Authentication of requests: access keys, signatures v1 and v4, STS tokens, clock skew.

The algorithms are those of the API reference ("Request signatures", "Common request headers") and, for v4,
of `signature_v4.go` of aliyun-log-go-sdk.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from urllib.parse import quote

from sls_hec_standins.http import Request
from sls_hec_standins.sls import errors
from sls_hec_standins.sls.switches import Switches

# Hash functions of signature v1. SHA-256 is what the generated SDKs (alibabacloud-gateway-sls) sign with.
V1_METHODS = {"hmac-sha1": hashlib.sha1, "hmac-sha256": hashlib.sha256}
MAX_SKEW = 15 * 60.0  # seconds
API_VERSION = "0.6.0"

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_RFC1123 = re.compile(rf"[A-Z][a-z]{{2}}, (\d\d?) ({'|'.join(_MONTHS)}) (\d{{4}}) (\d\d):(\d\d):(\d\d) GMT")
_ISO8601 = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")
_V1 = re.compile(r"LOG ([^:\s]+):(\S+)")
_V4 = re.compile(
    r"SLS4-HMAC-SHA256 Credential=([^/\s]+)/(\d{8})/([^/\s]*)/sls/aliyun_v4_request,\s*Signature=(\S+)"
)


@dataclass(frozen=True)
class Key:
    """An access key. With `token` it is a temporary one of STS; `expires` is the Unix time it ends.

    `allow` and `deny` are globs of RAM actions such as "log:ListShards"; what is denied is not allowed.
    `projects` are globs of the projects that belong to its account.
    """

    id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    expires: float | None = None
    disabled: bool = False
    allow: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = ()
    projects: tuple[str, ...] = ("*",)

    def permits(self, action: str) -> bool:
        return _matches(action, self.allow) and not _matches(action, self.deny)

    def owns(self, project: str) -> bool:
        return _matches(project, self.projects)

    def as_json(self) -> dict[str, Any]:
        """Everything except the secrets."""
        public = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.repr}
        return {**public, "temporary": bool(self.token)}


class Keys:
    """The access keys known, by id. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, Key] = {}

    def put(self, key: Key) -> Key:
        """Add a key, or replace the one of the same id."""
        with self._lock:
            self._keys[key.id] = key
        return key

    def remove(self, key_id: str) -> bool:
        with self._lock:
            return self._keys.pop(key_id, None) is not None

    def get(self, key_id: str) -> Key | None:
        with self._lock:
            return self._keys.get(key_id)

    def all(self) -> list[Key]:
        with self._lock:
            return list(self._keys.values())


class _Claim(NamedTuple):
    """The contents of the headers: who signed and when, and the expected signature for a secret."""

    key_id: str
    signature: str
    time: float
    region: str | None  # of v4; v1 has none


def authenticate(request: Request, keys: Keys, now: float, switches: Switches, region: str) -> Key:
    """The key that signed `request`. Raises `SlsError`: 400 for its headers, 401 for the rest."""
    claim = _read_claim(request)
    if abs(claim.time - now) > MAX_SKEW:
        raise errors.bad_header(switches.skew_code, "Request time exceeds server time more than 15 minutes.")
    key = keys.get(claim.key_id)
    if key is None:
        raise _unknown_key(claim.key_id, switches)
    if key.disabled:
        raise errors.unauthorized(f"AccessKeyId is disabled: {key.id}")
    _check_token(key, request.headers.get("x-acs-security-token", ""), now, switches)
    if claim.region is None:
        genuine = _genuine_v1(request, key.secret, claim)
    else:
        wrong_region = switches.v4_region == "own" and claim.region != region
        genuine = not wrong_region and _genuine_v4(request, key.secret, claim)
    if not genuine:
        raise errors.signature_not_match(claim.signature)
    return key


def _unknown_key(key_id: str, switches: Switches) -> errors.SlsError:
    if switches.unknown_key_code == "Unauthorized":
        return errors.unauthorized(f"AccessKeyId not found: {key_id}")
    return errors.SlsError(
        401, switches.unknown_key_code, f"The access key id you provided is invalid: {key_id}."
    )


def _check_token(key: Key, token: str, now: float, switches: Switches) -> None:
    if not hmac.compare_digest(token.encode(), key.token.encode()):
        raise errors.unauthorized("The security token you provided is invalid.")
    if key.expires is not None and now >= key.expires:
        raise errors.SlsError(
            401, switches.token_expired_code, "The security token you provided has expired."
        )


# What the headers say.


def _read_claim(request: Request) -> _Claim:
    headers = request.headers
    if not headers.get("host"):
        raise errors.bad_header("MissingHost", "Host does not exist in http header.")
    version = headers.get("x-log-apiversion")
    if version is None:
        raise errors.bad_header("MissingAPIVersion", "x-log-apiversion does not exist in http header.")
    if version != API_VERSION:
        raise errors.bad_header("InvalidAPIVersion", f"x-log-apiversion {version} is unsupported.")
    if request.body and not headers.get("content-type"):
        raise errors.bad_header(
            "MissingContentType", "Content-Type does not exist in http header when body is not empty."
        )
    authorization = headers.get("authorization", "")
    v4 = _V4.fullmatch(authorization)
    if v4:
        time = _time(headers.get("x-log-date"), _ISO8601)
        return _Claim(v4[1], v4[4], time, v4[3])
    v1 = _V1.fullmatch(authorization)
    if not v1:
        raise errors.bad_header("MissAccessKeyId", "x-log-accesskeyid does not exist in header.")
    method = headers.get("x-log-signaturemethod")
    if method is None:
        raise errors.bad_header(
            "MissingSignatureMethod", "x-log-signaturemethod does not exist in http header."
        )
    if method not in V1_METHODS:
        raise errors.bad_header("InvalidSignatureMethod", f"signature method {method} is unsupported.")
    return _Claim(v1[1], v1[2], _time(_v1_date(headers), _RFC1123), None)


def _v1_date(headers: Mapping[str, str]) -> str | None:
    return headers.get("x-log-date", headers.get("date"))


def _time(text: str | None, form: re.Pattern[str]) -> float:
    if text is None:
        raise errors.bad_header("MissingDate", "Date does not exist in http header.")
    match = form.fullmatch(text)
    wrong = errors.bad_header("InvalidDateFormat", f"Date {text} must follow RFC822.")
    if not match:
        raise wrong
    parts = match.groups()
    if form is _RFC1123:
        parts = (parts[2], str(_MONTHS.index(parts[1]) + 1), parts[0], *parts[3:])
    try:
        return datetime(*map(int, parts), tzinfo=timezone.utc).timestamp()  # type: ignore[misc, arg-type]
    except ValueError as error:
        raise wrong from error


# Signature v1.


def sign_v1(secret: str, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """The signature of a request; header names are lower case, `path` and `query` are not encoded.

    The hash function is that of the header x-log-signaturemethod.
    """
    signed = {name: value for name, value in headers.items() if _is_signed(name) and name != "x-log-date"}
    lines = [
        method,
        headers.get("content-md5", ""),
        headers.get("content-type", ""),
        _v1_date(headers) or "",
        *(f"{name}:{value}" for name, value in sorted(signed.items())),
    ]
    resource = path
    if query:
        resource += "?" + "&".join(f"{name}={value}" for name, value in sorted(query.items()))
    text = "\n".join([*lines, resource])
    hash_function = V1_METHODS.get(headers.get("x-log-signaturemethod", ""), hashlib.sha1)
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hash_function).digest()).decode()


def _genuine_v1(request: Request, secret: str, claim: _Claim) -> bool:
    if request.body:
        # Not a security measure: the protocol says MD5.
        md5 = hashlib.md5(request.body).hexdigest().upper()  # noqa: S324
        if request.headers.get("content-md5") != md5:
            return False
    return _any_equal(
        claim.signature,
        (
            sign_v1(secret, request.method, path, request.query, request.headers)
            for path in {request.path, request.raw_path}
        ),
    )


# Signature v4.


def sign_v4(
    secret: str, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], region: str
) -> str:
    """The signature of a request with the headers x-log-date and x-log-content-sha256."""
    names = sorted(name for name in headers if name in ("host", "content-type") or _is_signed(name))
    encoded = {name: quote(value, safe="~") for name, value in query.items()}
    canonical = "\n".join(
        [
            method,
            path,
            "&".join(f"{name}={value}" if value else name for name, value in sorted(encoded.items())),
            *(f"{name}:{headers[name].strip()}" for name in names),
            "",
            ";".join(names),
            headers["x-log-content-sha256"],
        ]
    )
    day = headers["x-log-date"][:8]
    scope = f"{day}/{region}/sls/aliyun_v4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["SLS4-HMAC-SHA256", headers["x-log-date"], scope, digest])
    key = ("aliyun_v4" + secret).encode()
    for part in (day, region, "sls", "aliyun_v4_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


def _genuine_v4(request: Request, secret: str, claim: _Claim) -> bool:
    if request.headers.get("x-log-content-sha256") != hashlib.sha256(request.body).hexdigest():
        return False
    assert claim.region is not None
    # Clients sign the host without the port, which is in an absolute request target. Paths are signed as
    # they are by the Python SDK and percent-encoded by the Go SDK.
    host = request.headers["host"]
    signatures = (
        sign_v4(secret, request.method, path, request.query, {**request.headers, "host": name}, claim.region)
        for path in {request.path, request.raw_path}
        for name in {host, host.rpartition(":")[0] or host}
    )
    return _any_equal(claim.signature, signatures)


def _is_signed(name: str) -> bool:
    return name.startswith(("x-log-", "x-acs-")) and not name.startswith("x-log-meta-")


def _any_equal(signature: str, candidates: Iterable[str]) -> bool:
    return any(hmac.compare_digest(signature.encode(), candidate.encode()) for candidate in candidates)


def _matches(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
