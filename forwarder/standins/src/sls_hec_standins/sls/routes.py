"""The call of each request, and the RAM action that it needs (RAM action list, SIEM integration policy)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sls_hec_standins.sls.calls import groups, logstores, projects, pull, put, shards
from sls_hec_standins.sls.service import Handler

_GROUP = "/logstores/{logstore}/consumergroups/{group}"
_SHARD = "/logstores/{logstore}/shards/{shard}"


class Route(NamedTuple):
    """One call. `query` is a parameter and the values of it that mean this call."""

    name: str
    action: str
    method: str
    path: tuple[str, ...]
    handler: Handler
    query: tuple[str, tuple[str, ...]] | None = None
    needs_project: bool = True


def _route(
    name: str,
    action: str,
    method: str,
    path: str,
    handler: Handler,
    query: str = "",
    *,
    needs_project: bool = True,
) -> Route:
    parameter, _, values = query.partition("=")
    wanted = (parameter, tuple(values.split("|"))) if query else None
    return Route(name, f"log:{action}", method, _segments(path), handler, wanted, needs_project)


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.strip("/").split("/")) if path != "/" else ()


ROUTES = (
    _route("ListProject", "ListProject", "GET", "/", projects.list_all, needs_project=False),
    _route("GetProject", "GetProject", "GET", "/", projects.get),
    _route("CreateProject", "CreateProject", "POST", "/", projects.create),
    _route("CreateProject", "CreateProject", "POST", "/", projects.create, needs_project=False),
    _route("UpdateProject", "UpdateProject", "PUT", "/", projects.update),
    _route("DeleteProject", "DeleteProject", "DELETE", "/", projects.delete),
    _route("ListLogstores", "ListLogStores", "GET", "/logstores", logstores.list_all),
    _route("CreateLogstore", "CreateLogStore", "POST", "/logstores", logstores.create),
    _route("GetLogstore", "GetLogStore", "GET", "/logstores/{logstore}", logstores.get),
    _route("UpdateLogstore", "UpdateLogStore", "PUT", "/logstores/{logstore}", logstores.update),
    _route("DeleteLogstore", "DeleteLogStore", "DELETE", "/logstores/{logstore}", logstores.delete),
    _route("ListShards", "ListShards", "GET", "/logstores/{logstore}/shards", shards.list_all),
    _route("SplitShard", "UpdateLogStore", "POST", _SHARD, shards.split, "action=split"),
    _route("MergeShards", "UpdateLogStore", "POST", _SHARD, shards.merge, "action=merge"),
    _route("GetCursor", "GetCursorOrData", "GET", _SHARD, shards.get_cursor, "type=cursor"),
    _route("GetCursorTime", "GetCursorOrData", "GET", _SHARD, shards.get_cursor_time, "type=cursor_time"),
    _route("PullLogs", "GetCursorOrData", "GET", _SHARD, pull.pull_logs, "type=log|logs"),
    # Only the next cursor and the counts (page "PullLogs", "Page flip").
    _route("PullLogs", "GetCursorOrData", "HEAD", _SHARD, pull.pull_logs, "type=log|logs"),
    _route("PutLogs", "PostLogStoreLogs", "POST", "/logstores/{logstore}", put.balanced),
    _route("PutLogs", "PostLogStoreLogs", "POST", "/logstores/{logstore}/shards/lb", put.balanced),
    _route("PutLogs", "PostLogStoreLogs", "POST", "/logstores/{logstore}/shards/route", put.routed),
    _route(
        "ListConsumerGroup",
        "ListConsumerGroup",
        "GET",
        "/logstores/{logstore}/consumergroups",
        groups.list_all,
    ),
    _route(
        "CreateConsumerGroup",
        "CreateConsumerGroup",
        "POST",
        "/logstores/{logstore}/consumergroups",
        groups.create,
    ),
    _route("UpdateConsumerGroup", "UpdateConsumerGroup", "PUT", _GROUP, groups.update),
    _route("DeleteConsumerGroup", "DeleteConsumerGroup", "DELETE", _GROUP, groups.delete),
    _route("HeartBeat", "ConsumerGroupHeartBeat", "POST", _GROUP, groups.heartbeat, "type=heartbeat"),
    _route(
        "UpdateCheckPoint",
        "ConsumerGroupUpdateCheckPoint",
        "POST",
        _GROUP,
        groups.update_checkpoint,
        "type=checkpoint",
    ),
    _route("GetCheckPoint", "GetConsumerGroupCheckPoint", "GET", _GROUP, groups.get_checkpoint),
)

# A call and the variable parts of its path.
Found = tuple[Route, "dict[str, str]"]

NAMES = tuple(dict.fromkeys(route.name for route in ROUTES))
UNKNOWN = "Unknown"


def find(method: str, path: str, query: Mapping[str, str], has_project: bool) -> Found | None:
    """The call of a request; None if it is none."""
    given = _segments(path)
    for route in ROUTES:
        if route.method != method or len(route.path) != len(given) or route.needs_project != has_project:
            continue
        if route.query is not None and query.get(route.query[0]) not in route.query[1]:
            continue
        names = _match(route.path, given)
        if names is not None:
            return route, names
    return None


def _match(pattern: tuple[str, ...], given: tuple[str, ...]) -> dict[str, str] | None:
    names = {}
    for part, value in zip(pattern, given):
        if part.startswith("{"):
            names[part[1:-1]] = value
        elif part != value:
            return None
    if not all(names.values()) or not groups.NAME.fullmatch(names.get("group", "g")):
        return None
    return names
