"""Temporary credentials of an ECS instance's RAM role, kept fresh."""

from __future__ import annotations

import logging
import threading
import time
from typing import Callable

from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.http.connection import Connection
from sls_hec_forwarder.retry.backoff import CountingBackoff
from sls_hec_forwarder.retry.periodic import Periodic
from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls.api.access_key import AccessKey
from sls_hec_forwarder.sls.api.errors import AuthFailed, ServiceFault
from sls_hec_forwarder.sls.api.metadata_service import Grant, fetch
from sls_hec_forwarder.sls.api.trouble import Trouble

#: How long (seconds) a caller waits for the very first credentials.
_FIRST_WAIT = 5.0
#: Time (seconds) before expiry at which credentials are renewed, or when a quarter of their time is left.
_LEAD = 900.0
#: Shortest pause (seconds) between renewals, whatever expiry the metadata service reports.
_LEAST_PAUSE = 1.0
#: First and longest pause (seconds) between tries after a failure.
_RETRY = (1.0, 60.0)
#: Time (seconds) for the thread to end once its request is aborted.
_END_TIME = 1.0

_log = logging.getLogger(__name__)


def renew_in(now: float, expires: float) -> float:
    """Seconds to wait before credentials that were just fetched are fetched again.

    The metadata service returns the same ones until it has new ones; asking again after three quarters of the
    time left gets the new ones in time without asking often.
    """
    left = expires - now
    return max(_LEAST_PAUSE, left - min(_LEAD, left / 4))


class RoleCredentials:
    """Keeps a role's credentials fresh with one background thread. Thread-safe.

    While renewing fails, the last ones remain in use: SLS decides whether they are still valid.
    """

    def __init__(
        self,
        role: str,
        metadata_url: str,
        fetch: Callable[[str, str, Callable[[Connection], None]], Grant] = fetch,
        wall: Callable[[], float] = time.time,
        *,
        conditions: Conditions,
    ) -> None:
        self._role = role
        self._metadata_url = metadata_url
        self._fetch = fetch
        self._wall = wall
        self._connection: Connection | None = None  # the last one to the metadata service
        self._aborted = False
        self._grant: Grant | None = None
        self._problem: Exception | None = None
        self._asked = threading.Event()
        self._thread = Periodic(
            *("sls-credentials", f"credentials of RAM role {role}", self._renew),
            log=_log,
            conditions=conditions,
            interval=_LEAD,
            backoff=CountingBackoff(*_RETRY),
            least_pause=_LEAST_PAUSE,
        )
        self._trouble = Trouble(conditions, "credentials_failing")
        self._backoff = CountingBackoff(*_RETRY)
        self._thread.start()

    def get_credentials(self) -> AccessKey:
        """The latest credentials. Raises AuthFailed if the first ones do not come within some seconds."""
        if self._grant is None:
            self._asked.wait(_FIRST_WAIT)
        grant = self._grant
        if grant is None:
            raise AuthFailed(f"no credentials for RAM role {self._role} yet: {self._problem or 'no answer'}")
        return grant.key

    def rejected(self) -> None:
        self._thread.wake()

    def reload(self, settings: SlsSettings) -> None:  # noqa: ARG002 - the protocol's
        """A reload does not change the role, but its credentials are fetched again."""
        self._thread.wake()

    @property
    def expires(self) -> float | None:
        grant = self._grant
        return None if grant is None else grant.expires

    def redact(self, text: str) -> str:
        grant = self._grant
        return text if grant is None else grant.key.redact(text)

    def close(self) -> None:
        self._asked.set()
        self._aborted = True
        if self._connection is not None:
            self._connection.abort()
        self._thread.stop(_END_TIME)

    def _opened(self, connection: Connection) -> None:
        self._connection = connection
        if self._aborted:
            connection.abort()

    def _renew(self) -> float:
        try:
            grant = self._grant = self._fetch(self._role, self._metadata_url, self._opened)
        except (ServiceFault, AuthFailed) as problem:
            self._problem = problem
            if not self._aborted:
                self._trouble.failed(problem)
            return self._backoff.next()
        finally:
            self._asked.set()
        self._trouble.over()
        self._backoff.reset()
        return renew_in(self._wall(), grant.expires)
