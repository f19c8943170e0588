"""The HTTP session under the SDK's client: connections, proxy, certificates, time-outs."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls.errors import Rejected, ServiceFault, SlsError

#: More threads than this at once open connections that are not kept.
_KEPT_CONNECTIONS = 64


class _SignedAlready(AuthBase):
    """Keeps requests from replacing SLS's Authorization header by a password found in ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class SlsSession(requests.Session):
    """Keep-alive session. A proxy or a CA file from the settings wins over the environment's.

    Plain requests has it the other way round: `http_proxy` and `REQUESTS_CA_BUNDLE` override what is set on
    the session. Without settings the environment counts, `no_proxy` included, as with the SDK.
    """

    def __init__(self, settings: SlsSettings) -> None:
        super().__init__()
        self.auth = _SignedAlready()
        self._proxy = settings.proxy
        self._ca_file = settings.ca_file
        if settings.client_cert:
            self.cert = (settings.client_cert, settings.client_key or settings.client_cert)
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(pool_maxsize=_KEPT_CONNECTIONS))

    def merge_environment_settings(  # type: ignore[override]
        self, url: str, proxies: MutableMapping[str, str] | None, stream: Any, verify: Any, cert: Any
    ) -> Any:
        if self._proxy:
            proxies = {"http": self._proxy, "https": self._proxy}
        if self._ca_file:
            verify = self._ca_file
        return super().merge_environment_settings(url, proxies, stream, verify, cert)


def unanswered(problem: Exception, endpoint: str) -> SlsError:
    """The error for a request that got no answer because of `problem`."""
    reason = _reason(problem)
    if "CERTIFICATE_VERIFY_FAILED" in str(problem):
        return Rejected(
            f"the certificate of {endpoint} is not trusted ({reason}): check SLS_ENDPOINT, SLS_CA_FILE"
        )
    if isinstance(problem, requests.exceptions.Timeout):
        return ServiceFault(f"no answer from {endpoint} in time ({reason})")
    if isinstance(problem, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return Rejected(f"cannot ask {endpoint} ({reason}): check SLS_ENDPOINT and SLS_PROXY")
    if isinstance(problem, FileNotFoundError) or type(problem) is OSError:  # certificates that are missing
        return Rejected(f"cannot ask {endpoint} ({reason}): check SLS_CA_FILE and SLS_CLIENT_CERT")
    return ServiceFault(f"no answer from {endpoint} ({reason})")


def _reason(problem: Exception) -> str:
    """The innermost cause in a few words: requests and urllib3 wrap it up to four times."""
    seen: set[int] = set()
    cause: BaseException = problem
    while id(cause) not in seen:
        seen.add(id(cause))
        inner = getattr(cause, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((each for each in cause.args if isinstance(each, BaseException)), None)
        if inner is not None:
            cause = inner
    text = " ".join(str(cause).split())
    # urllib3 puts the connection object before the text: "<...HTTPSConnection object at 0x...>: Failed ...".
    return text.rsplit(">: ", 1)[-1] or type(cause).__name__
