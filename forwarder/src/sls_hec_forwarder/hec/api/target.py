"""Where the collectors are: addresses, paths, TLS files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from sls_hec_forwarder.http import tls
from sls_hec_forwarder.http.address import Address, address_of
from sls_hec_forwarder.settings.model import HecSettings

_BASE: Final = "/services/collector"


@dataclass(frozen=True)
class Target(Address):
    """One collector. `prefix` is the part of the path before `/services/collector`."""

    prefix: str = ""

    @classmethod
    def parse(cls, url: str) -> Target:
        """From a URL like `https://host:8088`, with or without a path. Raises ValueError for other kinds."""
        prefix = urlsplit(url).path.partition(_BASE)[0].rstrip("/")
        return cls(*address_of(url), prefix)

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.prefix}"

    def path(self, name: str) -> str:
        """The path of a call: `event`, `ack` or `health`."""
        return f"{self.prefix}{_BASE}/{name}"


def targets(settings: HecSettings) -> tuple[Target, ...]:
    """All collectors in the settings."""
    if settings.endpoints:
        return tuple(dict.fromkeys(Target.parse(url) for url in settings.endpoints))
    return (Target(settings.https, settings.host, settings.port),)


class HecTlsFiles(tls.TlsFiles):
    """The TLS files for the collectors."""

    def __init__(self, settings: HecSettings) -> None:
        super().__init__(
            settings.ca_file, settings.client_cert, settings.client_key, verify=settings.ssl_verify
        )
