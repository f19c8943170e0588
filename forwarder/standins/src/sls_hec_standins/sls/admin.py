"""What this service adds to the admin API; docs/standins-sls.md has the list with examples.

Refusals of the service itself come with their own status.
"""

from __future__ import annotations

import functools
import io
from typing import Any, Callable

from sls_hec_standins.http import NUMBER, BadRequest, Request, Response, json_response, text_response
from sls_hec_standins.sls import cursors, truth
from sls_hec_standins.sls.admin_groups import GroupAdmin
from sls_hec_standins.sls.auth import Key
from sls_hec_standins.sls.calls.pull import COMPRESSIONS
from sls_hec_standins.sls.console import Console
from sls_hec_standins.sls.loading import Loader, LoadPlan
from sls_hec_standins.sls.params import Params, handle
from sls_hec_standins.sls.service import Service
from sls_hec_standins.sls.spl import QueryError, compile_query
from sls_hec_standins.sls.store import Logstore


class Admin:
    """Handlers over a `Service` and its `Loader`."""

    def __init__(self, service: Service, loader: Loader) -> None:
        self._service = service
        self._loader = loader
        self._console = Console(service)

    def routes(self) -> dict[tuple[str, str], Callable[[Request], Response]]:
        handlers: dict[tuple[str, str], Callable[[Params], Response]] = {
            ("GET", "/state"): self._state,
            ("GET", "/truth"): self._truth,
            ("POST", "/projects"): self._project,
            ("DELETE", "/projects"): self._delete_project,
            ("POST", "/logstores"): self._create_logstore,
            ("DELETE", "/logstores"): self._delete_logstore,
            ("GET", "/keys"): self._keys,
            ("POST", "/keys"): self._put_key,
            ("DELETE", "/keys"): self._remove_key,
            ("POST", "/keys/deny"): self._deny,
            ("GET", "/switches"): self._switches,
            ("POST", "/switches"): self._set_switches,
            ("GET", "/loads"): self._loads,
            ("POST", "/loads"): self._load,
            ("DELETE", "/loads"): self._stop_loads,
            ("POST", "/shards/split"): self._split,
            ("POST", "/shards/merge"): self._merge,
            ("POST", "/shards/remove"): self._remove_shard,
            ("POST", "/shards/expire"): self._expire,
            ("POST", "/processors"): self._processor,
            ("POST", "/pulls"): self._prepare_pulls,
            **GroupAdmin(self._service, self._console).handlers(),
        }
        return {route: functools.partial(handle, handler) for route, handler in handlers.items()}

    # The state.

    def _state(self, params: Params) -> Response:
        params.done()
        projects = {
            project.name: {
                "forbidden": project.forbidden,
                "processors": project.processors,
                "logstores": {each.name: self._logstore_state(each) for each in project.logstores()},
            }
            for project in self._service.store.projects()
        }
        loads = [load.as_json() for load in self._loader.loads()]
        return json_response(200, {"now": self._service.clock.now(), "projects": projects, "loads": loads})

    def _logstore_state(self, logstore: Logstore) -> dict[str, Any]:
        now = self._service.clock.now()
        with logstore.lock:
            logstore.expire()
            shards = [
                {
                    **shard.as_json(),
                    "parents": shard.parents,
                    "first": cursors.encode(shard.first),
                    "next": cursors.encode(shard.next),
                    "stored_groups": shard.next - shard.first,
                    "received_groups": shard.received_groups,
                    "received_logs": shard.received_logs,
                    "received_bytes": shard.received_bytes,
                }
                for shard in logstore.shards.values()
            ]
            groups = {
                group.name: {
                    "timeout": group.timeout,
                    "order": group.order,
                    "consumers": group.consumers(now),
                    "shards": {number: vars(record) for number, record in group.view(now).items()},
                }
                for group in logstore.groups.values()
            }
        return {"ttl": logstore.ttl, **logstore.options, "shards": shards, "groups": groups}

    def _truth(self, params: Params) -> Response:
        """The stored logs as JSON lines, or with `totals` their numbers by shard."""
        project, logstore = params.take("project", str), params.take("logstore", str)
        shard = params.number("shard")
        start, stop = params.cursor("from"), params.cursor("to")
        totals = params.take("totals", str, None)
        params.done()
        if totals is not None:
            counted = self._service.truth_totals(project, logstore)
            return json_response(200, {number: each._asdict() for number, each in counted.items()})
        lines = io.StringIO()
        rows = self._service.truth(project, logstore, shard=shard, start=start, stop=stop)
        truth.write_rows(lines, rows)
        return text_response(200, lines.getvalue(), "application/jsonl")

    # Projects, logstores, keys, switches.

    def _project(self, params: Params) -> Response:
        """Create a project, or change whether it is forbidden."""
        name, forbidden = params.take("project", str), params.take("forbidden", bool, False)
        params.done()
        store = self._service.store
        known = {project.name: project for project in store.projects()}
        project = known.get(name) or store.create_project(name)
        project.forbidden = forbidden
        return json_response(200, {"project": name, "forbidden": forbidden})

    def _delete_project(self, params: Params) -> Response:
        name = params.take("project", str)
        params.done()
        self._console.delete_project(name)
        return json_response(200, {})

    def _create_logstore(self, params: Params) -> Response:
        project, name = params.take("project", str), params.take("logstore", str)
        shards, ttl = params.take("shards", int, 2), params.take("ttl", int, 30)
        append_meta = params.take("append_meta", bool, False)
        params.done()
        made = self._service.store.project(project).create_logstore(name, ttl=ttl, shards=shards)
        with made.lock:
            made.options["appendMeta"] = append_meta
        return json_response(200, {"project": project, "logstore": name, "shards": shards})

    def _delete_logstore(self, params: Params) -> Response:
        project, name = params.take("project", str), params.take("logstore", str)
        params.done()
        self._console.delete_logstore(project, name)
        return json_response(200, {})

    def _keys(self, params: Params) -> Response:
        params.done()
        return json_response(200, [key.as_json() for key in self._service.keys.all()])

    def _put_key(self, params: Params) -> Response:
        key = Key(
            params.take("id", str),
            params.take("secret", str),
            token=params.take("token", str, ""),
            expires=params.take("expires", NUMBER, None),
            disabled=params.take("disabled", bool, False),
            allow=params.texts("allow", ("*",)),
            deny=params.texts("deny", ()),
            projects=params.texts("projects", ("*",)),
        )
        params.done()
        return json_response(200, self._service.keys.put(key).as_json())

    def _remove_key(self, params: Params) -> Response:
        key_id = params.take("id", str)
        params.done()
        if not self._service.keys.remove(key_id):
            raise BadRequest(f"no key {key_id}", 404)
        return json_response(200, {})

    def _deny(self, params: Params) -> Response:
        """Withdraw the rights for some calls from a key, without its secret being told."""
        key_id, calls = params.take("id", str), params.texts("calls", ())
        params.done()
        return json_response(200, self._console.deny(key_id, *calls).as_json())

    def _switches(self, params: Params) -> Response:
        params.done()
        return json_response(200, self._service.switches.as_json())

    def _set_switches(self, params: Params) -> Response:
        self._service.switches = self._service.switches.replace(params.rest())
        return json_response(200, self._service.switches.as_json())

    # Loads.

    def _loads(self, params: Params) -> Response:
        params.done()
        return json_response(200, [load.as_json() for load in self._loader.loads()])

    def _load(self, params: Params) -> Response:
        plan = LoadPlan(
            project=params.take("project", str),
            logstore=params.take("logstore", str),
            logs=params.take("logs", int, None),
            megabytes=params.take("megabytes", NUMBER, None),
            rate=params.take("rate", NUMBER, None),
            shard=params.take("shard", int, None),
            over=params.take("over", NUMBER, 0.0),
            seed=params.take("seed", int, 0),
            mix=params.take("mix", str, ""),
            nasty=params.take("nasty", NUMBER, 0.0),
            large=params.take("large", NUMBER, 0.0),
            logs_per_group=params.take("logs_per_group", int, 100),
            group_bytes=params.take("group_bytes", int, 1 << 20),
        )
        params.done()
        return json_response(200, self._loader.start(plan).as_json())

    def _stop_loads(self, params: Params) -> Response:
        number = params.number("id")
        params.done()
        if not self._loader.stop(number) and number is not None:
            raise BadRequest(f"no load {number}", 404)
        return self._loads(params)

    # Shards.

    def _split(self, params: Params) -> Response:
        logstore, number = self._logstore(params), params.take("shard", int)
        key, count = params.take("key", str, None), params.take("count", int, 2)
        params.done()
        if key is not None:
            try:
                key = int(key, 16)
            except ValueError:
                raise BadRequest(f"key is a hexadecimal number, not {key!r}") from None
        with logstore.lock:
            return json_response(200, [shard.as_json() for shard in logstore.split(number, key, count)])

    def _merge(self, params: Params) -> Response:
        logstore, number = self._logstore(params), params.take("shard", int)
        params.done()
        with logstore.lock:
            return json_response(200, [shard.as_json() for shard in logstore.merge(number)])

    def _remove_shard(self, params: Params) -> Response:
        logstore, number = self._logstore(params), params.take("shard", int)
        params.done()
        with logstore.lock:
            logstore.remove(number)
        return json_response(200, {})

    def _expire(self, params: Params) -> Response:
        """Forget log groups of one shard or all: received before a time, before a cursor, or all."""
        logstore, number = self._logstore(params), params.take("shard", int, None)
        before, position = params.take("before", NUMBER, None), params.cursor("cursor")
        params.done()
        if position is not None and (number is None or before is not None):
            raise BadRequest("a cursor needs a shard, and no time beside it")
        with logstore.lock:
            if number is not None and number not in logstore.shards:
                raise BadRequest(f"no shard {number}", 404)
            chosen = [shard for n, shard in logstore.shards.items() if number in (None, n)]
            if before is None:
                gone = sum(shard.expire_to(position or shard.next) for shard in chosen)
            else:
                gone = sum(shard.expire_before(before) for shard in chosen)
        return json_response(200, {"expired_groups": gone})

    # Processors, prepared pulls.

    def _processor(self, params: Params) -> Response:
        """Store a consume processor: SPL under a name, for pulls with `processor=`."""
        project = self._service.store.project(params.take("project", str))
        name, spl = params.take("processor", str), params.take("spl", str)
        params.done()
        try:
            compile_query(spl)
        except QueryError as error:
            raise BadRequest(str(error)) from error
        project.processors[name] = spl
        return json_response(200, {"processor": name, "spl": spl})

    def _prepare_pulls(self, params: Params) -> Response:
        """Make the answers that a client gets which reads every shard from its start."""
        logstore = self._logstore(params)
        compression, count = params.take("compression", str, "lz4"), params.take("count", int, 1000)
        params.done()
        if compression not in (*COMPRESSIONS, "") or not 0 < count <= 1000:
            raise BadRequest("compression is lz4, zstd, deflate, gzip or empty, count between 1 and 1000")
        made = self._service.prepare_pulls(logstore, compression, count)
        return json_response(200, {"pulls": made, "cached_bytes": self._service.pulls.size})

    def _logstore(self, params: Params) -> Logstore:
        return self._service.store.logstore(params.take("project", str), params.take("logstore", str))
