"""What an answer of the HTTP Event Collector means for the batch that was sent.

HEC answers `{"text": ..., "code": n}`, sometimes with `invalid-event-number` and `ackId`. Codes: "HTTP Event
Collector REST API endpoints / troubleshoot" in Splunk's documentation. What the number points at, and that
objects before the bad one are indexed, was observed on Splunk Enterprise 10.4 and Splunk Cloud 10.5.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sls_hec_forwarder.times import parse_http_date
from sls_hec_forwarder.untrusted import parse_json, plain, whole_number


class Action(enum.Enum):
    """What to do with the batch."""

    DONE = "done"
    DONE_SLOW_DOWN = "done, but slow down"
    RETRY = "retry, at another collector if there is one"
    RETRY_THEN_HOLD = "retry a few times, then hold"
    HOLD = "hold until somebody has fixed the cause"
    SPLIT = "send in smaller parts"
    ISOLATE = "find the event that is refused, and send the others"


class _Every(Container[object]):
    def __contains__(self, item: object) -> bool:
        return True


ANY: Final = _Every()
OPERATOR_CODES: Final = (1, 2, 3, 4, 10, 11, 14, 16, 21, 22, 28)
EVENT_CODES: Final = (6, 7, 12, 13, 15)
INCORRECT_INDEX: Final = 7
ACK_DISABLED: Final = 14
NO_DATA: Final = 5
_NOT_THE_BODY: Final = (407, 408, 415, 425, 429, 503)

# Longest text (characters) of a collector that is passed on.
_LONGEST_TEXT: Final = 200

# Largest body that Splunk Cloud accepts. It refuses a larger one as if the first event in it were broken.
CLOUD_BODY_BYTES: Final = 5 * 1024 * 1024


class Row(NamedTuple):
    """One line of the table: which answers it matches, and what they mean."""

    statuses: Container[object]
    codes: Container[object]
    action: Action
    why: str
    may_have_taken: bool = False


# First match wins. The two cases that need more than status and code are in `classify`.
TABLE: Final[tuple[Row, ...]] = (
    Row((200,), (0,), Action.DONE, "accepted"),
    Row((200,), (24, 25), Action.DONE_SLOW_DOWN, "accepted; a queue is nearly full"),
    Row(range(200, 300), ANY, Action.HOLD, "not an answer of an HTTP Event Collector", may_have_taken=True),
    Row(range(300, 400), ANY, Action.HOLD, "redirected; the token is not sent elsewhere"),
    Row(ANY, OPERATOR_CODES, Action.HOLD, "the token, the channel or the collector's settings are wrong"),
    Row((401, 403, 407), ANY, Action.HOLD, "access denied"),
    Row((400,), EVENT_CODES, Action.ISOLATE, "an event is refused"),
    Row((400,), (5,), Action.ISOLATE, "nothing to index"),
    Row((413,), ANY, Action.SPLIT, "the body is too large"),
    Row((404,), ANY, Action.RETRY_THEN_HOLD, "a rolling restart, or a wrong path if it lasts"),
    Row((408, 425, 429), ANY, Action.RETRY, "overloaded"),
    Row(range(400, 500), ANY, Action.HOLD, "refused, but not because of an event"),
    Row((500,), ANY, Action.RETRY, "internal error; may have been indexed", may_have_taken=True),
    Row((502, 504), ANY, Action.RETRY, "a proxy got no answer", may_have_taken=True),
    Row(ANY, ANY, Action.RETRY, "server error"),
)


@dataclass(frozen=True)
class Answer:
    """The outcome of one attempt. `status` is 0 without an answer; `text` is one short line without secrets.

    `invalid_event`: 0-based number of the refused event, if the answer names it. `accepted_prefix`: how many
    events from the start of the batch were accepted although the answer is an error (an atomic target accepts
    none). `may_have_taken`: the outcome is unknown, so sending again may duplicate. `retry_after`: seconds.
    `todo`: what an operator can do, if that does not follow from the rest.
    """

    action: Action
    status: int
    text: str
    code: int | None = None
    invalid_event: int | None = None
    accepted_prefix: int = 0
    ack_id: int | None = None
    retry_after: float | None = None
    may_have_taken: bool = False
    todo: str = ""

    @property
    def done(self) -> bool:
        """Whether the collector accepted the whole batch."""
        return self.action in (Action.DONE, Action.DONE_SLOW_DOWN)

    @property
    def may_be_the_body(self) -> bool:
        """Whether a firewall or proxy on the way may have refused what is in the body.

        HEC's own answers have a code, and an answer that asks the sender to wait is not about the body.
        """
        if not self.status:
            return self.may_have_taken
        if self.action not in (Action.RETRY, Action.RETRY_THEN_HOLD, Action.HOLD):
            return False
        return self.status == 500 or (self.code is None and self.status not in _NOT_THE_BODY)

    @property
    def path_works(self) -> bool:
        """Whether this answer to a request without events shows that address, token and path are right."""
        return self.status == 400 and self.code == NO_DATA

    def __str__(self) -> str:
        code = "" if self.code is None else f", code {self.code}"
        return f"{self.text} (HTTP {self.status}{code})" if self.status else self.text


def classify(
    status: int, headers: Mapping[str, str], body: bytes, sent_bytes: int = 0, now: float | None = None
) -> Answer:
    """The meaning of an answer to a body of `sent_bytes` (before compression). Never raises.

    `headers` have lower-case names; `now` is the wall clock, for a Retry-After that is a date.
    """
    try:
        return _classify(status, headers, body, sent_bytes, time.time() if now is None else now)
    except Exception as error:  # noqa: BLE001 - the retry reports it; no answer may end a sender
        text = f"an answer that cannot be interpreted ({type(error).__name__})"
        return Answer(Action.RETRY, status, text, may_have_taken=True)


def _classify(status: int, headers: Mapping[str, str], body: bytes, sent_bytes: int, now: float) -> Answer:
    fields = json_object(body)
    code = _whole(fields.get("code"))
    number = _whole(fields.get("invalid-event-number"))
    row = next(row for row in TABLE if status in row.statuses and code in row.codes)
    action, prefix, invalid = row.action, 0, None
    if action is Action.ISOLATE and number is not None:
        # "Incorrect index" gives the number of the event after the bad one.
        invalid = prefix = max(0, number - 1) if code == INCORRECT_INDEX else number
        if code == 6 and number == 0 and sent_bytes > CLOUD_BODY_BYTES:
            action, invalid = Action.SPLIT, None
    elif status == 503 and number is not None:
        prefix = number
    return Answer(
        action=action,
        status=status,
        text=_text(fields.get("text")) or row.why,
        code=code,
        invalid_event=invalid,
        accepted_prefix=prefix,
        ack_id=_whole(fields.get("ackId")),
        retry_after=_retry_after(headers.get("retry-after"), now),
        may_have_taken=row.may_have_taken,
    )


_CHECK_URL: Final = "check that the URL is that of an HTTP Event Collector"
_ADVICE: Final[Mapping[int, str]] = {
    1: "enable the token in Splunk",
    2: "something between the relay and Splunk removes the Authorization header",
    3: "check HEC_TOKEN; a token file is read again at each attempt",
    4: "check HEC_TOKEN; a token file is read again at each attempt",
    10: "check that no proxy removes the X-Splunk-Request-Channel header",
    28: "check that no proxy removes the X-Splunk-Request-Channel header",
}


def advice(answer: Answer) -> str:
    """What an operator can do about an answer because of which events are held."""
    known = answer.todo or _ADVICE.get(-1 if answer.code is None else answer.code)
    if known:
        return known
    if answer.status == 0:
        return "check the port, HEC_CA_FILE, HEC_SSL_VERIFY and HEC_CLIENT_CERT"
    if answer.status == 407:
        return "check user and password in HEC_PROXY"
    if answer.status in (401, 403) and answer.code is None:
        return "not Splunk's own answer: check HEC_TOKEN, and what firewalls and proxies in between allow"
    if answer.status in (401, 403):
        return "check HEC_TOKEN, and what proxies in between allow"
    if answer.status == 415:
        return "the collector does not accept this encoding: try HEC_GZIP=0"
    return _CHECK_URL


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; an empty one if there is none."""
    try:
        parsed = parse_json(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _whole(value: object) -> int | None:
    try:
        return whole_number(value) if isinstance(value, int) else None
    except ValueError:
        return None


def _text(value: object) -> str:
    if not isinstance(value, str):
        return ""
    return plain(" ".join(value[:_LONGEST_TEXT].split()))[:_LONGEST_TEXT]


def _retry_after(value: str | None, now: float) -> float | None:
    """Seconds, from either form of the header (RFC 9110 10.2.3); None if it is absent or unreadable."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        return max(0.0, parse_http_date(value) - now)
    except ValueError:
        return None
