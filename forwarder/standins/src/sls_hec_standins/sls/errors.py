"""Refusals of the service: status, error code and message as in `{"errorCode": ..., "errorMessage": ...}`.

Codes, statuses and texts are those of the error tables of the Log Service API reference unless a function
says otherwise.
"""

from __future__ import annotations


class SlsError(Exception):
    """A refusal; `status` is the HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


def parameter_invalid(message: str) -> SlsError:
    return SlsError(400, "ParameterInvalid", message)


def invalid_method(method: str) -> SlsError:
    """A path or method that is no call. 405 is in the C++ SDK's status list and in Go SDK issue 77."""
    return SlsError(405, "InvalidMethod", f"invalid method {method}")


def internal(message: str) -> SlsError:
    return SlsError(500, "InternalServerError", message)


# Projects, logstores, shards.


def project_not_exist(name: str) -> SlsError:
    return SlsError(404, "ProjectNotExist", f"The Project does not exist : {name}")


def project_already_exist(name: str) -> SlsError:
    return SlsError(400, "ProjectAlreadyExist", f"Project {name} already exist.")


def project_forbidden(name: str) -> SlsError:
    """The code and status are in the C++ SDK's list; the text is ours."""
    return SlsError(403, "ProjectForbidden", f"The project {name} is forbidden.")


def logstore_not_exist(name: str) -> SlsError:
    return SlsError(404, "LogStoreNotExist", f"logstore {name} does not exist")


def logstore_already_exist(name: str) -> SlsError:
    return SlsError(400, "LogStoreAlreadyExist", f"logstore {name} already exists")


def logstore_info_invalid(message: str) -> SlsError:
    return SlsError(400, "LogStoreInfoInvalid", message)


def logstore_without_shard() -> SlsError:
    return SlsError(400, "LogStoreWithoutShard", "the logstore has no shard")


def shard_not_exist(number: int, status: int) -> SlsError:
    """400 by the API reference for cursors and pulls, 404 by the C++ SDK and for checkpoints."""
    return SlsError(status, "ShardNotExist", f"shard {number} does not exist")


# Cursors and pulls.


def invalid_cursor(code: str, cursor: str) -> SlsError:
    return SlsError(400, code, f"Invalid cursor {cursor}")


def invalid_accept_encoding(value: str) -> SlsError:
    """The code and status are in the C++ SDK's list; the text is ours."""
    return SlsError(400, "InvalidAcceptEncoding", f"accept encoding {value} is unsupported.")


def invalid_accept_type(value: str) -> SlsError:
    """The code and status are in the C++ SDK's list; the text is ours."""
    return SlsError(400, "InvalidAcceptContentType", f"accept type {value} is unsupported.")


def shard_read_quota(what: str) -> SlsError:
    """`what` is "qps" or "bytes"; texts of the page on quota errors (2025)."""
    return SlsError(403, "ShardReadQuotaExceed", f"shard read {what} exceed quota limits")


# Writes.


def post_body_invalid(message: str) -> SlsError:
    return SlsError(400, "PostBodyInvalid", message)


def post_body_too_large(status: int, message: str) -> SlsError:
    return SlsError(status, "PostBodyTooLarge", message)


def post_body_uncompress(message: str) -> SlsError:
    return SlsError(400, "PostBodyUncompressError", message)


# Consumer groups.


def group_already_exist() -> SlsError:
    return SlsError(400, "ConsumerGroupAlreadyExist", "consumer group already exist")


def group_not_exist() -> SlsError:
    return SlsError(404, "ConsumerGroupNotExist", "consumer group not exist")


def group_quota_exceed(status: int, quota: int) -> SlsError:
    """The status and the text are in no page we know; the code is in many."""
    return SlsError(status, "ConsumerGroupQuotaExceed", f"consumer group count exceeds the quota of {quota}")


def json_info_invalid(message: str) -> SlsError:
    return SlsError(400, "JsonInfoInvalid", message)


def not_exist_consumer_with_body() -> SlsError:
    return SlsError(
        400, "NotExistConsumerWithBody", "non-exist consumer with non-empty body of heartbeat message"
    )


def invalid_checkpoint() -> SlsError:
    return SlsError(400, "InvalidShardCheckPoint", "shard checkpoint not encoded by base64")


def consumer_not_exist(code: str) -> SlsError:
    return SlsError(404, code, "consumer not exist in the consumer group")


def consumer_not_match(status: int) -> SlsError:
    """The code is what the Java and Go consumers test; status and text are ours."""
    return SlsError(status, "ConsumerNotMatch", "the shard is not held by this consumer")


# Requests and authentication.


def bad_header(code: str, message: str) -> SlsError:
    return SlsError(400, code, message)


def signature_not_match(signature: str) -> SlsError:
    return SlsError(401, "SignatureNotMatch", f"signature {signature} is not matched.")


def unauthorized(message: str) -> SlsError:
    return SlsError(401, "Unauthorized", message)


def denied(action: str, resource: str) -> SlsError:
    """As quoted on the page "denied by sts or ram" of the SLS error documentation."""
    return unauthorized(f"denied by sts or ram, action: {action}, resource: {resource}")
