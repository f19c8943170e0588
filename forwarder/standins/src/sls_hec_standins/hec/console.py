"""What the HEC stand-in adds to the admin API.

GET    /          the page for people; GET /table the same as text; both take ?limit=N events
GET    /state     totals, counts, answers given, nodes, tokens (names and settings only), switches
GET    /events    newest events held, newest first; ?limit=N, and any of ?index= ?sourcetype= ?source=
                  ?host= ?<field>= to search
DELETE /events    forget what was indexed
GET    /requests  the newest requests and what they were answered
POST   /compare   compare with the truth of the SLS stand-in: JSON lines as the body, or ?truth=URL;
                  ?check_time=true compares event times too; ?unfold= as RELAY_UNFOLD says which fields are
                  expected as JSON; ?allowed_duplicates=N copies are no excess
POST   /tokens    add or replace a token: {"token": ..., "name": ..., "use_ack": ...}, or change one:
                  {"name": ..., "disabled": true}
DELETE /tokens    ?name=N
POST   /nodes     {"restart": n}, {"down": n} or {"up": n}
"""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from sls_hec_standins.hec.app import HecApp
from sls_hec_standins.hec.cluster import Cluster
from sls_hec_standins.hec.collect import Service
from sls_hec_standins.hec.compare import compare, fetch_rows, read_rows
from sls_hec_standins.hec.envelopes import Event
from sls_hec_standins.hec.page import html_table, text_table
from sls_hec_standins.hec.tokens import Token
from sls_hec_standins.hec.unfold import Unfold
from sls_hec_standins.http import (
    BadRequest,
    Request,
    Response,
    Routes,
    json_body,
    json_response,
    text_response,
)


class Console:
    """The handlers of these routes."""

    def __init__(self, service: Service, cluster: Cluster, app: HecApp) -> None:
        self._service = service
        self._cluster = cluster
        self._app = app

    def routes(self) -> Routes:
        return {
            ("GET", "/"): self._page,
            ("GET", "/table"): self._table,
            ("GET", "/state"): self._state,
            ("GET", "/events"): self._events,
            ("DELETE", "/events"): self._clear,
            ("GET", "/requests"): self._requests,
            ("POST", "/compare"): self._compare,
            ("POST", "/tokens"): self._put_token,
            ("DELETE", "/tokens"): self._remove_token,
            ("POST", "/nodes"): self._change_node,
        }

    def _page(self, request: Request) -> Response:
        page = html_table(self._service.store, _limit(request, 50), self._service.faults.as_json())
        return text_response(200, page, "text/html")

    def _table(self, request: Request) -> Response:
        return text_response(200, text_table(self._service.store, _limit(request, 20)))

    def _state(self, _: Request) -> Response:
        service = self._service
        return json_response(
            200,
            {
                **service.store.summary(),
                "counts": [
                    {"index": index, "sourcetype": sourcetype, "source": source, "events": events}
                    for (index, sourcetype, source), events in sorted(service.store.counts().items())
                ],
                "answers": [
                    {"route": route, "status": status, "code": code, "count": count}
                    for (route, status, code), count in self._app.answers_given().items()
                ],
                "nodes": [
                    {"node": node.number, "up": node.up, **node.acks.counts()} for node in self._cluster.nodes
                ],
                "tokens": [token.public() for token in service.tokens.all()],
                "switches": asdict(service.behaviour),
                "count_only": service.count_only,
            },
        )

    def _events(self, request: Request) -> Response:
        wanted = {name: value for name, value in request.query.items() if name != "limit"}
        found = self._service.store.find(_limit(request, 100), wanted)
        return text_response(200, f"[{','.join(map(event_json, found))}]", "application/json")

    def _clear(self, _: Request) -> Response:
        self._service.store.clear()
        return json_response(200, {})

    def _requests(self, _: Request) -> Response:
        return json_response(200, [row._asdict() for row in self._app.newest_requests()])

    def _compare(self, request: Request) -> Response:
        url = request.query.get("truth")
        rows = read_rows(request.body.splitlines()) if url is None else _fetch(url)
        check_time = request.query.get("check_time") == "true"
        allowed = _number(request, "allowed_duplicates", 0)
        try:
            unfold = Unfold.parse(request.query.get("unfold", ""))
            result = compare(
                self._service.store, rows, check_time=check_time, unfold=unfold, allowed_duplicates=allowed
            )
        except (ValueError, TypeError) as error:
            raise BadRequest(f"cannot compare: {error}") from error
        return json_response(200, result.as_json())

    def _put_token(self, request: Request) -> Response:
        given = json_body(request)
        try:
            if isinstance(given, dict) and "token" not in given:
                settings = {name: value for name, value in given.items() if name != "name"}
                self._service.tokens.change(given.get("name", ""), **settings)
            else:
                self._service.tokens.put(Token.from_json(given))
        except ValueError as error:
            raise BadRequest(str(error)) from error
        return json_response(200, {})

    def _remove_token(self, request: Request) -> Response:
        try:
            self._service.tokens.remove(request.query.get("name", ""))
        except ValueError as error:
            raise BadRequest(str(error), 404) from error
        return json_response(200, {})

    def _change_node(self, request: Request) -> Response:
        given = json_body(request)
        if not isinstance(given, dict) or len(given) != 1:
            raise BadRequest('give one of {"restart": n}, {"down": n}, {"up": n}')
        [(action, number)] = given.items()
        if type(number) is not int or not 0 <= number < len(self._cluster.nodes):
            raise BadRequest(f"there is no node {number!r}")
        node = self._cluster.nodes[number]
        if action == "restart":
            node.restart()
        elif action in ("up", "down"):
            node.up = action == "up"
        else:
            raise BadRequest(f"cannot {action} a node")
        return json_response(200, {})


def event_json(event: Event) -> str:
    """An event as the admin API shows it. What was sent as JSON is shown as it was sent, digit by digit."""
    own = {
        "time": event.time,
        "host": event.host,
        "source": event.source,
        "sourcetype": event.sourcetype,
        "index": event.index,
        "received": event.received,
        "node": event.node,
        "batch": event.batch,
    }
    fields, value = event.member("fields") or "{}", event.member("event")
    return f'{json.dumps(own)[:-1]}, "fields": {fields}, "event": {value}}}'


def _fetch(url: str) -> Iterator[Any]:
    try:
        yield from fetch_rows(url)
    except (urllib.error.URLError, OSError) as error:
        raise BadRequest(f"cannot fetch the truth: {error}", 502) from error


def _limit(request: Request, default: int) -> int:
    return _number(request, "limit", default)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise BadRequest(f"{name} must be a number, not {text!r}")
    return int(text)
