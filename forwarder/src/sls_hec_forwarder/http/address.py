"""Where a server is, and the proxy on the way to it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from sls_hec_forwarder.http.names import host_of, server_name


@dataclass(frozen=True)
class Address:
    """Host and port of a server, and whether it speaks TLS."""

    tls: bool
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Address:
        """The address in an http or https URL. Raises ValueError for any other kind of URL."""
        return cls(*address_of(url))

    @property
    def authority(self) -> str:
        """`host:port`, as a proxy is asked to connect to it."""
        return _with_port(self.host, self.port)

    @property
    def absolute(self) -> str:
        """The first part of the full URL that a proxy needs when it opens no tunnel."""
        return f"http://{self.authority.removesuffix(':80')}"

    @property
    def host_header(self) -> str:
        return _with_port(self.name, self.port)

    @property
    def name(self) -> str:
        """The server's name for TLS and for the Host header."""
        return server_name(self.host)


def address_of(url: str) -> tuple[bool, str, int]:
    """Whether the URL uses TLS, its host and its port. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected http://host:port or https://host:port")
    tls = parts.scheme == "https"
    return tls, host_of(url), parts.port or (443 if tls else 80)


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy; `authorization` is the value of the Proxy-Authorization header, or empty."""

    host: str
    port: int
    authorization: str

    @classmethod
    def parse(cls, url: str, port: int = 3128) -> Proxy:
        """`port` is used when the URL names none. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError("expected http://host:port or http://user:password@host:port")
        authorization = ""
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
        return cls(host_of(url), parts.port or port, authorization)

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"
