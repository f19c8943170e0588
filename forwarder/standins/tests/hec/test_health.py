"""Cases H1 to H6: the health endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from sls_hec_standins.http import Fault

HEALTH = "/services/collector/health"
HEALTHY = {"text": "HEC is healthy", "code": 17}


@pytest.mark.parametrize("path", [HEALTH, HEALTH + "/1.0"])
def test_h1_healthy(hec: Any, connect: Any, path: str) -> None:
    """H1: Splunk 10.4.3, vector, OpenTelemetry receiver; no token needed."""
    client = connect(hec, authorization=None)
    answer = client.send("GET", path)
    assert (answer.status, answer.json) == (200, HEALTHY)
    head = client.send("HEAD", path)
    assert (head.status, head.body) == (200, b"")


def test_h2_wrong_token(hec: Any, start: Any, connect: Any) -> None:
    """H2: ignored by Splunk 8.2.4 as vector saw it; documented as 400 code 21 and 22."""
    assert connect(hec, authorization="Splunk nobody").send("GET", HEALTH).json == HEALTHY
    strict = start(switches={"health_token": True})
    assert connect(strict, authorization="Splunk nobody").send("GET", HEALTH).brief == (400, 21, None)
    assert connect(strict, "disabled").send("GET", HEALTH).brief == (400, 22, None)
    assert connect(strict).send("GET", HEALTH).json == HEALTHY
    assert connect(strict, authorization=None).send("GET", HEALTH).json == HEALTHY


@pytest.mark.parametrize(
    ("trouble", "code"),
    [({}, 18), ({"queues": True}, 18), ({"acks": True}, 19), ({"queues": True, "acks": True}, 20)],
)
def test_h3_unhealthy(client: Any, hec: Any, trouble: dict[str, Any], code: int) -> None:
    """H3: conf spec."""
    hec.faults.add(Fault("unhealthy", **trouble))
    assert client.send("GET", HEALTH + "?ack=true").brief == (503, code, None)


def test_h4_ack_service_only_on_request(client: Any, hec: Any) -> None:
    """H4: open-splunk, Splunk's documentation."""
    hec.faults.add(Fault("unhealthy", acks=True))
    assert client.send("GET", HEALTH).json == HEALTHY
    assert client.send("GET", HEALTH + "?ack=true").brief == (503, 19, None)


def test_h5_shutting_down(client: Any, hec: Any) -> None:
    """H5: conf spec."""
    hec.faults.add(Fault("unhealthy", stopping=True))
    answer = client.send("GET", HEALTH)
    assert (answer.status, answer.json) == (503, {"text": "Server is shutting down", "code": 23})


def test_h6_fluent_bit(start: Any, connect: Any) -> None:
    """H6: Fluent Bit 5.1.1 as the receiver."""
    client = connect(start(switches={"health": "fluentbit"}))
    assert client.send("GET", HEALTH).brief == (200, 200, None)
    assert client.send("GET", HEALTH + "/1.0").status == 400
