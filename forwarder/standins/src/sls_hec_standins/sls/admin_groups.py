"""The admin API's routes for consumer groups."""

from __future__ import annotations

from typing import Any, Callable

from sls_hec_standins.http import BadRequest, Response, json_response
from sls_hec_standins.sls.console import Console
from sls_hec_standins.sls.groups import Group
from sls_hec_standins.sls.params import Params
from sls_hec_standins.sls.service import Service
from sls_hec_standins.sls.store import Logstore


class GroupAdmin:
    """Handlers over a `Service` and its `Console`."""

    def __init__(self, service: Service, console: Console) -> None:
        self._service = service
        self._console = console

    def handlers(self) -> dict[tuple[str, str], Callable[[Params], Response]]:
        return {
            ("POST", "/groups"): self._put,
            ("DELETE", "/groups"): self._delete,
            ("POST", "/groups/checkpoint"): self._set_checkpoint,
            ("POST", "/groups/rebalance"): self._rebalance,
            ("POST", "/groups/kick"): self._kick,
        }

    def _put(self, params: Params) -> Response:
        where = _where(params)
        timeout, order = params.take("timeout", int, None), params.take("order", bool, None)
        params.done()
        group = self._console.put_group(*where, timeout=timeout, order=order)
        return json_response(200, {"group": group.name, "timeout": group.timeout, "order": group.order})

    def _delete(self, params: Params) -> Response:
        where = _where(params)
        params.done()
        self._console.delete_group(*where)
        return json_response(200, {})

    def _set_checkpoint(self, params: Params) -> Response:
        where = _where(params)
        to, shard = params.take("to", (str, int)), params.take("shard", int, None)
        params.done()
        return json_response(200, self._console.set_checkpoint(*where, to=to, shard=shard))

    def _rebalance(self, params: Params) -> Response:
        logstore, name = self._group_of(params)
        params.done()
        with logstore.lock:
            moved = _group(logstore, name).force_rebalance(self._service.clock.now())
        return json_response(200, {"moved_shards": moved})

    def _kick(self, params: Params) -> Response:
        logstore, name = self._group_of(params)
        consumer = params.take("consumer", str)
        params.done()
        with logstore.lock:
            if not _group(logstore, name).kick(consumer, self._service.clock.now()):
                raise BadRequest(f"no consumer {consumer}", 404)
        return json_response(200, {})

    def _group_of(self, params: Params) -> tuple[Logstore, str]:
        project, logstore, name = _where(params)
        return self._service.store.logstore(project, logstore), name


def _where(params: Params) -> tuple[str, str, str]:
    return params.take("project", str), params.take("logstore", str), params.take("group", str)


def _group(logstore: Logstore, name: str) -> Any:
    group: Group | None = logstore.groups.get(name)
    if group is None:
        raise BadRequest(f"no consumer group {name}", 404)
    return group
