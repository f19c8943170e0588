"""Writing log groups to any SLS endpoint, the real service included: PutLogs over one connection."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import ssl
import time
from collections.abc import Mapping
from email.utils import formatdate
from ipaddress import ip_address
from typing import Callable
from urllib.parse import urlsplit

from . import wire
from .auth import API_VERSION, sign_v1

_ATTEMPTS = 6
_LONGEST_PAUSE = 5.0  # seconds


class PutError(Exception):
    """The service did not take a log group: `status` and `code` as it answered, 0 and "" without an answer.

    After a connection that broke the group may have been stored all the same.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"PutLogs failed: {status} {code}: {message}")
        self.status = status
        self.code = code


class PutLogs:
    """Puts log groups into one logstore, signed with v1. A context manager; not thread-safe.

    `endpoint` is scheme, name and port as for the SDK; requests go to `<project>.<name>`, for an address or
    localhost to that itself. With `proxy` (an http URL) they go there instead, which reaches a stand-in
    under any name. `tls` is for https endpoints, `timeout` in seconds for each wait on the connection.

    A broken connection, an answer of 5xx and a quota (403) are tried again, up to six times in all and after
    growing pauses with jitter.
    """

    def __init__(
        self,
        endpoint: str,
        project: str,
        logstore: str,
        key_id: str,
        secret: str,
        *,
        token: str = "",
        proxy: str = "",
        compression: str = "lz4",
        timeout: float = 10.0,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        where = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
        via = urlsplit(proxy)
        if where.scheme not in ("http", "https") or not where.hostname:
            raise ValueError(f"the endpoint is not an http or https URL: {endpoint!r}")
        if proxy and (where.scheme, via.scheme) != ("http", "http"):
            raise ValueError("a proxy is an http URL, for http endpoints")
        name = f"{project}.{where.hostname}"
        port = f":{where.port}" if where.port else ""
        self._base = f"http://{name}{port}" if proxy else ""
        self._path = f"/logstores/{logstore}/shards/"
        self._key_id = key_id
        self._secret = secret
        self._headers = {
            "Host": name + port,
            "User-Agent": "sls-hec-standins",
            "Content-Type": "application/x-protobuf",
            "x-log-apiversion": API_VERSION,
            "x-log-signaturemethod": "hmac-sha1",
            **({"x-log-compresstype": compression} if compression else {}),
            **({"x-acs-security-token": token} if token else {}),
        }
        self._compression = compression
        self._clock = clock
        self._sleep = sleep
        target = via if proxy else where
        host = target.hostname or ""
        if not proxy and not _is_local(host):
            host = name
        if target.scheme == "https":
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, target.port, timeout=timeout, context=tls or ssl.create_default_context()
            )
        else:
            self._connection = http.client.HTTPConnection(host, target.port, timeout=timeout)

    def put(self, group: bytes, key: str | None = None) -> None:
        """Put one LogGroup, into the shard of a hash key (32 hex digits) or any; raises `PutError`."""
        body = wire.compress(group, self._compression)
        for attempt in range(1, _ATTEMPTS + 1):
            error = self._try(body, len(group), key)
            if error is None:
                return
            passing = error.status == 0 or error.status >= 500 or "quota" in error.code.lower()
            if not passing or attempt == _ATTEMPTS:
                raise error
            self._sleep(min(_LONGEST_PAUSE, 0.1 * 2**attempt) * (0.5 + random.random() / 2))

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> PutLogs:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _try(self, body: bytes, raw_size: int, key: str | None) -> PutError | None:
        path = self._path + ("lb" if key is None else "route")
        query = {} if key is None else {"key": key}
        headers = self._sign(path, query, body, raw_size)
        target = self._base + path + ("" if key is None else f"?key={key}")
        try:
            self._connection.request("POST", target, body, headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return PutError(0, "", f"{type(error).__name__}: {error}")
        return None if response.status == 200 else PutError(response.status, *_explain(answer))

    def _sign(self, path: str, query: Mapping[str, str], body: bytes, raw_size: int) -> dict[str, str]:
        headers = {
            **self._headers,
            "x-log-bodyrawsize": str(raw_size),
            "Content-MD5": hashlib.md5(body).hexdigest().upper(),  # noqa: S324  # demanded by the protocol
            "Date": formatdate(self._clock(), usegmt=True),
        }
        lower = {name.lower(): value for name, value in headers.items()}
        signature = sign_v1(self._secret, "POST", path, query, lower)
        return {**headers, "x-log-date": headers["Date"], "Authorization": f"LOG {self._key_id}:{signature}"}


def _explain(answer: bytes) -> tuple[str, str]:
    """Code and message of an error answer of any form."""
    try:
        error = json.loads(answer)
        return str(error["errorCode"]), str(error["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return "", answer[:200].decode(errors="replace")


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
