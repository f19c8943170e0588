"""The Splunk HTTP Event Collector as a service: its routes, and the record of what was answered."""

from __future__ import annotations

import json
import threading
from collections import Counter, deque

from sls_hec_standins.hec.answers import HtmlRefusal, Refusal, answer, html_page, not_found
from sls_hec_standins.hec.body import ack_numbers, holds, unpack
from sls_hec_standins.hec.cluster import Cluster
from sls_hec_standins.hec.collect import Collector, Service, channel_of
from sls_hec_standins.hec.exchange import Answered, Exchange
from sls_hec_standins.hec.tokens import authorize
from sls_hec_standins.http import (
    NUMBER,
    Fault,
    ParamTypes,
    Request,
    ResetConnection,
    Response,
    json_response,
)

HEC_KINDS: dict[str, ParamTypes] = {
    # Refused with `code` (9, or 26 with backpressure); with `after`, once that many events of the batch are
    # indexed, and with "invalid-event-number". Codes 8, 9, 23, 26 and 27 make sense.
    "busy": {"code": int, "after": int, "retry_after": NUMBER},
    # Accepted, and answered with the warning `code` 24 (default) or 25 instead of 0.
    "warn": {"code": int},
    # A page of a proxy or load balancer instead of HEC's answer: `status` (502), `location` for redirects.
    "proxy": {"status": int, "location": str, "retry_after": NUMBER, "text": str},
    # A firewall before the nodes forbids requests whose body (after gunzip) has `containing` in it: a page of
    # `status` (403), or with `reset` the connection is reset once the body is read.
    "firewall": {"containing": str, "status": int, "reset": bool},
    # Node `node` (0) answers `status` (503) to whatever comes to it, in HEC's format where HEC has a code for
    # it and `page` is not asked for.
    "sick": {"node": int, "status": int, "page": bool, "retry_after": NUMBER},
    # `body` (empty) as the answer; with `handled` the request takes effect nevertheless.
    "answer": {"status": int, "body": str, "handled": bool},
    # The batch's ackId turns true after `delay` seconds of the clock, or `never`; `lost`: never, and the
    # batch is not indexed, as when an indexer dies with its queue.
    "ack": {"delay": NUMBER, "never": bool, "lost": bool},
    # What the health endpoint finds wrong: full `queues` (unless `acks` is given), the `acks` service.
    "unhealthy": {"queues": bool, "acks": bool, "stopping": bool},
}

_BASE = "/services/collector"
_ROUTES = {
    **{_BASE + path: "event" for path in ("", "/1.0", "/event", "/event/1.0")},
    **{_BASE + path: "raw" for path in ("/raw", "/raw/1.0")},
    **{_BASE + path: "ack" for path in ("/ack", "/ack/1.0")},
    **{_BASE + path: "health" for path in ("/health", "/health/1.0")},
}

# What an "error" fault that gives no code is in HEC's own terms; other statuses get a page.
_CODE_OF_STATUS = {400: 6, 401: 3, 403: 4, 429: 26, 500: 8, 503: 9}

_KEPT_REQUESTS = 1000


