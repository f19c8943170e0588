"""The TLS context of connections, made from the files in the settings."""

from __future__ import annotations

import os
import ssl
import threading


class TlsFiles:
    """Makes the TLS context, and makes it again when one of its files has been replaced. Thread-safe.

    `ca_file` may be a folder of hashed certificates; without `ca_file` the system's certificates are used.
    """

    def __init__(self, ca_file: str = "", cert: str = "", key: str = "", *, verify: bool = True) -> None:
        self._verify = verify
        self._ca_file = ca_file
        self._cert = cert
        self._key = key
        self._lock = threading.Lock()
        self._stamp: tuple[object, ...] = ()
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """The current context. Raises OSError (including ssl.SSLError) when a file cannot be read or used."""
        with self._lock:
            stamp = tuple(_stamp(path) for path in (self._ca_file, self._cert, self._key))
            if self._context is None or stamp != self._stamp:
                self._context = self._make()
                self._stamp = stamp
            return self._context

    def _make(self) -> ssl.SSLContext:
        folder = os.path.isdir(self._ca_file)
        context = ssl.create_default_context(
            cafile=None if folder else self._ca_file or None, capath=self._ca_file if folder else None
        )
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
