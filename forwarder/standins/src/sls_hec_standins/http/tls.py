"""TLS: the files of a server, and temporary certificates for tests and demos.

Certificates come from the `openssl` command line, which every system with Python's ssl module can have,
so that no compiled library is needed on either interpreter.
"""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ServerTls:
    """Paths of PEM files. With `client_ca`, clients must present a certificate of that CA."""

    cert: Path
    key: Path
    client_ca: Path | None = None

    def context(self) -> ssl.SSLContext:
        """OSError if a file cannot be read or has the wrong content."""
        for path in filter(None, (self.cert, self.key, self.client_ca)):
            # The ssl module does not name the missing file.
            path.open("rb").close()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Text, not Path: PyPy 3.9 accepts nothing else.
        context.load_cert_chain(str(self.cert), str(self.key))
        if self.client_ca is not None:
            context.load_verify_locations(str(self.client_ca))
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@dataclass(frozen=True)
class Certificate:
    """Paths of a PEM certificate and its PEM key."""

    cert: Path
    key: Path


class CertificateError(Exception):
    """The openssl command is missing or refused; the text is its own."""


class ThrowawayCa:
    """A certificate authority in a folder, for tests. Keys are EC P-256 and not encrypted."""

    def __init__(self, folder: Path, name: str = "Throwaway test CA") -> None:
        self._folder = folder
        self._serial = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.cert = folder / "ca.pem"
        self._key = folder / "ca.key"
        _openssl(
            *("req", "-x509", "-nodes", "-days", "30", "-subj", f"/CN={name}"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", str(self._key), "-out", str(self.cert)),
        )

    def server(
        self, names: Sequence[str] = ("localhost", "127.0.0.1"), *, days: int = 30, label: str = "server"
    ) -> Certificate:
        """A server certificate for host names (wildcards allowed) and IP addresses.

        `days` below 0 makes one that has expired.
        """
        alt = ",".join(f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in names)
        return self._issue(label, names[0], days, f"extendedKeyUsage=serverAuth\nsubjectAltName={alt}\n")

    def client(self, name: str = "client", *, days: int = 30) -> Certificate:
        return self._issue(name, name, days, "extendedKeyUsage=clientAuth\n")

    def _issue(self, label: str, common_name: str, days: int, extensions: str) -> Certificate:
        self._serial += 1
        base = self._folder / f"{label}-{self._serial}"
        made = Certificate(base.with_suffix(".pem"), base.with_suffix(".key"))
        request, extension_file = base.with_suffix(".csr"), base.with_suffix(".ext")
        extension_file.write_text(extensions)
        _openssl(
            *("req", "-new", "-nodes", "-subj", f"/CN={common_name}"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-keyout", str(made.key), "-out", str(request)),
        )
        _openssl(
            *("x509", "-req", "-in", str(request), "-CA", str(self.cert), "-CAkey", str(self._key)),
            *("-set_serial", str(self._serial), "-days", str(days), "-extfile", str(extension_file)),
            *("-out", str(made.cert)),
        )
        return made


def _is_address(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdigit()


def _openssl(*args: str) -> None:
    try:
        done = subprocess.run(["openssl", *args], capture_output=True, text=True, timeout=60)  # noqa: S603, S607
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CertificateError(f"cannot run openssl: {error}") from error
    if done.returncode != 0:
        raise CertificateError(f"openssl {args[0]}: {done.stderr.strip()}")
