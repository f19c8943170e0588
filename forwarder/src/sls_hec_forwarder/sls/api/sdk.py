"""The SDK's LogClient, with one method replaced.

Addressing, signing and encoding are the SDK's. `_sendRequest` is ours: the SDK's own retry (logclient.py,
`_send`) tries ten more times, a second apart, only for some errors and only for http endpoints. Here one call
is one request, and the callers decide about retries: `_send` retries only after its own LogException, which
is never raised.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Mapping
from importlib import metadata
from typing import Any, ClassVar, cast

from aliyun.log import LogClient

from sls_hec_forwarder.http.answer import Response
from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls.api import transport
from sls_hec_forwarder.sls.api.credentials import CredentialsSource
from sls_hec_forwarder.sls.api.errors import Refusal, ServiceFault, TooLarge
from sls_hec_forwarder.sls.api.pull_answer import MOST_BYTES
from sls_hec_forwarder.times import parse_http_date
from sls_hec_forwarder.untrusted import parse_json

#: Where the SDK keeps a pull's body before it parses it (pulllog_response.py); it is never parsed here.
BODY = "_raw_uncompressed_body"

#: Longest answer (bytes) to any other call: a few hundred bytes for each shard, of which there may be 256.
_JSON_BYTES = 4 * 1024 * 1024

#: New name of the header that says how a pull's body is compressed, which the SDK does not look for.
PACKED = "packed"


class Refused(Exception):
    """Carries a refusal through the SDK."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class Api(LogClient):
    """LogClient whose requests use our connections, are sent once, and raise our errors.

    Whatever method of the SDK is called, it sends only requests that read.
    """

    #: HTTP methods that may be sent. All calls of SLS that only read use GET, and no call that writes does.
    methods: ClassVar[frozenset[str]] = frozenset({"GET"})

    def __init__(
        self, settings: SlsSettings, consumer: str, credentials: CredentialsSource, timeout: float
    ) -> None:
        super().__init__(
            settings.endpoint,
            auth_version=settings.auth_version,
            region=settings.region,
            credentials_provider=cast(Any, credentials),  # of the protocol, not of the class
            source="",  # or the SDK resolves the endpoint's name, only to find our own address
        )
        self._endpoint_shown = settings.endpoint
        self._http = transport.Transport(settings, timeout)
        self._agent = (
            f"sls-hec-forwarder/{metadata.version('sls-hec-forwarder')} "
            f"({platform.python_implementation()} {platform.python_version()})"
            f"-consumergroup-{settings.group}-{consumer}"
        )
        self._seen_lock = threading.Lock()
        self._seen: tuple[str, float] | None = None

    def drop_connections(self) -> None:
        self._http.drop()

    def abort(self) -> None:
        self._http.abort()

    @property
    def clock_skew(self) -> float | None:
        with self._seen_lock:
            seen = self._seen
        if seen is None:
            return None
        try:
            return seen[1] - parse_http_date(seen[0])
        except ValueError:
            return None

    def _sendRequest(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any],
        body: bytes | None,
        headers: dict[str, str],
        respons_body_type: str = "json",
    ) -> tuple[Any, dict[str, str]]:
        if method not in self.methods:
            raise AssertionError(f"{method} would change something, but this client only reads")
        headers["User-Agent"] = self._agent
        binary = respons_body_type != "json"
        limit = MOST_BYTES if binary else _JSON_BYTES
        answer = self._http.exchange(method, url, params, headers, body or b"", limit=limit)
        self._note_time(answer.headers.get("date", ""))
        if answer.status != 200:
            raise Refused(_refusal(answer))
        seen = dict(answer.headers)
        if not binary:
            if answer.encoding or answer.cut:
                fault = f"encoded as {answer.encoding[:20]!r}" if answer.encoding else "too long"
                raise ServiceFault(f"the answer of {self._endpoint_shown} is {fault}", status=200)
            return (parse_json(answer.body) if answer.body else None), seen
        if answer.cut:
            raise TooLarge(f"the answer is longer than {MOST_BYTES} bytes", status=200)
        # Bodies of pulls stay compressed: without the header, the SDK takes the body as it is.
        seen[PACKED] = seen.pop("x-log-compresstype", "").lower()
        return answer.body, seen

    def _note_time(self, date: str) -> None:
        if date:
            with self._seen_lock:
                self._seen = (date, time.time())


class WritingApi(Api):
    """An Api that may also send requests that write."""

    methods = frozenset({"GET", "POST", "PUT"})


def _refusal(answer: Response) -> Refusal:
    try:
        told = parse_json(answer.body)
        code, message = str(told["errorCode"]), str(told["errorMessage"])
    except (KeyError, TypeError, ValueError):
        code, message = "", f"{answer.reason}: {answer.body[:200]!r}"
    return Refusal(answer.status, code, message, answer.headers.get("x-log-requestid", ""))
