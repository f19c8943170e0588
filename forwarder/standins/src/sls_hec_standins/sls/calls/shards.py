"""Shards and cursors (API reference, "Logstore related APIs")."""

from __future__ import annotations

import re

from sls_hec_standins.http import Response
from sls_hec_standins.sls import cursors, errors
from sls_hec_standins.sls.service import Call, answer
from sls_hec_standins.sls.shards import CursorAhead, CursorExpired, Shard
from sls_hec_standins.sls.store import Logstore

_KEY = re.compile(r"[0-9a-fA-F]{32}")


def list_all(call: Call) -> Response:
    logstore = call.logstore()
    with logstore.lock:
        return answer([shard.as_json() for shard in logstore.shards.values()])


def split(call: Call) -> Response:
    key = None if call.query.get("key") is None and "shardCount" in call.query else hash_key(call)
    count = call.number("shardCount", 2, 2, 256)
    logstore = call.logstore()
    with logstore.lock:
        return answer([shard.as_json() for shard in logstore.split(_number(call), key, count)])


def merge(call: Call) -> Response:
    logstore = call.logstore()
    with logstore.lock:
        return answer([shard.as_json() for shard in logstore.merge(_number(call))])


def get_cursor(call: Call) -> Response:
    start = call.query.get("from", "")
    is_time = start.isascii() and start.isdecimal() and len(start) < 19
    if start not in ("begin", "end") and not is_time:
        raise errors.parameter_invalid("Parameter From is not valid.")
    logstore = call.logstore()
    with logstore.lock:
        shard = find(call, logstore)
        edges = {"begin": shard.first, "end": shard.next}
        position = shard.cursor_at(int(start)) if is_time else edges[start]
    return answer({"cursor": cursors.encode(position)})


def get_cursor_time(call: Call) -> Response:
    logstore = call.logstore()
    with logstore.lock:
        shard = find(call, logstore)
        position = readable(call, shard, call.query.get("cursor", ""))
        if position == shard.next and call.switches.cursor_time_of_end == "last":
            position -= 1
        group = shard.group(position)
    return answer({"cursor_time": int(call.now if group is None else group.received)})


def hash_key(call: Call) -> int:
    """The MD5 in the parameter `key`."""
    text = call.query.get("key", "")
    if not _KEY.fullmatch(text):
        raise errors.parameter_invalid("invalid mid hash.")
    return int(text, 16)


def find(call: Call, logstore: Logstore) -> Shard:
    """The shard in the path of a call that reads."""
    if not logstore.shards:
        raise errors.logstore_without_shard()
    number = _number(call)
    shard = logstore.shards.get(number)
    if shard is None:
        raise errors.shard_not_exist(number, call.switches.shard_not_exist_status)
    return shard


def readable(call: Call, shard: Shard, cursor: str) -> int:
    """The position of `cursor`, which the shard can be read from."""
    position = parse_cursor(call, cursor)
    outside = call.switches.expired_cursor
    try:
        shard.check(position)
    except CursorExpired:
        if outside == "oldest":
            return shard.first
        raise errors.invalid_cursor(outside, cursor) from None
    except CursorAhead:
        code = "ParameterInvalid" if outside == "ParameterInvalid" else "InvalidCursor"
        raise errors.invalid_cursor(code, cursor) from None
    return position


def parse_cursor(call: Call, cursor: str) -> int:
    position = cursors.decode(cursor)
    if position is None:
        raise errors.invalid_cursor(call.switches.malformed_cursor, cursor)
    return position


def _number(call: Call) -> int:
    text = call.names["shard"]
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise errors.parameter_invalid("invalid shard id.")
    return int(text)
