"""The event and raw endpoints: from a request to indexed events and an answer."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from sls_hec_standins.hec.acks import NEVER, check_channel
from sls_hec_standins.hec.answers import Refusal, answer
from sls_hec_standins.hec.behaviour import Behaviour
from sls_hec_standins.hec.body import unpack
from sls_hec_standins.hec.envelopes import Batch, Defaults, parse_events, parse_lines
from sls_hec_standins.hec.exchange import Exchange
from sls_hec_standins.hec.reader import is_number
from sls_hec_standins.hec.store import Store
from sls_hec_standins.hec.tokens import Token, Tokens, authorize
from sls_hec_standins.http import Clock, Fault, Faults, Request, Response


@dataclass(frozen=True)
class Service:
    """What all requests share. `ack_latency` is in seconds of `clock`.

    With `count_only`, bodies are not parsed: events are counted by their LF.
    """

    behaviour: Behaviour
    tokens: Tokens
    store: Store
    faults: Faults
    clock: Clock
    ack_latency: float = 1.0
    count_only: bool = False


class Collector:
    """Thread-safe."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._batches = itertools.count(1)

    def collect(self, exchange: Exchange) -> Response:
        """Index a request's events and answer; `Refusal` or `HtmlRefusal` if it is refused as a whole."""
        service, request = self._service, exchange.request
        behaviour, now = service.behaviour, service.clock.now()
        token = authorize(request, service.tokens, behaviour)
        if token.use_ack or (exchange.route == "raw" and behaviour.raw_channel):
            exchange.channel = channel_of(request, behaviour)
        body = unpack(request, behaviour)
        exchange.size = len(body)
        if not body or (not service.count_only and body.isspace()):
            raise Refusal(5)
        if behaviour.max_body and len(body) > behaviour.max_body:
            raise Refusal(6, number=0)
        busy = service.faults.take("busy", exchange.route)
        if busy and "after" not in busy.params:
            raise _busy(busy, behaviour)
        batch = self._parse(body, exchange, token, now)
        if busy:
            batch.cut(busy.get("after", 0), _busy(busy, behaviour))
        return self._index(batch, exchange, token, now)

    def _parse(self, body: bytes, exchange: Exchange, token: Token, now: float) -> Batch:
        if self._service.count_only:
            return Batch(counted=body.count(b"\n") + (not body.endswith(b"\n")))
        query = exchange.request.query
        time = query.get("time", "")
        defaults = Defaults(
            token=token,
            host=query.get("host") or token.host_of(exchange.request),
            source=query.get("source") or token.source or f"http:{token.name}",
            sourcetype=query.get("sourcetype") or token.sourcetype,
            index=query.get("index") or token.index,
            time=time if is_number(time) else f"{now:.3f}",
            received=now,
            node=exchange.node.number,
            batch=next(self._batches),
        )
        if exchange.route == "event":
            return parse_events(body, defaults, self._service.behaviour)
        if not token.allows(defaults.index):
            raise Refusal(7, number=1)
        return Batch(parse_lines(body, defaults))

    def _index(self, batch: Batch, exchange: Exchange, token: Token, now: float) -> Response:
        service = self._service
        if batch.refused is not None:
            service.store.refuse(batch.refused)
        if batch.refusal is not None and (service.behaviour.atomic or batch.nothing):
            raise batch.refusal
        fault = service.faults.take("ack", exchange.route)
        lost = fault is not None and fault.get("lost", False)
        ack_id = None
        # An id beside an error was only ever seen with a 400.
        if token.use_ack and (batch.refusal is None or batch.refusal.status == 400):
            delay = _ack_delay(fault, service.ack_latency)
            # Before anything is indexed, because there may be no room for one more id.
            ack_id = exchange.node.acks.issue(exchange.channel, now, now + delay)
        if batch.counted:
            service.store.count(0 if lost else batch.counted, size=exchange.size)
        elif not lost:
            service.store.add(batch.events, size=exchange.size, skipped=batch.skipped)
        exchange.events = 0 if lost else len(batch)
        if batch.refusal is not None:
            return batch.refusal.response(ack_id)
        warn = service.faults.take("warn", exchange.route)
        return answer(warn.get("code", 24) if warn else 0, ack_id=ack_id)


def channel_of(request: Request, behaviour: Behaviour) -> str:
    """The channel of a request, from the header or the query string. `Refusal` as `check_channel`."""
    in_header = request.headers.get("x-splunk-request-channel")
    in_query = request.query.get("channel")
    if behaviour.ack_strict and in_header is not None and in_query is not None:
        raise Refusal(11)
    return check_channel(in_header or in_query, behaviour)


def _busy(fault: Fault, behaviour: Behaviour) -> Refusal:
    usual = 9 if behaviour.backpressure == "off" else 26
    retry_after = fault.get("retry_after", None)
    headers = [] if retry_after is None else [("Retry-After", f"{retry_after:g}")]
    return Refusal(fault.get("code", usual), number=fault.get("after", None), headers=headers)


def _ack_delay(fault: Fault | None, latency: float) -> float:
    if fault is None:
        return latency
    never = fault.get("lost", False) or fault.get("never", False)
    return NEVER if never else float(fault.get("delay", latency))
