"""PutLogs: one LogGroup into a shard (API reference, "PutLogs")."""

from __future__ import annotations

import zlib

from sls_hec_standins.http import Response
from sls_hec_standins.sls import errors, wire
from sls_hec_standins.sls.calls.shards import hash_key
from sls_hec_standins.sls.service import Call, done
from sls_hec_standins.sls.switches import Switches

_MAX_KEY = 128  # bytes
_MAX_VALUE = 1 << 20  # bytes
_PAST = 168 * 3600  # seconds
_FUTURE = 15 * 60
_LOG_TAGS_FIELD = b"\x32"  # field 6 of LogGroup, of length-delimited type


def balanced(call: Call) -> Response:
    """Into the next shard in turn."""
    return _put(call, None)


def routed(call: Call) -> Response:
    """Into the shard whose range has the hash key."""
    return _put(call, hash_key(call))


def _put(call: Call, key: int | None) -> Response:
    logstore = call.logstore()
    data = _body(call)
    try:
        logs = wire.check_log_group(data)
        _check_logs(data, logs, call.switches, call.now)
    except wire.WireError as error:
        raise errors.post_body_invalid(f"Protobuffer content cannot be parsed: {error}") from error
    with logstore.lock:
        if logs:
            if logstore.options["appendMeta"]:
                data += _meta_tags(call)
            logstore.append(data, logs, key=key)
    return done()


def _body(call: Call) -> bytes:
    headers, body, switches = call.request.headers, call.request.body, call.switches
    content_type = headers.get("content-type", "")
    if content_type != "application/x-protobuf":
        raise errors.SlsError(415, "InvalidContentType", f"Content-Type {content_type} is unsupported.")
    compression = headers.get("x-log-compresstype", "").lower()
    size = len(body)
    if compression:
        if compression not in ("lz4", "zstd", "deflate"):
            raise errors.bad_header(
                "InvalidCompressType", f"x-log-compresstype {compression} is unsupported."
            )
        size = _raw_size(headers.get("x-log-bodyrawsize"))
    if size > switches.put_max_bytes:
        raise _too_large(switches)
    try:
        return _inflate(body, size) if compression == "deflate" else wire.decompress(body, compression, size)
    except wire.WireError as error:
        raise errors.post_body_uncompress(f"Failed to decompress logs: {error}") from error


def _raw_size(text: str | None) -> int:
    if text is None:
        raise errors.bad_header(
            "MissingBodyRawSize", "x-log-bodyrawsize does not exist in header when it is necessary."
        )
    if not (text.isascii() and text.isdecimal() and len(text) < 12):
        raise errors.bad_header("InvalidBodyRawSize", "x-log-bodyrawsize is invalid.")
    return int(text)


def _inflate(body: bytes, size: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(body, size + 1)
    except zlib.error as error:
        raise wire.WireError(f"not deflate: {error}") from error
    if len(raw) != size or not inflater.eof:
        raise wire.WireError(f"not the {size} bytes announced")
    return raw


def _check_logs(data: bytes, logs: int, switches: Switches, now: float) -> None:
    if logs > switches.put_max_logs:
        raise _too_large(switches)
    for log in wire.iter_logs(data):
        if switches.put_time_window != "off" and not now - _PAST <= log.time <= now + _FUTURE:
            raise errors.SlsError(400, switches.put_time_window, "The post data time is out of range")
        for key, value in log.contents:
            if not 0 < len(key) <= _MAX_KEY:
                raise errors.SlsError(400, "InvalidKey", "Invalid keys are in logs.")
            if len(value) > _MAX_VALUE:
                raise _too_large(switches)
            if switches.put_invalid_utf8 != "accept" and not (_is_utf8(key) and _is_utf8(value)):
                raise errors.SlsError(400, switches.put_invalid_utf8, "Non-UTF8 characters are in logs.")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _too_large(switches: Switches) -> errors.SlsError:
    megabytes, logs = switches.put_max_bytes / (1 << 20), switches.put_max_logs
    return errors.post_body_too_large(
        switches.put_too_large_status,
        f"Logs must be less than or equal to {megabytes:g} MB and {logs} entries, values 1 MB.",
    )


def _meta_tags(call: Call) -> bytes:
    """The tags of a logstore that records public addresses (page "Reserved fields")."""
    tags = {"__receive_time__": str(int(call.now)), "__client_ip__": call.request.peer}
    pairs = (wire.write_pair(key, value) for key, value in tags.items())
    return b"".join(_LOG_TAGS_FIELD + wire.varint(len(pair)) + pair for pair in pairs)
