"""The credentials that sign requests to SLS: a fixed AccessKey, a temporary one, or that of an ECS RAM role.

All implement the SDK's credentials provider protocol (aliyun/log/credentials.py): `get_credentials()` is
called for every signature, so it is fast and, once there are credentials, never uses the network.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Callable, Protocol

from sls_hec_forwarder.errors import RelayError
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls.api.access_key import AccessKey
from sls_hec_forwarder.sls.api.ram_role import RoleCredentials

#: Reads the settings again, including files with secrets.
Reread = Callable[[], SlsSettings]

#: Least time (seconds) between two readings of the secrets, however many requests are refused.
_REREAD_PAUSE = 5.0

_log = logging.getLogger(__name__)


class CredentialsSource(Protocol):
    """Where the client's credentials come from."""

    def get_credentials(self) -> AccessKey:
        """The credentials to sign with now."""

    def rejected(self) -> None:
        """SLS refused a signature: look for new credentials."""

    def reload(self, settings: SlsSettings) -> None:
        """Take the credentials of settings that were read again."""

    @property
    def expires(self) -> float | None:
        """When the credentials expire (unix seconds); None: never, or not known."""

    def redact(self, text: str) -> str:
        """`text` without secrets."""

    def close(self) -> None:
        """End what runs in the background."""


def credentials_for(
    settings: SlsSettings, reread: Reread | None = None, conditions: Conditions | None = None
) -> CredentialsSource:
    """The kind of credentials that `settings` choose; `reread` is called when SLS refuses them."""
    if settings.ram_role:
        return RoleCredentials(
            settings.ram_role, settings.metadata_url, conditions=conditions or Conditions()
        )
    return SettingsCredentials(settings, reread)


class SettingsCredentials:
    """The AccessKey of the settings, replaced by `reload` and automatically after a refusal. Thread-safe."""

    def __init__(
        self,
        settings: SlsSettings,
        reread: Reread | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = _key_of(settings)
        self._reread = reread
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None

    def get_credentials(self) -> AccessKey:
        return self._key

    def reload(self, settings: SlsSettings) -> None:
        self._key = _key_of(settings)

    def rejected(self) -> None:
        if self._reread is None:
            return
        with self._lock:
            now = self._clock()
            if self._read_at is not None and now - self._read_at < _REREAD_PAUSE:
                return
            self._read_at = now
        try:
            self.reload(self._reread())
        except (RelayError, OSError) as problem:
            _log.error("cannot read the SLS credentials again; the current ones stay in use: %s", problem)

    @property
    def expires(self) -> float | None:
        return None

    def redact(self, text: str) -> str:
        return self._key.redact(text)

    def close(self) -> None:
        """Nothing runs in the background."""


def _key_of(settings: SlsSettings) -> AccessKey:
    return AccessKey(settings.ak_id, settings.ak_key, settings.sts_token)
