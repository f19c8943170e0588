"""What a call to SLS can end in, other than an answer.

Each error keeps the HTTP status (0: there was no answer), SLS's own error code and the request id, which is
what Alibaba Cloud's support asks for. Codes are those of the API documentation, "Common error codes" and the
pages of the consumer group calls; where the SDKs spell or treat one differently, that is said below.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sls_hec_forwarder.errors import OperatorError, RelayError, TransientError


class SlsError(RelayError):
    """Base of the errors of one call; never raised itself."""

    #: Short name for metrics and for telling one trouble from the next.
    kind = "sls"
    #: The call that it came from, such as "HeartBeat".
    call = ""
    #: Something on the way refused: what SLS refuses has a code and a request id.
    foreign = False

    def __init__(self, message: str, *, status: int = 0, code: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id


class ServiceFault(SlsError, TransientError):
    """No answer, or one that says nothing: network, time-out, 5xx, an answer that is not SLS's."""

    kind = "transient"


class TooSlow(ServiceFault):
    """No complete answer in time."""


class Throttled(SlsError, TransientError):
    """A quota of the shard or of the project is used up. SLS answers 403 for that, not 429."""

    kind = "throttled"


class CorruptPull(SlsError, TransientError):
    """A pull whose body does not decompress to the size that its header names."""

    kind = "corrupt"


class TooLarge(CorruptPull):
    """A pull of more bytes than the relay takes at a time. Fewer log groups may fit."""


class Unreadable(SlsError, TransientError):
    """A pull whose log groups break the wire format."""

    kind = "wire"


class NotMember(SlsError, TransientError):
    """SLS does not know this consumer as the holder: it was timed out, or the shard went to another one."""

    kind = "not_member"


class CursorInvalid(SlsError):
    """The cursor is outside what the shard holds, as a rule because retention passed it."""

    kind = "cursor"


class AuthFailed(SlsError, OperatorError):
    """The credentials are wrong, disabled or expired. New ones are asked for by themselves."""

    kind = "auth"


class Denied(SlsError, OperatorError):
    """The credentials are good but lack the right to do this."""

    kind = "denied"


class Rejected(SlsError, OperatorError):
    """A name or a parameter that SLS does not accept: project, logstore, group, query."""

    kind = "rejected"


class ClockSkewed(SlsError, OperatorError):
    """This machine's clock is more than 15 minutes off."""

    kind = "clock"


class GroupQuotaExceeded(Rejected):
    """The logstore has as many consumer groups as it may have."""


class GroupMissing(Rejected):
    """The consumer group does not exist (any more)."""


class GroupExists(Rejected):
    """The consumer group that was to be made exists."""


@dataclass(frozen=True)
class Refusal:
    """An answer other than 200, as it came."""

    status: int
    code: str
    message: str
    request_id: str


# The Go SDK tests for the misspelt code as well (consumer/checkpoint_tracker.go).
_NOT_MEMBER = {"NotExistConsumerWithBody", "ConsumerNotExist", "ConsumerNotExsit", "ConsumerNotMatch"}
_SKEWED = {"RequestTimeTooSkewed", "RequestTimeExpired"}
_TRANSIENT = {"InternalServerError", "RequestTimeout", "ServerBusy"}
# As in the SDK's list (logclient.py, _auth_partial_code_set), and the code of a wrong secret.
_AUTH = re.compile(r"SignatureNotMatch|InvalidAccessKeyId|SecurityToken")
_QUOTA = re.compile(r"quota|qps|exceed|throttl", re.IGNORECASE)
# "Unauthorized" is both an unknown key and a missing RAM right; only the message tells.
_RAM = re.compile(r"denied by|\bram\b|not authorized|no permission", re.IGNORECASE)
_CURSOR = re.compile(r"invalid ?cursor", re.IGNORECASE)


def classify(refusal: Refusal) -> type[SlsError]:
    """The error that a refusal is."""
    code = _by_code(refusal)
    return code if code is not None else _by_status(refusal)


def _by_code(refusal: Refusal) -> type[SlsError] | None:
    code = refusal.code
    if code in _NOT_MEMBER:
        return NotMember
    if code in _SKEWED:
        return ClockSkewed
    if code in _TRANSIENT:
        return ServiceFault
    if code == "ConsumerGroupQuotaExceed":
        return GroupQuotaExceeded
    if code == "ConsumerGroupNotExist":
        return GroupMissing
    if code == "ConsumerGroupAlreadyExist":
        return GroupExists
    # InvalidCursor is what the SDK tests for; the documentation has ParameterInvalid "Invalid cursor".
    if _CURSOR.search(code) or (code == "ParameterInvalid" and _CURSOR.search(refusal.message)):
        return CursorInvalid
    if _AUTH.search(code):
        return AuthFailed
    if code == "Unauthorized":
        return Denied if _RAM.search(refusal.message) else AuthFailed
    return None


def _by_status(refusal: Refusal) -> type[SlsError]:
    status = refusal.status
    if status == 429 or (status == 403 and _QUOTA.search(f"{refusal.code} {refusal.message}")):
        return Throttled
    if status == 401:
        return AuthFailed
    if status == 403:
        return Denied
    if status == 407:
        return Rejected  # the proxy wants credentials
    if status >= 500 or not refusal.code:
        return ServiceFault  # a code is what tells SLS's answers from a gateway's
    return Rejected
