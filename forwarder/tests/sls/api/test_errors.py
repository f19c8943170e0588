"""Which refusal is which error."""

from __future__ import annotations

import pytest

from sls_hec_forwarder.errors import OperatorError, TransientError
from sls_hec_forwarder.sls.api import errors as e


@pytest.mark.parametrize(
    ("status", "code", "message", "error"),
    [
        (400, "NotExistConsumerWithBody", "", e.NotMember),
        (404, "ConsumerNotExist", "", e.NotMember),
        (404, "ConsumerNotExsit", "", e.NotMember),
        (400, "ConsumerNotMatch", "", e.NotMember),
        (404, "ConsumerGroupNotExist", "", e.GroupMissing),
        (400, "ConsumerGroupAlreadyExist", "", e.GroupExists),
        (400, "ConsumerGroupQuotaExceed", "", e.GroupQuotaExceeded),
        (403, "ConsumerGroupQuotaExceed", "quota", e.GroupQuotaExceeded),
        (400, "InvalidCursor", "", e.CursorInvalid),
        (400, "ParameterInvalid", "Invalid cursor abc", e.CursorInvalid),
        (400, "ParameterInvalid", "invalid loggroup count", e.Rejected),
        (400, "RequestTimeTooSkewed", "", e.ClockSkewed),
        (400, "RequestTimeExpired", "", e.ClockSkewed),
        (401, "SignatureNotMatch", "", e.AuthFailed),
        (401, "Unauthorized", "The security token you provided has expired", e.AuthFailed),
        (401, "Unauthorized", "AccessKeyId not found: LTAI", e.AuthFailed),
        (401, "Unauthorized", "denied by sts or ram, action: log:ListShards", e.Denied),
        (403, "Unauthorized", "The user is not authorized by RAM", e.Denied),
        (400, "SecurityToken.Expired", "", e.AuthFailed),
        (403, "SecurityTokenExpired", "", e.AuthFailed),
        (403, "InvalidAccessKeyId.NotFound", "", e.AuthFailed),
        (401, "", "", e.AuthFailed),
        (403, "ProjectForbidden", "", e.Denied),
        (403, "ReadQuotaExceed", "", e.Throttled),
        (403, "ShardReadQuotaExceed", "", e.Throttled),
        (403, "MetaOperationQpsLimitExceeded", "", e.Throttled),
        (403, "Forbidden", "Read QPS Exceed", e.Throttled),
        (429, "", "", e.Throttled),
        (404, "ProjectNotExist", "", e.Rejected),
        (404, "LogStoreNotExist", "", e.Rejected),
        (405, "InvalidMethod", "", e.Rejected),
        (407, "", "Proxy Authentication Required", e.Rejected),
        (500, "InternalServerError", "", e.ServiceFault),
        (200, "RequestTimeout", "", e.ServiceFault),
        (503, "ServerBusy", "", e.ServiceFault),
        (502, "", "Bad Gateway", e.ServiceFault),
        (404, "", "<html>", e.ServiceFault),
    ],
)
def test_refusals(status: int, code: str, message: str, error: type[e.SlsError]) -> None:
    assert e.classify(e.Refusal(status, code, message, "id")) is error


def test_every_error_says_whether_trying_again_helps() -> None:
    undecided = {e.SlsError, e.CursorInvalid}  # the base, and what the policy of the settings decides
    for error in vars(e).values():
        if isinstance(error, type) and issubclass(error, e.SlsError) and error not in undecided:
            assert issubclass(error, TransientError) != issubclass(error, OperatorError), error
