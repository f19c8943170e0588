"""Temporary credentials of an ECS instance's RAM role, from the metadata service.

`GET <metadata>/latest/meta-data/ram/security-credentials/<role>` answers JSON with AccessKeyId,
AccessKeySecret, SecurityToken and Expiration (UTC); the Go SDK reads the same (credentials provider "ECS RAM
role").
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Callable

import requests

from sls_hec_forwarder.backoff import CountingBackoff
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.periodic import Periodic
from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls.access_key import AccessKey
from sls_hec_forwarder.sls.errors import AuthFailed, ServiceFault
from sls_hec_forwarder.sls.trouble import Trouble

#: Time (seconds) to connect to the metadata service, and to wait for its bytes; it is on the same machine.
_TIMEOUTS = (2.0, 5.0)
#: How long a caller waits for the very first credentials.
_FIRST_WAIT = 5.0
#: Credentials are renewed this long (seconds) before they expire, or when a quarter of their time is left.
_LEAD = 900.0
#: Not more often than this, whatever the metadata service says about expiry.
_LEAST_PAUSE = 1.0
#: First and longest pause (seconds) between tries while it fails.
_RETRY = (1.0, 60.0)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Grant:
    """Credentials and the time (unix seconds) at which they expire."""

    key: AccessKey
    expires: float


def renew_in(now: float, expires: float) -> float:
    """Seconds to wait before credentials that were just fetched are asked for again.

    The metadata service hands out the same ones until it has made new ones; asking again after three
    quarters of what is left gets the new ones in time without asking often.
    """
    left = expires - now
    return max(_LEAST_PAUSE, left - min(_LEAD, left / 4))


def read_grant(answer: object) -> Grant:
    """Credentials from the metadata service's JSON. Raises ServiceFault when it holds none."""
    try:
        assert isinstance(answer, dict)
        if answer.get("Code", "Success") != "Success":
            raise ServiceFault(f"the metadata service answers {answer['Code']!r}")
        expiration = str(answer["Expiration"]).replace("Z", "+00:00")
        return Grant(
            AccessKey(
                str(answer["AccessKeyId"]), str(answer["AccessKeySecret"]), str(answer["SecurityToken"])
            ),
            datetime.fromisoformat(expiration).timestamp(),
        )
    except (AssertionError, KeyError, ValueError) as problem:
        # Not the answer itself: it may hold half of the credentials.
        raise ServiceFault(f"the metadata service's answer lacks {problem}") from None


def fetch(role: str, metadata_url: str) -> Grant:
    """Ask the metadata service. Raises ServiceFault, or AuthFailed when there is no such role."""
    url = f"{metadata_url.rstrip('/')}/latest/meta-data/ram/security-credentials/{role}"
    with requests.Session() as session:
        session.trust_env = False  # the service is link-local: a proxy would ask its own machine's
        try:
            answer = session.get(url, timeout=_TIMEOUTS)
        except requests.exceptions.RequestException as problem:
            raise ServiceFault(
                f"no answer from the metadata service at {metadata_url} ({type(problem).__name__})"
            ) from problem
        if answer.status_code == 404:
            raise AuthFailed(f"this machine has no RAM role {role!r}: check SLS_RAM_ROLE", status=404)
        if answer.status_code != 200:
            raise ServiceFault(
                f"the metadata service at {metadata_url} answers HTTP {answer.status_code}",
                status=answer.status_code,
            )
        try:
            return read_grant(answer.json())
        except requests.exceptions.JSONDecodeError as problem:
            raise ServiceFault("the metadata service's answer is not JSON") from problem


class RoleCredentials:
    """Keeps a role's credentials fresh from one background thread. Thread-safe.

    While renewing fails, the last ones are handed out: whether they still hold is for SLS to say.
    """

    def __init__(
        self,
        role: str,
        metadata_url: str,
        fetch: Callable[[str, str], Grant] = fetch,
        wall: Callable[[], float] = time.time,
        *,
        conditions: Conditions,
    ) -> None:
        self._role = role
        self._metadata_url = metadata_url
        self._fetch = fetch
        self._wall = wall
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
        """Raises AuthFailed when there have been none yet for some seconds."""
        if self._grant is None:
            self._asked.wait(_FIRST_WAIT)
        grant = self._grant
        if grant is None:
            raise AuthFailed(f"no credentials for RAM role {self._role} yet: {self._problem or 'no answer'}")
        return grant.key

    def rejected(self) -> None:
        self._thread.wake()

    def reload(self, settings: SlsSettings) -> None:  # noqa: ARG002 - the protocol's
        """The role is not changed by a reload, but its credentials are fetched again."""
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
        self._thread.stop(sum(_TIMEOUTS))

    def _renew(self) -> float:
        try:
            grant = self._grant = self._fetch(self._role, self._metadata_url)
        except (ServiceFault, AuthFailed) as problem:
            self._problem = problem
            self._trouble.failed(problem)
            return self._backoff.next()
        finally:
            self._asked.set()
        self._trouble.over()
        self._backoff.reset()
        return renew_in(self._wall(), grant.expires)
