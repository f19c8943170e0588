"""The calls to the HTTP Event Collector over one connection, and what their answers mean."""

from __future__ import annotations

import dataclasses
import json
import time
import zlib
from collections.abc import Iterable
from importlib.metadata import version
from typing import Callable, Final, NamedTuple

from sls_hec_forwarder.hec.api.answers import Action, Answer, classify
from sls_hec_forwarder.hec.api.target import Target
from sls_hec_forwarder.hec.api.token import Token
from sls_hec_forwarder.http.answer import Response
from sls_hec_forwarder.http.connection import Connection, NoAnswer, ProxyRefused

_APP: Final = {
    "__splunk_app_name": "sls-hec-forwarder",
    "__splunk_app_version": version("sls-hec-forwarder"),
}


class Attempt(NamedTuple):
    """One POST: its outcome, bytes on the wire, and how many seconds it took."""

    answer: Answer
    wire_bytes: int
    seconds: float


# Cookies whose value changes with every answer of the load balancer, even from the same node.
_CHANGING_COOKIES: Final = "AWSALB"
_COOKIES: Final = 10
_LONGEST_COOKIE: Final = 4096  # characters, name and value: RFC 6265, 6.1
# Statuses from a node, or from a proxy in front of it, after which another node may work.
_LEAVE: Final = (429, 502, 503, 504)


class Client:
    """The calls to one collector, each with an answer.

    `channel` is a GUID that is always sent: tokens with indexer acknowledgement need it, others ignore it.
    With `sticky` a load balancer's cookies are sent back, as acknowledgement requires; without, it may
    balance.
    """

    def __init__(
        self,
        connection: Connection,
        target: Target,
        token: Token,
        channel: str,
        gzip_level: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = connection
        self._target = target
        self.channel = channel
        self.sticky = False
        self._cookies: dict[str, str] = {}
        self._moved = False
        self._token = token
        self._gzip_level = gzip_level
        self._clock = clock

    def post(self, body: bytes) -> Attempt:
        """Send envelopes. Every outcome is an answer; network failures raise nothing."""
        started = self._clock()
        headers = self._headers()
        wire = body
        if self._gzip_level:
            packer = zlib.compressobj(self._gzip_level, zlib.DEFLATED, zlib.MAX_WBITS | 16)
            wire = packer.compress(body) + packer.flush()
            headers["Content-Encoding"] = "gzip"
        try:
            response = self._exchange("POST", "event", headers, wire)
        except NoAnswer as error:
            answer = no_answer(error)
        else:
            answer = classify(response.status, response.headers, response.body, len(body))
        answer = dataclasses.replace(answer, text=self._token.hide(answer.text))
        return Attempt(answer, len(wire), self._clock() - started)

    def health(self) -> Response:
        """The collector's own health check; needs no token. Raises NoAnswer."""
        return self._exchange("GET", "health", {}, b"")

    def ask_without_events(self) -> Answer:
        """Find out, without sending events, whether the path that events take works.

        It does not use the health check, which has another path that may be blocked where events pass.
        """
        return dataclasses.replace(self.post(b"").answer, may_have_taken=False)

    def acks(self, channel: str, ids: Iterable[int]) -> Response:
        """Ask which batches of `channel` are indexed. Raises NoAnswer."""
        headers = {**self._headers(), "X-Splunk-Request-Channel": channel}
        body = json.dumps({"acks": list(ids)}).encode("ascii")
        return self._exchange("POST", "ack", headers, body)

    def hide(self, text: str) -> str:
        """`text` without the token."""
        return self._token.hide(text)

    def moved(self) -> bool:
        """Whether the load balancer has moved us to another node since the last call."""
        moved, self._moved = self._moved, False
        return moved

    def _exchange(self, method: str, call: str, headers: dict[str, str], body: bytes) -> Response:
        if self.sticky and self._cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        response = self.connection.exchange(method, self._target.path(call), headers, body)
        if response.status in _LEAVE:
            # On this connection a load balancer might send us to the same node again.
            self.connection.close()
        for cookie in response.cookies:
            pair = cookie.partition(";")[0].strip()
            # A cookie that RFC 6265 does not allow would break every later request.
            if len(pair) > _LONGEST_COOKIE or not (pair.isascii() and pair.isprintable()):
                continue
            name, _, value = pair.partition("=")
            before = self._cookies.get(name)
            if before is None and len(self._cookies) >= _COOKIES:
                continue
            self._cookies[name] = value
            changed = before is not None and before != value
            if changed and self.sticky and not name.startswith(_CHANGING_COOKIES):
                self._moved = True
        return response

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Splunk {self._token.value}",
            "Content-Type": "application/json",
            "X-Splunk-Request-Channel": self.channel,
            **_APP,
        }


def no_answer(error: NoAnswer) -> Answer:
    """The Answer for a request that got no answer."""
    if error.operator:
        todo = "check HEC_PROXY" if isinstance(error.cause, ProxyRefused) else ""
        return Answer(Action.HOLD, 0, str(error), todo=todo)
    return Answer(Action.RETRY, 0, str(error), may_have_taken=error.sent)
