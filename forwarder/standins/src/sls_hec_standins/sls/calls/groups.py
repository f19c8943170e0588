"""Consumer group calls (API reference, "Consumer group interfaces")."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from sls_hec_standins.http import Response
from sls_hec_standins.sls import errors
from sls_hec_standins.sls.groups import Group, NotHolder, Record, UnknownConsumer, UnknownShard
from sls_hec_standins.sls.service import Call, answer, done, has_type
from sls_hec_standins.sls.store import Logstore

# A group of another name cannot be created, and a path with one is no call: 405 (Go SDK issue 77).
NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,126}[a-z0-9])?")
_MAX_SHARDS = 10_000


def create(call: Call) -> Response:
    info = call.json(errors.json_info_invalid)
    if not isinstance(info, dict) or not has_type(info, "consumerGroup", str):
        raise errors.json_info_invalid("consumerGroup or timeout is of error format")
    name, timeout, order = info["consumerGroup"], _timeout(info), _order(info)
    if not NAME.fullmatch(name) or timeout is None:
        raise errors.json_info_invalid("consumerGroup or timeout is of error format")
    logstore = call.logstore()
    if call.switches.group_name_scope == "project" and _is_taken(call, name):
        raise errors.group_already_exist()
    with logstore.lock:
        if name in logstore.groups:
            raise errors.group_already_exist()
        logstore.check_group_quota(call.switches.group_quota, call.switches.group_quota_status)
        logstore.groups[name] = Group(name, timeout, bool(order), logstore.facts, call.now)
    return done()


def update(call: Call) -> Response:
    info = call.json(errors.json_info_invalid)
    if not isinstance(info, dict):
        raise errors.json_info_invalid("The body is not valid json string.")
    timeout, order = _timeout(info), _order(info)
    if timeout is None and order is None:
        raise errors.json_info_invalid("timeout or order is needed")
    logstore = call.logstore()
    with logstore.lock:
        _group(call, logstore).update(call.now, timeout=timeout, order=order)
    return done()


def delete(call: Call) -> Response:
    """Also of a group that does not exist, says the page of 2018; the newer one lists no error for it."""
    logstore = call.logstore()
    with logstore.lock:
        logstore.groups.pop(call.names["group"], None)
    return done()


def list_all(call: Call) -> Response:
    """A bare array: the SDKs read nothing else, though the API reference shows an object around it."""
    logstore = call.logstore()
    with logstore.lock:
        return answer(
            [
                {"name": group.name, "timeout": group.timeout, "order": group.order}
                for group in logstore.groups.values()
            ]
        )


def heartbeat(call: Call) -> Response:
    consumer = _consumer(call)
    if not consumer:
        raise errors.parameter_invalid("Parameter consumer is not valid.")
    held = _held(call)
    faults = call.service.faults
    logstore = call.logstore()
    with logstore.lock:
        group = _group(call, logstore)
        lost = faults.take("heartbeat_lost", call.route)
        if lost:
            return _lost(group, consumer, lost.get("answer", "error"), call.now)
        if faults.take("rebalance", call.route):
            group.force_rebalance(call.now)
        if faults.take("kick", call.route):
            group.kick(consumer, call.now)
        try:
            shards = group.heartbeat(
                consumer, held, call.now, over_on_heartbeat=call.switches.over_on_heartbeat
            )
        except UnknownConsumer:
            raise errors.not_exist_consumer_with_body() from None
    return answer(shards)


def update_checkpoint(call: Call) -> Response:
    info = call.json(errors.json_info_invalid)
    if (
        not isinstance(info, dict)
        or not has_type(info, "shard", int)
        or not has_type(info, "checkpoint", str)
    ):
        raise errors.json_info_invalid("shard or checkpoint is of error format")
    if not _is_base64(info["checkpoint"]):
        raise errors.invalid_checkpoint()
    force = call.query.get("forceSuccess", "").lower() == "true"  # the Python SDK sends "True"
    logstore = call.logstore()
    with logstore.lock:
        group = _group(call, logstore)
        try:
            group.checkpoint(info["shard"], info["checkpoint"], _consumer(call), call.now, force=force)
        except UnknownShard:
            raise errors.shard_not_exist(info["shard"], 404) from None
        except UnknownConsumer:
            raise errors.consumer_not_exist(call.switches.consumer_not_exist_code) from None
        except NotHolder:
            raise errors.consumer_not_match(call.switches.consumer_not_match_status) from None
    return done()


def get_checkpoint(call: Call) -> Response:
    """Of all shards, or of one; empty for a shard that does not exist."""
    wanted = call.query.get("shard")
    if wanted is not None and not (wanted.isascii() and wanted.isdecimal() and len(wanted) < 10):
        raise errors.parameter_invalid("invalid shard id.")
    logstore = call.logstore()
    with logstore.lock:
        records = _group(call, logstore).view(call.now)
    rows = [
        _row(number, record, call.switches.checkpoint_consumer == "holder")
        for number, record in records.items()
        if wanted is None or number == int(wanted)
    ]
    return answer(rows)


def _row(number: int, record: Record, show_holder: bool) -> dict[str, Any]:
    return {
        "shard": number,
        "checkpoint": record.checkpoint,
        "updateTime": int(record.updated * 1_000_000),  # microseconds, as in the page's example
        "consumer": record.holder if show_holder else record.writer,
    }


def _lost(group: Group, consumer: str, kind: str, now: float) -> Response:
    if kind == "ok":
        group.view(now)
        return answer(group.assigned(consumer))
    raise errors.internal("the heartbeat was lost")


def _group(call: Call, logstore: Logstore) -> Group:
    found = logstore.groups.get(call.names["group"])
    if found is None:
        raise errors.group_not_exist()
    return found


def _is_taken(call: Call, name: str) -> bool:
    """Whether any logstore of the project has a group of that name."""
    for logstore in call.project().logstores():
        with logstore.lock:
            if name in logstore.groups:
                return True
    return False


def _consumer(call: Call) -> str:
    return call.query.get("consumer", "")


def _held(call: Call) -> list[int]:
    """A bare array as the SDKs send it, or the object of the API reference's example."""
    wrong = errors.json_info_invalid("shards is of error format")
    shards = call.json(errors.json_info_invalid) if call.request.body else []
    if isinstance(shards, dict):
        shards = shards.get("shards")
    if not isinstance(shards, list) or len(shards) > _MAX_SHARDS:
        raise wrong
    if not all(isinstance(shard, int) and not isinstance(shard, bool) for shard in shards):
        raise wrong
    return shards


def _timeout(info: dict[str, Any]) -> int | None:
    if "timeout" not in info:
        return None
    if not has_type(info, "timeout", int) or not 0 < info["timeout"] < 1 << 31:
        raise errors.json_info_invalid("timeout is of error value type")
    return int(info["timeout"])


def _order(info: dict[str, Any]) -> bool | None:
    if "order" not in info:
        return None
    if not has_type(info, "order", bool):
        raise errors.json_info_invalid("order is of error value type")
    return bool(info["order"])


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
