"""The start-up check of collectors."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sls_hec_forwarder.doctor.hec_probe import CollectorStep, probe
from sls_hec_forwarder.settings.model import HecSettings
from sls_hec_forwarder.wire.rules import Destination
from sls_hec_standins.hec import DEMO_TOKEN, HecStandin, Token
from sls_hec_standins.http import Fault, ServerTls, ThrowawayCa


def look(
    url: str,
    destinations: Sequence[Destination] = (Destination("", ""),),
    *,
    send_events: bool = False,
    **more: object,
) -> dict[str, tuple[bool | None, str]]:
    settings = HecSettings(token=DEMO_TOKEN, endpoints=(url,), timeout=10.0)
    settings = replace(settings, **more)  # type: ignore[arg-type]
    found: list[CollectorStep] = list(probe(settings, destinations, send_events=send_events))
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
    assert "sending a test event" in found["index (default of the token)"][1]


def test_acknowledgement_is_on() -> None:
    with HecStandin(tokens=[Token(DEMO_TOKEN, use_ack=True)]) as hec:
        assert "on for" in look(hec.url)["acknowledgement"][1]


def test_each_destination_is_tried_when_asked_to() -> None:
    wanted = [Destination("", ""), Destination("audit", "aliyun"), Destination("secret", "aliyun")]
    with HecStandin(tokens=[Token(DEMO_TOKEN, indexes=("main", "audit", "late"))]) as hec:
        found = look(hec.url, wanted, send_events=True, fallback_index="late")
        assert hec.store.counts().keys() == {
            ("main", "httpevent", "sls-hec-forwarder check"),
            ("audit", "aliyun", "sls-hec-forwarder check"),
            ("late", "httpevent", "sls-hec-forwarder check"),
            ("late", "aliyun", "sls-hec-forwarder check"),
        }
        events = hec.store.events()
        assert {event.fields["sls_hec_test"] for event in events} == {"true"}
    assert [(step, ok) for step, (ok, _) in found.items() if step.startswith("index")] == [
        ("index (default of the token)", True),
        ("index audit, sourcetype aliyun", True),
        ("index secret, sourcetype aliyun", False),
        ("index late", True),
        ("index late, sourcetype aliyun", True),
    ]
    text = found["index secret, sourcetype aliyun"][1]
    assert "Incorrect index" in text
    assert "allow it for the token" in text


def test_a_collector_that_is_busy_has_not_taken_the_test_event() -> None:
    with HecStandin() as hec:
        # Who asks for the token sends no events, and is not refused.
        hec.faults.add(Fault("busy", "event", times=1, code=9))
        ok, text = look(hec.url, send_events=True)["index (default of the token)"]
    assert ok is False
    assert "try again later" in text


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
