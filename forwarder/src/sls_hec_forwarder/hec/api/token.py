"""The HEC token, which may be replaced while the relay runs."""

from __future__ import annotations

import logging
from typing import Callable

from sls_hec_forwarder.errors import RelayError

_log = logging.getLogger(__name__)


class Token:
    """`read` returns the current token, if it comes from a file. Thread-safe."""

    def __init__(self, value: str, read: Callable[[], str] | None = None) -> None:
        self.value = value
        self._read = read

    def reread(self) -> bool:
        """Read the token again; True if it has changed. If it cannot be read, the old one stays."""
        if self._read is None:
            return False
        try:
            value = self._read()
        except (OSError, RelayError) as error:
            _log.warning("cannot read the HEC token again; the current one stays in use: %s", error)
            return False
        changed = bool(value) and value != self.value
        if changed:
            self.value = value
        return changed

    def hide(self, text: str) -> str:
        """`text` without the token: a server or proxy may quote the request."""
        return text.replace(self.value, "***") if self.value else text

    def __repr__(self) -> str:
        return "Token(***)"
