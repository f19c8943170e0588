"""The admin API of a stand-in: faults, clock and what the service adds, on a listener of its own.

Faults never affect it, so that they can always be removed.

    GET    /routes      the routes, as text; GET / too unless the service has a page of its own
    GET    /faults      faults in force and the latest ended ones
    POST   /faults      put one fault (a JSON object), or several (an array), in force; answers their ids
    DELETE /faults      end all faults, or ?id=N one
    GET    /clock       {"now": seconds, "frozen": bool}
    POST   /clock       one of {"set": t}, {"advance": s}, {"freeze": t or null}, {"run": true}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Callable

from sls_hec_standins.http.clock import Clock
from sls_hec_standins.http.faults import Fault, Faults
from sls_hec_standins.http.message import BadRequest, Request, Response, json_response, text_response
from sls_hec_standins.http.server import Server

Handler = Callable[[Request], Response]
Routes = Mapping[tuple[str, str], Handler]


class AdminApp:
    """Answers the routes above and `routes`, keyed by method and path.

    A handler may raise `BadRequest`; its text goes to the client as {"error": text}.
    """

    def __init__(self, faults: Faults, clock: Clock, routes: Routes | None = None) -> None:
        self._faults = faults
        self._clock = clock
        self._routes: dict[tuple[str, str], Handler] = {
            ("GET", "/"): self._index,
            ("GET", "/routes"): self._index,
            ("GET", "/faults"): lambda _: json_response(200, self._faults.as_json()),
            ("POST", "/faults"): self._add_faults,
            ("DELETE", "/faults"): self._delete_faults,
            ("GET", "/clock"): lambda _: self._time(),
            ("POST", "/clock"): self._move_clock,
            **(routes or {}),
        }

    def route(self, head: Request) -> str:
        return head.path

    def handle(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        handler = self._routes.get((method, request.path))
        if handler is None:
            allowed = sorted(method for method, path in self._routes if path == request.path)
            if allowed:
                return self.error_response(405, f"use {' or '.join(allowed)} here")
            return self.error_response(404, f"no {request.path} here; GET /routes lists what there is")
        try:
            return handler(request)
        except BadRequest as error:
            return self.error_response(error.status, str(error))

    def fault_response(self, route: str, fault: Fault) -> Response:
        return self.error_response(500, f"{fault.kind} on {route}: the admin API has no faults")

    def error_response(self, status: int, text: str) -> Response:
        return json_response(status, {"error": text})

    def _index(self, _: Request) -> Response:
        lines = sorted(f"{path:<16} {method}" for method, path in self._routes)
        return text_response(200, "\n".join(lines) + "\n")

    def _add_faults(self, request: Request) -> Response:
        given = json_body(request)
        try:
            faults = [Fault.from_json(obj) for obj in (given if isinstance(given, list) else [given])]
            for fault in faults:
                self._faults.check(fault)
        except ValueError as error:
            raise BadRequest(str(error)) from error
        return json_response(200, {"ids": [self._faults.add(fault) for fault in faults]})

    def _delete_faults(self, request: Request) -> Response:
        text = request.query.get("id")
        if text is None:
            self._faults.clear()
            return json_response(200, {})
        if not text.isdecimal():
            raise BadRequest(f"id must be a number, not {text!r}")
        if not self._faults.remove(int(text)):
            raise BadRequest(f"no fault {text} in force", 404)
        return json_response(200, {})

    def _time(self) -> Response:
        return json_response(200, {"now": self._clock.now(), "frozen": self._clock.frozen})

    def _move_clock(self, request: Request) -> Response:
        given = json_body(request)
        if not isinstance(given, dict) or len(given) != 1:
            raise BadRequest('give one of {"set": t}, {"advance": s}, {"freeze": t or null}, {"run": true}')
        [(action, value)] = given.items()
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12
        if action == "set" and number:
            self._clock.set(value)
        elif action == "advance" and number:
            self._clock.advance(value)
        elif action == "freeze" and (number or value is None):
            self._clock.freeze(value)
        elif action == "run" and value is True:
            self._clock.run()
        else:
            raise BadRequest(f"cannot {action} the clock with {value!r}")
        return self._time()


def json_body(request: Request) -> Any:
    """The request's body as JSON; `BadRequest` if it is not."""
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from error


def admin_server(
    faults: Faults, clock: Clock, routes: Routes | None = None, *, host: str = "127.0.0.1", port: int = 0
) -> Server:
    """A server, not yet started, of the admin API."""
    return Server(AdminApp(faults, clock, routes), host=host, port=port, max_body=1 << 26, max_connections=64)
