"""How requests reach SLS: keep-alive connections, proxy, certificates, and the meaning of failures."""

from __future__ import annotations

import functools
import os
import threading
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import certifi

from sls_hec_forwarder.http.address import Address, Proxy
from sls_hec_forwarder.http.answer import Response
from sls_hec_forwarder.http.connection import Connection, NoAnswer, ProxyRefused
from sls_hec_forwarder.http.pool import Pool
from sls_hec_forwarder.http.tls import TlsFiles
from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls.api.errors import Rejected, ServiceFault, SlsError, TooSlow

#: Connections that are kept; more threads than this at a time open connections that are closed after use.
_KEPT_CONNECTIONS = 64
#: Time (seconds) after which an idle connection is not used again; the watch makes requests more often.
_IDLE = 50.0
#: The port of a proxy whose URL names none.
_PROXY_PORT = 80
#: Characters of a path that stand for themselves.
_PLAIN = "!#$%&'()*+,/:;=?@[]~"


class Transport:
    """Keep-alive connections to the hosts of one endpoint. Thread-safe.

    A proxy or a CA file from the settings has precedence. Without them the environment's are used, as by the
    SDK: `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`; `REQUESTS_CA_BUNDLE` and `CURL_CA_BUNDLE`.
    `timeout` (seconds) is for each whole exchange.
    """

    def __init__(self, settings: SlsSettings, timeout: float) -> None:
        self._settings = settings
        self._timeout = timeout
        self._tls = TlsFiles(_ca_file(settings), settings.client_cert, settings.client_key)
        self._lock = threading.Lock()
        self._pools: dict[str, Pool] = {}
        self._aborted = False

    def exchange(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any],
        headers: Mapping[str, str],
        body: bytes,
        *,
        limit: int,
    ) -> Response:
        """Send one request and return its answer; no more than `limit` bytes of its body are read.

        A redirect is returned, not followed. Raises SlsError when there is no answer.
        """
        try:
            parts = urlsplit(url)
            query = urlencode([each for each in params.items() if each[1] is not None], doseq=True)
            path = quote(parts.path or "/", safe=_PLAIN) + ("?" if query else "") + query
            pool = self._pool(f"{parts.scheme}://{parts.netloc}")
        except ValueError as problem:
            raise Rejected(
                f"cannot send a request to {self._settings.endpoint} ({problem}): check SLS_ENDPOINT and "
                "SLS_PROXY"
            ) from problem
        try:
            return pool.exchange(method, path, headers, body, limit=limit)
        except NoAnswer as problem:
            raise unanswered(problem, self._settings.endpoint) from problem

    def drop(self) -> None:
        """Close all connections; the next request opens a new one and reads the certificates again."""
        for pool in self._every_pool():
            pool.drop()

    def abort(self) -> None:
        """Abort every exchange, those under way and all later ones."""
        with self._lock:
            self._aborted = True
        for pool in self._every_pool():
            pool.abort()

    def _every_pool(self) -> list[Pool]:
        with self._lock:
            return list(self._pools.values())

    def _pool(self, origin: str) -> Pool:
        with self._lock:
            pool = self._pools.get(origin)
            if pool is None:
                address = Address.of(origin)
                make = functools.partial(
                    Connection,
                    address,
                    self._tls,
                    self._timeout,
                    proxy_for(self._settings, address),
                    idle=_IDLE,
                )
                pool = self._pools[origin] = Pool(make, _KEPT_CONNECTIONS)
                if self._aborted:
                    pool.abort()
            return pool


def _ca_file(settings: SlsSettings) -> str:
    environ = os.environ
    return (
        settings.ca_file
        or environ.get("REQUESTS_CA_BUNDLE", "")
        or environ.get("CURL_CA_BUNDLE", "")
        or certifi.where()
    )


def proxy_for(settings: SlsSettings, address: Address) -> Proxy | None:
    """The proxy of the settings, or else of the environment. Raises ValueError if it is not a valid proxy."""
    url = settings.proxy
    if not url:
        if urllib.request.proxy_bypass(f"{address.host}:{address.port}"):
            return None
        found = urllib.request.getproxies()
        url = found.get("https" if address.tls else "http") or found.get("all") or ""
    if not url:
        return None
    try:
        return Proxy.parse(url if "://" in url else f"http://{url}", _PROXY_PORT)
    except ValueError as problem:
        raise ValueError(f"the proxy: {problem}") from None  # not the URL, which may hold a password


def unanswered(problem: NoAnswer, endpoint: str) -> SlsError:
    """The error for a request that got no answer."""
    if problem.untrusted:
        return Rejected(
            f"the certificate of {endpoint} is not trusted ({problem}): check SLS_ENDPOINT, SLS_CA_FILE"
        )
    if problem.late:
        return TooSlow(f"no answer from {endpoint} in time ({problem})")
    if isinstance(problem.cause, ProxyRefused) and problem.operator:
        return Rejected(f"cannot send a request to {endpoint} ({problem}): check SLS_PROXY")
    if isinstance(problem.cause, (FileNotFoundError, PermissionError, IsADirectoryError)):
        return Rejected(
            f"cannot send a request to {endpoint} ({problem}): check SLS_CA_FILE and SLS_CLIENT_CERT"
        )
    return ServiceFault(f"no answer from {endpoint} ({problem})")
