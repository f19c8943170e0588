"""Tests of the collectors that need no events."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Optional

from sls_hec_forwarder.hec.api.answers import ACK_DISABLED, INCORRECT_INDEX, Action, advice, classify
from sls_hec_forwarder.hec.api.client import Client, no_answer
from sls_hec_forwarder.hec.api.target import HecTlsFiles, targets
from sls_hec_forwarder.hec.api.token import Token
from sls_hec_forwarder.http.address import Proxy
from sls_hec_forwarder.http.connection import Connection, NoAnswer
from sls_hec_forwarder.settings.model import HecSettings
from sls_hec_forwarder.wire.rules import Destination

#: The indexed field by which a search can find or exclude test events.
TEST_FIELD: Final = "sls_hec_test"


class CollectorStep(NamedTuple):
    """One tested thing. `ok` is None if the test is not conclusive; `text` is one line."""

    endpoint: str
    step: str
    ok: bool | None
    text: str


def probe(
    settings: HecSettings, destinations: Sequence[Destination], *, send_events: bool = False
) -> Iterator[CollectorStep]:
    """Test every collector: reachable, healthy, token, acknowledgement, indexes.

    Nothing is indexed unless `send_events` is set: then one event for each of the `destinations`, and one for
    HEC_FALLBACK_INDEX. There is no other way to learn whether the token may write there.
    """
    if settings.fallback_index:
        more = [Destination(settings.fallback_index, each.sourcetype) for each in destinations]
        destinations = list(dict.fromkeys([*destinations, *more]))
    tls = HecTlsFiles(settings)
    proxy = Proxy.parse(settings.proxy) if settings.proxy else None
    for target in targets(settings):
        with Connection(target, tls, settings.timeout, proxy) as connection:
            client = Client(connection, target, Token(settings.token), str(uuid.uuid4()), settings.gzip_level)
            for step, ok, text in _look(client, destinations, send_events):
                yield CollectorStep(str(target), step, ok, text)


_Step = tuple[str, Optional[bool], str]


def _look(client: Client, destinations: Sequence[Destination], send_events: bool) -> Iterator[_Step]:
    try:
        client.connection.open()
        yield "connection", True, "open"
        yield _health(client)
        token = _token(client)
        yield token
        if token[1]:
            yield _ack(client)
            for each in destinations:
                yield _destination(client, each, send_events)
    except NoAnswer as error:
        answer = no_answer(error)
        hint = f": {advice(answer)}" if error.operator else ": check the address, firewalls and proxies"
        yield "connection", False, f"{error}{hint}"


def _health(client: Client) -> _Step:
    """Any 2xx status is healthy: receivers other than Splunk send different bodies."""
    response = client.health()
    answer = classify(response.status, response.headers, response.body)
    if 200 <= response.status < 300:
        return "health", True, answer.text
    if answer.action is Action.RETRY:
        return "health", False, f"{answer}: the collector is reachable but accepts nothing now"
    return "health", None, f"{answer}: this address may have no health check"


def _token(client: Client) -> _Step:
    """A request without events: with a valid token, HEC answers that there is no data."""
    answer = client.post(b"").answer
    if answer.status == 400 and answer.code == 5:
        return "token", True, "accepted"
    if answer.action is Action.RETRY and answer.status:
        return "token", None, str(answer)
    return "token", False, f"{answer}: {advice(answer)}"


def _ack(client: Client) -> _Step:
    response = client.acks(client.channel, [0])
    answer = classify(response.status, response.headers, response.body)
    if response.status == 200:
        return "acknowledgement", True, "on for this token"
    if answer.code == ACK_DISABLED:
        return "acknowledgement", True, "off for this token: events count as delivered once accepted"
    return "acknowledgement", None, str(answer)


def _destination(client: Client, destination: Destination, send_events: bool) -> _Step:
    sourcetype = f", sourcetype {destination.sourcetype}" if destination.sourcetype else ""
    step = f"index {destination.index or '(default of the token)'}{sourcetype}"
    if not send_events:
        return step, None, "can only be tested by sending a test event, which was not asked for"
    envelope = {
        "event": "test event of sls-hec-forwarder check",
        "source": "sls-hec-forwarder check",
        "fields": {TEST_FIELD: "true"},
    }
    envelope.update({key: value for key, value in dataclasses.asdict(destination).items() if value})
    answer = client.post(json.dumps(envelope).encode()).answer
    if answer.done:
        return step, True, f"accepted a test event ({TEST_FIELD}=true)"
    if answer.code == INCORRECT_INDEX:
        return step, False, f"{answer}: create the index, or allow it for the token"
    if answer.action is Action.RETRY:
        return step, False, f"{answer}: the collector accepts nothing now, try again later"
    return step, False, f"{answer}: {advice(answer)}"
