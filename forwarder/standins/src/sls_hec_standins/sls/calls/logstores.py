"""Logstore calls (API reference, "Logstore related APIs")."""

from __future__ import annotations

from typing import Any

from sls_hec_standins.http import Response
from sls_hec_standins.sls import errors
from sls_hec_standins.sls.service import Call, answer, done, has_type
from sls_hec_standins.sls.store import Logstore

_MAX_SHARDS = 100  # that can be asked for at once
_OPTIONS = {"enable_tracking": bool, "autoSplit": bool, "maxSplitShard": int, "appendMeta": bool}


def create(call: Call) -> Response:
    info = _info(call)
    if not has_type(info, "logstoreName", str):
        raise errors.logstore_info_invalid("logstoreName is invalid")
    shards = info.get("shardCount")
    if not has_type(info, "shardCount", int) or not 1 <= info["shardCount"] <= _MAX_SHARDS:
        raise errors.logstore_info_invalid(f"shard count {shards} is invalid")
    made = call.project().create_logstore(info["logstoreName"], ttl=info["ttl"], shards=info["shardCount"])
    with made.lock:
        _set_options(made, info)
    return done()


def update(call: Call) -> Response:
    info = _info(call)
    logstore = call.logstore()
    with logstore.lock:
        logstore.set_ttl(info["ttl"])
        _set_options(logstore, info)
        logstore.modified = int(call.now)
    return done()


def get(call: Call) -> Response:
    logstore = call.logstore()
    with logstore.lock:
        return answer(
            {
                "logstoreName": logstore.name,
                "ttl": logstore.ttl,
                "shardCount": sum(not shard.readonly for shard in logstore.shards.values()),
                **logstore.options,
                "createTime": logstore.created,
                "lastModifyTime": logstore.modified,
            }
        )


def delete(call: Call) -> Response:
    call.project().delete_logstore(call.names["logstore"])
    return done()


def list_all(call: Call) -> Response:
    part = call.query.get("logstoreName", "")
    found = [logstore.name for logstore in call.project().logstores() if part in logstore.name]
    offset = call.number("offset", 0, 0, 1 << 31)
    page = found[offset : offset + call.number("size", 500, 1, 500)]
    return answer({"count": len(page), "total": len(found), "logstores": page})


def _info(call: Call) -> dict[str, Any]:
    info = call.json(errors.logstore_info_invalid)
    if not isinstance(info, dict):
        raise errors.logstore_info_invalid("The body is not valid json string.")
    if not has_type(info, "ttl", int):
        raise errors.logstore_info_invalid(f"ttl {info.get('ttl')} is invalid")
    for name, kind in _OPTIONS.items():
        if info.get(name) is not None and not has_type(info, name, kind):
            raise errors.logstore_info_invalid(f"{name} is invalid")
    return info


def _set_options(logstore: Logstore, info: dict[str, Any]) -> None:
    logstore.options.update({name: info[name] for name in _OPTIONS if info.get(name) is not None})
