"""The start-up check of collectors."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from sls_hec_forwarder.hec.probe import Finding, probe
from sls_hec_forwarder.settings.model import HecSettings
from sls_hec_forwarder.wire.rules import TopicRule
from sls_hec_standins.hec import DEMO_TOKEN, HecStandin, Token
from sls_hec_standins.http import Fault, ServerTls, ThrowawayCa


def look(url: str, *, send_events: bool = False, **more: object) -> dict[str, tuple[bool | None, str]]:
    settings = HecSettings(token=DEMO_TOKEN, endpoints=(url,), timeout=10.0)
    settings = replace(settings, **more)  # type: ignore[arg-type]
    found: list[Finding] = list(probe(settings, send_events=send_events))
    assert {each.endpoint for each in found} == {url}
    assert not any(DEMO_TOKEN in each.text or "\n" in each.text for each in found)
    return {each.step: (each.ok, each.text) for each in found}


def test_all_is_well_and_nothing_was_indexed() -> None:
    with HecStandin() as hec:
        found = look(hec.url)
        assert hec.store.total == 0
    assert [found[step][0] for step in ("connection", "health", "token", "acknowledgement")] == [True] * 4
    assert "off" in found["acknowledgement"][1]
    assert found["index (default of the token)"][0] is None
    assert "sending an event" in found["index (default of the token)"][1]


def test_acknowledgement_is_on() -> None:
    with HecStandin(tokens=[Token(DEMO_TOKEN, use_ack=True)]) as hec:
        assert "on for" in look(hec.url)["acknowledgement"][1]


def test_indexes_are_tried_when_asked_to() -> None:
    rules = (TopicRule(topic="a", index="audit"), TopicRule(topic="b", index="secret"))
    with HecStandin(tokens=[Token(DEMO_TOKEN, indexes=("main", "audit"))]) as hec:
        found = look(hec.url, send_events=True, topic_rules=rules)
        assert hec.store.counts().keys() == {
            ("main", "httpevent", "sls-hec-forwarder check"),
            ("audit", "httpevent", "sls-hec-forwarder check"),
        }
    assert found["index (default of the token)"][0] is True
    assert found["index audit"][0] is True
    assert found["index secret"][0] is False
    assert "allow it for the token" in found["index secret"][1]


@pytest.mark.parametrize(("token", "words"), [("wrong", "HEC_TOKEN"), ("off", "enable the token")])
def test_a_bad_token(token: str, words: str) -> None:
    with HecStandin(tokens=[Token("off", name="off", disabled=True)]) as hec:
        found = look(hec.url, token=token)
    ok, text = found["token"]
    assert ok is False
    assert words in text
    assert "acknowledgement" not in found


def test_unhealthy_and_no_health_check() -> None:
    with HecStandin() as hec:
        fault = hec.faults.add(Fault("unhealthy", queues=True))
        assert look(hec.url)["health"][0] is False
        hec.faults.remove(fault)
        hec.faults.add(Fault("proxy", "health", status=404))
        found = look(hec.url)
        assert found["health"][0] is None
        assert found["token"][0] is True


def test_nobody_there_and_not_the_right_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = f"http://127.0.0.1:{listener.getsockname()[1]}"
    ok, text = look(gone)["connection"]
    assert ok is False
    assert "refused" in text
    ca = ThrowawayCa(tmp_path / "ca")
    certificate = ca.server()
    with HecStandin(tls=ServerTls(certificate.cert, certificate.key)) as hec:
        ok, text = look(hec.url)["connection"]
        assert ok is False
        assert "HEC_CA_FILE" in text
        assert look(hec.url, ca_file=str(ca.cert))["token"][0] is True