class HecApp:
    """Implements `http.App`. Thread-safe.

    Keeps count of all answers, and a record of the newest requests.
    """

    def __init__(self, service: Service, cluster: Cluster) -> None:
        self._answers: Counter[tuple[str, int, int | None]] = Counter()
        self._requests: deque[Answered] = deque(maxlen=_KEPT_REQUESTS)
        self._service = service
        self._cluster = cluster
        self._lock = threading.Lock()
        self._handlers = {
            "event": Collector(service).collect,
            "ack": self._acks,
            "health": self._health,
        }
        self._handlers["raw"] = self._handlers["event"]

    def route(self, head: Request) -> str:
        return _ROUTES.get(head.path, "other")

    def handle(self, request: Request) -> Response:
        route = self.route(request)
        early = self._without_node(request, route)
        if early is not None:
            self._record(Answered(self._service.clock.now(), route, early.status, _code(early)))
            return early
        try:
            node, headers = self._cluster.pick(request.cookies(), request.connection)
        except HtmlRefusal as refusal:
            response = refusal.response()
            self._record(Answered(self._service.clock.now(), route, response.status, None))
            return response
        exchange = Exchange(request, route, node, headers)
        try:
            response = self._serve(exchange)
        except (Refusal, HtmlRefusal) as refusal:
            response = refusal.response()
        self._record_exchange(exchange, response)
        return Response(response.status, [*response.headers, *headers], response.body)

    def fault_response(self, route: str, fault: Fault) -> Response:
        status = fault.get("status", 503)
        code = fault.get("code", _CODE_OF_STATUS.get(status))
        headers = [(str(name), str(value)) for name, value in fault.get("headers", {}).items()]
        text = fault.get("text", None)
        if isinstance(code, int):
            response = answer(code, status=fault.get("status", None), text=text, headers=headers)
        else:
            response = html_page(status, text or "", headers)
        self._record(Answered(self._service.clock.now(), route, response.status, _code(response)))
        return response

    def error_response(self, status: int, text: str) -> Response:
        return answer(8) if status == 500 else html_page(status, text)

    def answers_given(self) -> dict[tuple[str, int, int | None], int]:
        """Number of answers by (route, status, HEC code)."""
        with self._lock:
            return dict(self._answers)

    def newest_requests(self) -> list[Answered]:
        """The newest answered requests, oldest first."""
        with self._lock:
            return list(self._requests)

    def _without_node(self, request: Request, route: str) -> Response | None:
        """The answer of the firewall or proxy before HEC, if it gives one."""
        faults = self._service.faults
        proxy = faults.take("proxy", route)
        if proxy:
            return _proxy_page(proxy)
        firewall = faults.take("firewall", route, lambda fault: _forbids(fault, request))
        if firewall and firewall.get("reset", False):
            raise ResetConnection
        if firewall:
            return html_page(firewall.get("status", 403), "Forbidden by the firewall.")
        if route == "other":
            return not_found(404)
        methods = "GET,HEAD,OPTIONS" if route == "health" else "POST,OPTIONS"
        if request.method == "OPTIONS":
            return Response(200, [("Allow", methods)])
        return None if request.method in methods.split(",") else not_found(405)

    def _serve(self, exchange: Exchange) -> Response:
        handler = self._handlers[exchange.route]
        number = exchange.node.number
        sick = self._service.faults.take("sick", exchange.route, lambda fault: fault.get("node", 0) == number)
        if sick:
            return _sick_answer(sick)
        strange = self._service.faults.take("answer", exchange.route)
        if strange is None:
            return handler(exchange)
        if strange.get("handled", False):
            handler(exchange)
        body = strange.get("body", "").encode()
        return Response(strange.get("status", 200), [("Content-Type", "application/json")], body)

    def _acks(self, exchange: Exchange) -> Response:
        service, request = self._service, exchange.request
        token = authorize(request, service.tokens, service.behaviour)
        if not token.use_ack:
            raise Refusal(14)
        exchange.channel = channel_of(request, service.behaviour)
        numbers = ack_numbers(unpack(request, service.behaviour))
        if service.behaviour.ack_strict and len(set(numbers)) < len(numbers):
            raise Refusal(6)
        found = exchange.node.acks.query(exchange.channel, numbers, service.clock.now())
        return json_response(200, {"acks": {str(number): true for number, true in found.items()}})

    def _health(self, exchange: Exchange) -> Response:
        service, request = self._service, exchange.request
        if service.behaviour.health == "fluentbit":
            healthy = request.path.endswith("/health")
            return answer(200, text="Success", status=200) if healthy else html_page(400, "Bad request.")
        if service.behaviour.health_token and "authorization" in request.headers:
            try:
                authorize(request, service.tokens, service.behaviour)
            except Refusal as refusal:
                raise Refusal(22 if refusal.code == 1 else 21) from refusal
        trouble = service.faults.take("unhealthy", exchange.route)
        if trouble is None:
            return answer(17)
        if trouble.get("stopping", False):
            return answer(23)
        queues = trouble.get("queues", "acks" not in trouble.params)
        # Without ?ack=true the acknowledgement service is not checked.
        acks = trouble.get("acks", False) and request.query.get("ack") in ("true", "1")
        return answer(17 + queues + 2 * acks)

    def _record_exchange(self, exchange: Exchange, response: Response) -> None:
        self._record(
            Answered(
                time=self._service.clock.now(),
                route=exchange.route,
                status=response.status,
                code=_code(response),
                node=exchange.node.number,
                events=exchange.events,
                wire_size=len(exchange.request.body),
                size=exchange.size,
                channel=exchange.channel,
            )
        )

    def _record(self, row: Answered) -> None:
        with self._lock:
            self._answers[row.route, row.status, row.code] += 1
            self._requests.append(row)


def _code(response: Response) -> int | None:
    """HEC's code in an answer of ours, which begins with "text"; so may the body that a fault gives."""
    if not response.body.startswith(b'{"text"'):
        return None
    try:
        code = json.loads(response.body).get("code")
    except ValueError:
        return None
    return code if isinstance(code, int) else None


def _forbids(fault: Fault, request: Request) -> bool:
    return holds(request, str(fault.get("containing", "")).encode())


def _sick_answer(fault: Fault) -> Response:
    status, code = fault.get("status", 503), _CODE_OF_STATUS.get(fault.get("status", 503))
    headers = _retry_after(fault)
    if code is None or fault.get("page", False):
        return html_page(status, "The node cannot serve this.", headers)
    return answer(code, status=status, headers=headers)


def _retry_after(fault: Fault) -> list[tuple[str, str]]:
    seconds = fault.get("retry_after", None)
    return [] if seconds is None else [("Retry-After", str(seconds))]


def _proxy_page(fault: Fault) -> Response:
    location = fault.get("location", None)
    headers = [*([] if location is None else [("Location", location)]), *_retry_after(fault)]
    return html_page(fault.get("status", 502), fault.get("text", "The proxy could not serve this."), headers)
