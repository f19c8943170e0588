"""The interface that a service implements."""

from __future__ import annotations

from typing import Protocol

from sls_hec_standins.http.faults import Fault
from sls_hec_standins.http.message import Request, Response


class ResetConnection(Exception):
    """Raised by `App.handle`: the connection has to be reset instead of an answer."""


class App(Protocol):
    """A service. All methods are called from many threads at once.

    An exception from any of them becomes `error_response(500, ...)` and is recorded by the server.
    """

    def route(self, head: Request) -> str:
        """The name of the call, for faults to match, such as "PullLogs". The body is not read yet."""

    def handle(self, request: Request) -> Response:
        """Answer a complete request."""

    def fault_response(self, route: str, fault: Fault) -> Response:
        """The answer of an "error" fault in this service's own error format."""

    def error_response(self, status: int, text: str) -> Response:
        """The answer to what is not a request this service could handle.

        400 malformed HTTP, 413 body above `max_body`, 431 oversized head, 500 a defect of the service, 501
        an unknown transfer coding.
        """
