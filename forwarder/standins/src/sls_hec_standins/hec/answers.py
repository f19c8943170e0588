"""The answers of HEC: codes, texts and HTTP statuses.

Codes 0 to 23 as in Splunk's documentation of HEC response codes; 24 to 27 as documented since Splunk 9.3
and 10.0, with the texts other receivers use; 28 was seen on Splunk Cloud 10.5, its text is ours.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from sls_hec_standins.http import Response, json_response

CODES: Mapping[int, tuple[int, str]] = {
    0: (200, "Success"),
    1: (403, "Token disabled"),
    2: (401, "Token is required"),
    3: (401, "Invalid authorization"),
    4: (403, "Invalid token"),
    5: (400, "No data"),
    6: (400, "Invalid data format"),
    7: (400, "Incorrect index"),
    8: (500, "Internal server error"),
    9: (503, "Server is busy"),
    10: (400, "Data channel is missing"),
    11: (400, "Invalid data channel"),
    12: (400, "Event field is required"),
    13: (400, "Event field cannot be blank"),
    14: (400, "ACK is disabled"),
    15: (400, "Error in handling indexed fields"),
    16: (400, "Query string authorization is not enabled"),
    17: (200, "HEC is healthy"),
    18: (503, "HEC is unhealthy, queues are full"),
    19: (503, "HEC is unhealthy, ack service unavailable"),
    20: (503, "HEC is unhealthy, queues are full, ack service unavailable"),
    21: (400, "Invalid token"),
    22: (400, "Token disabled"),
    23: (503, "Server is shutting down"),
    24: (200, "HEC queue is approaching its capacity limit"),
    25: (200, "HEC ACK is approaching its capacity limit"),
    26: (429, "HEC queue is at capacity and cannot process any more requests"),
    27: (429, "HEC ACK channel is at capacity and cannot process any more requests"),
    28: (400, "Data channel is missing: a channel is required behind a sticky load balancer"),
}

Headers = Sequence["tuple[str, str]"]


@dataclass(eq=False)
class Refusal(Exception):
    """A request, or the rest of a batch from some object on, is refused with `code`.

    `number` is the value of "invalid-event-number".
    """

    code: int
    number: int | None = None
    headers: Headers = ()

    @property
    def status(self) -> int:
        return CODES.get(self.code, (500, ""))[0]

    def response(self, ack_id: int | None = None) -> Response:
        return answer(self.code, number=self.number, ack_id=ack_id, headers=self.headers)


@dataclass(eq=False)
class HtmlRefusal(Exception):
    """Refused by the HTTP layer in front of HEC: an HTML page and no HEC code."""

    status: int
    text: str
    headers: Headers = ()

    def response(self) -> Response:
        return html_page(self.status, self.text, self.headers)


def answer(
    code: int,
    *,
    number: int | None = None,
    ack_id: int | None = None,
    status: int | None = None,
    text: str | None = None,
    headers: Headers = (),
) -> Response:
    """The JSON answer of HEC for `code`, members in the order Splunk sends them."""
    default_status, default_text = CODES.get(code, (500, "Internal server error"))
    body: dict[str, object] = {"text": default_text if text is None else text, "code": code}
    if number is not None:
        body["invalid-event-number"] = number
    if ack_id is not None:
        body["ackId"] = ack_id
    return json_response(default_status if status is None else status, body, headers)


def html_page(status: int, text: str, headers: Headers = ()) -> Response:
    """A page as splunkd, a proxy or a load balancer shows for an error."""
    phrase = HTTPStatus(status).phrase if status in _STATUSES else "Error"
    page = (
        f"<!doctype html><html><head><title>{status} {phrase}</title></head>"
        f"<body><h1>{phrase}</h1><p>{html.escape(text)}</p></body></html>\n"
    )
    return Response(status, [("Content-Type", "text/html; charset=UTF-8"), *headers], page.encode())


def not_found(status: int) -> Response:
    """What splunkd's own layer answers for a path (404) or method (405) it does not serve."""
    return answer(404, status=status, text="The requested URL was not found on this server.")


_STATUSES = {status.value for status in HTTPStatus}
