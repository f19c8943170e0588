"""Where one collector is and how it is reached: address, paths, TLS files, proxy."""

from __future__ import annotations

import base64
import os
import ssl
import threading
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from sls_hec_forwarder.names import host_of, server_name
from sls_hec_forwarder.settings.model import HecSettings

_BASE: Final = "/services/collector"


@dataclass(frozen=True)
class Target:
    """One collector. `prefix` is what stands before `/services/collector` in the path."""

    tls: bool
    host: str
    port: int
    prefix: str = ""

    @classmethod
    def parse(cls, url: str) -> Target:
        """From `https://host:8088`, with or without a path. Raises ValueError for another kind of URL."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected http://host:port or https://host:port")
        tls = parts.scheme == "https"
        prefix = parts.path.partition(_BASE)[0].rstrip("/")
        return cls(tls, host_of(url), parts.port or (443 if tls else 80), prefix)

    @property
    def authority(self) -> str:
        """Whom a proxy is to connect to."""
        return self._with_port(self.host)

    @property
    def host_header(self) -> str:
        return self._with_port(self.name)

    @property
    def name(self) -> str:
        """The host as TLS and HTTP servers know it."""
        return server_name(self.host)

    def _with_port(self, host: str) -> str:
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.prefix}"

    def path(self, name: str) -> str:
        """The path of a call: `event`, `ack` or `health`."""
        return f"{self.prefix}{_BASE}/{name}"


def targets(settings: HecSettings) -> tuple[Target, ...]:
    """Every collector the settings name."""
    if settings.endpoints:
        return tuple(dict.fromkeys(Target.parse(url) for url in settings.endpoints))
    return (Target(settings.https, settings.host, settings.port),)


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy; `authorization` is the value of its header, or empty."""

    host: str
    port: int
    authorization: str

    @classmethod
    def parse(cls, url: str) -> Proxy:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError("expected http://host:port or http://user:password@host:port")
        authorization = ""
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
        return cls(host_of(url), parts.port or 3128, authorization)

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"


class TlsFiles:
    """Makes the TLS context of the connections, anew when one of its files was replaced. Thread-safe."""

    def __init__(self, settings: HecSettings) -> None:
        self._verify = settings.ssl_verify
        self._ca_file = settings.ca_file
        self._cert = settings.client_cert
        self._key = settings.client_key
        self._lock = threading.Lock()
        self._stamp: tuple[object, ...] = ()
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Raises OSError (ssl.SSLError is one) when a file cannot be read or used."""
        with self._lock:
            stamp = tuple(_stamp(path) for path in (self._ca_file, self._cert, self._key))
            if self._context is None or stamp != self._stamp:
                self._context = self._make()
                self._stamp = stamp
            return self._context

    def _make(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._ca_file or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self._cert:
            context.load_cert_chain(self._cert, self._key or None)
        return context


def _stamp(path: str) -> object:
    if not path:
        return None
    found = os.stat(path)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
