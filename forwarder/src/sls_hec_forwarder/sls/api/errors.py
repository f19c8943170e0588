"""The errors that a call to SLS can raise.

Each error keeps the HTTP status (0: there was no answer), SLS's own error code and the request id, which
Alibaba Cloud's support asks for. Codes are those of the API documentation, "Common error codes" and the pages
of the consumer group calls; comments below say where the SDKs spell or treat one differently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sls_hec_forwarder.errors import OperatorError, RelayError, TransientError


class SlsError(RelayError):
    """Base class of the errors of one call; never raised itself."""

    #: Short name, for metrics and to tell whether two errors have the same cause.
    kind = "sls"
    #: The call that failed, such as "HeartBeat".
    call = ""
    #: Refused by something on the way, not by SLS, whose refusals have a code and a request id.
    foreign = False

    def __init__(self, message: str, *, status: int = 0, code: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id


class ServiceFault(SlsError, TransientError):
    """No answer, or no usable one: network, time-out, 5xx, an answer that is not from SLS."""

    kind = "transient"


class TooSlow(ServiceFault):
    """No complete answer in time."""


class Throttled(SlsError, TransientError):
    """A quota of the shard or of the project is used up. SLS answers this with 403, not 429."""

    kind = "throttled"


class CorruptPull(SlsError, TransientError):
    """A pull whose body does not decompress to the size in its header."""

    kind = "corrupt"


class TooLarge(CorruptPull):
    """A pull of more bytes than the relay accepts in one answer. A pull of fewer log groups may fit."""


class Unreadable(SlsError, TransientError):
    """A pull whose log groups violate the wire format."""

    kind = "wire"


class NotMember(SlsError, TransientError):
    """SLS does not regard this consumer as the holder: it timed out, or the shard went to another one."""

    kind = "not_member"


class CursorInvalid(SlsError):
    """The cursor is outside what the shard holds, usually because the logs there have expired."""

    kind = "cursor"


class AuthFailed(SlsError, OperatorError):
    """The credentials are wrong, disabled or expired. New ones are looked for automatically."""

    kind = "auth"


class Denied(SlsError, OperatorError):
    """The credentials are valid but lack the right for this call."""

    kind = "denied"


class Rejected(SlsError, OperatorError):
    """SLS does not accept a name or a parameter: project, logstore, group, query."""

    kind = "rejected"


class ClockSkewed(SlsError, OperatorError):
    """This machine's clock is more than 15 minutes off."""

    kind = "clock"


class GroupQuotaExceeded(Rejected):
    """The logstore has the largest number of consumer groups that is allowed."""


class GroupMissing(Rejected):
    """The consumer group does not exist, or no longer exists."""


class GroupExists(Rejected):
    """The consumer group that was to be created already exists."""


@dataclass(frozen=True)
class Refusal:
    """An answer other than 200, as received."""

    status: int
    code: str
    message: str
    request_id: str


# The Go SDK also tests for the misspelt code (consumer/checkpoint_tracker.go).
_NOT_MEMBER = {"NotExistConsumerWithBody", "ConsumerNotExist", "ConsumerNotExsit", "ConsumerNotMatch"}
_SKEWED = {"RequestTimeTooSkewed", "RequestTimeExpired"}
_TRANSIENT = {"InternalServerError", "RequestTimeout", "ServerBusy"}
# As in the SDK's list (logclient.py, _auth_partial_code_set), and the code of a wrong secret.
_AUTH = re.compile(r"SignatureNotMatch|InvalidAccessKeyId|SecurityToken")
_QUOTA = re.compile(r"quota|qps|exceed|throttl", re.IGNORECASE)
# "Unauthorized" means an unknown key or a missing RAM right; only the message says which.
_RAM = re.compile(r"denied by|\bram\b|not authorized|no permission", re.IGNORECASE)
_CURSOR = re.compile(r"invalid ?cursor", re.IGNORECASE)


def classify(refusal: Refusal) -> type[SlsError]:
    """The class of error for a refusal."""
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
        return ServiceFault  # SLS's answers have a code; this one comes from a gateway
    return Rejected
