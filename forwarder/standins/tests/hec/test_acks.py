"""Cases K1 to K15: channels and acknowledgement; nodes behind one address."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sls_hec_standins.http import Fault

BODY = b'{"event":"a"}'
CHANNEL = "aaaaaaaa-0000-4000-8000-000000000001"
OTHER = "aaaaaaaa-0000-4000-8000-000000000002"
ACK = "/services/collector/ack"


def test_k1_no_channel(ack_client: Any, start: Any, connect: Any, hec: Any) -> None:
    """K1: code 10 on Splunk 10.4.3 and vector, 28 on Splunk Cloud 10.5."""
    answer = ack_client.post(BODY)
    assert (answer.status, answer.json) == (400, {"text": "Data channel is missing", "code": 10})
    assert connect(start(profile="cloud"), "ack").post(BODY).brief == (400, 28, None)
    assert hec.store.total == 0


def test_k2_channel_must_be_a_guid(ack_client: Any, hec: Any) -> None:
    """K2: OpenTelemetry receiver; header name in any case, or ?channel=."""
    assert ack_client.post(BODY, x_splunk_request_channel="").brief == (400, 10, None)
    for channel in ("x", CHANNEL[:-1], CHANNEL + "0", CHANNEL.replace("-", "")):
        assert ack_client.post(BODY, x_splunk_request_channel=channel).brief == (400, 11, None)
    assert hec.store.total == 0
    assert ack_client.post(BODY, X_SPLUNK_REQUEST_CHANNEL=CHANNEL).json["ackId"] == 0
    answer = ack_client.post(BODY, f"/services/collector?channel={CHANNEL.upper()}")
    assert answer.json == {"text": "Success", "code": 0, "ackId": 1}


def test_k3_k4_ids_count_per_channel(ack_client: Any) -> None:
    """K3, K4: Splunk 10.4.3, Splunk Cloud 10.5, mockdr."""
    assert [ack_client.post_acked(BODY).json["ackId"] for _ in range(3)] == [0, 1, 2]
    assert ack_client.post_acked(BODY, OTHER).json["ackId"] == 0
    assert ack_client.post_acked(BODY).json["ackId"] == 3


def test_k5_poll(ack_client: Any, hec: Any) -> None:
    """K5: Splunk 10.4.3, conf spec."""
    ack_client.post_acked(BODY)
    hec.clock.advance(0.5)
    ack_client.post_acked(BODY)
    hec.clock.advance(0.5)
    answer = ack_client.post(b'{"acks":[0,1]}', f"{ACK}?channel={CHANNEL}")
    assert (answer.status, answer.json) == (200, {"acks": {"0": True, "1": False}})


def test_k6_unknown_ids_are_false(ack_client: Any, hec: Any) -> None:
    """K6: Splunk 10.4.3, Splunk Cloud 10.5."""
    ack_client.post_acked(BODY)
    hec.clock.advance(1)
    assert ack_client.acks([0, 7, -1], OTHER) == {"0": False, "7": False, "-1": False}
    assert ack_client.acks([7]) == {"7": False}
    assert ack_client.acks([0]) == {"0": True}


def test_k7_true_only_once(ack_client: Any, hec: Any, start: Any, connect: Any) -> None:
    """K7: Splunk 10.4.3, vector; mockdr keeps it true."""
    ack_client.post_acked(BODY)
    hec.clock.advance(1)
    assert [ack_client.acks([0]), ack_client.acks([0])] == [{"0": True}, {"0": False}]
    other = start(switches={"ack_forgets": False})
    client = connect(other, "ack")
    client.post_acked(BODY)
    other.clock.advance(1)
    assert [client.acks([0]), client.acks([0])] == [{"0": True}, {"0": True}]


def test_k8_poll_without_channel(ack_client: Any) -> None:
    """K8: OpenTelemetry receiver."""
    assert ack_client.post(b'{"acks":[0]}', ACK).brief == (400, 10, None)


def test_k9_poll_without_ack(client: Any) -> None:
    """K9: local Splunk, vector, mockdr."""
    answer = client.post(b'{"acks":[0]}', f"{ACK}?channel={CHANNEL}")
    assert (answer.status, answer.json) == (400, {"text": "ACK is disabled", "code": 14})


@pytest.mark.parametrize(
    "body", [b"", b"x", b"[]", b"{}", b'{"acks":[]}', b'{"acks":0}', b'{"acks":["0"]}', b'{"acks":[true]}']
)
def test_k10_bad_poll(ack_client: Any, body: bytes) -> None:
    """K10: OpenTelemetry receiver."""
    assert ack_client.post(body, f"{ACK}?channel={CHANNEL}").brief == (400, 6, None)


def test_k11_duplicate_ids_and_two_channels(ack_client: Any, hec: Any, start: Any, connect: Any) -> None:
    """K11: one answer on Splunk, 400 on open-splunk."""
    path = f"{ACK}?channel={OTHER}"
    ack_client.post_acked(BODY)
    hec.clock.advance(1)
    answer = ack_client.post(b'{"acks":[0,0]}', path, x_splunk_request_channel=CHANNEL)
    assert answer.json == {"acks": {"0": True}}
    strict = connect(start(switches={"ack_strict": True}), "ack")
    assert strict.post(b'{"acks":[0,0]}', path).brief == (400, 6, None)
    assert strict.post(b'{"acks":[0]}', path, x_splunk_request_channel=CHANNEL).brief == (400, 11, None)


def test_k12_idle_channel_is_forgotten(ack_client: Any, hec: Any) -> None:
    """K12: conf spec, maxIdleTime 600 s."""
    ack_client.post_acked(BODY)
    hec.clock.advance(599)
    ack_client.post_acked(BODY, OTHER)
    hec.clock.advance(2)
    assert ack_client.acks([0]) == {"0": False}
    assert ack_client.acks([0], OTHER) == {"0": True}
    assert ack_client.post_acked(BODY).json["ackId"] == 0


def test_k12_a_used_channel_stays(ack_client: Any, hec: Any, start: Any, connect: Any) -> None:
    """K12: polls count as use; ackIdleCleanup off keeps all."""
    ack_client.post_acked(BODY)
    for _ in range(3):
        hec.clock.advance(400)
        ack_client.acks([99])
    assert ack_client.acks([0]) == {"0": True}
    other = start(switches={"ack_cleanup": False})
    client = connect(other, "ack")
    client.post_acked(BODY)
    other.clock.advance(100_000)
    assert client.acks([0]) == {"0": True}


@pytest.mark.parametrize("limit", ["max_channels", "max_acks", "max_acks_per_channel"])
@pytest.mark.parametrize(("backpressure", "expected"), [("off", (503, 9)), ("warn_at_80", (429, 27))])
def test_k13_too_many(start: Any, connect: Any, limit: str, backpressure: str, expected: Any) -> None:
    """K13: conf spec. Nothing is indexed of what is refused."""
    hec = start(switches={limit: 1, "backpressure": backpressure})
    client = connect(hec, "ack")
    channel = OTHER if limit == "max_channels" else CHANNEL
    assert client.post_acked(BODY).status == 200
    assert client.post_acked(BODY, channel).brief == (*expected, None)
    assert hec.store.total == 1


def test_k13_oldest_is_dropped(start: Any, connect: Any) -> None:
    """K13: vector. A dropped id answers false."""
    hec = start(switches={"max_acks_per_channel": 2, "ack_overflow": "drop"})
    client = connect(hec, "ack")
    assert [client.post_acked(BODY).json["ackId"] for _ in range(3)] == [0, 1, 2]
    hec.clock.advance(1)
    assert client.acks([0, 1, 2]) == {"0": False, "1": True, "2": True}


def test_k14_content_type_of_a_poll(ack_client: Any) -> None:
    """K14: vector."""
    path = f"{ACK}?channel={CHANNEL}"
    answer = ack_client.post(b'{"acks":[0]}', path, content_type="application/json; charset=utf-8")
    assert answer.json == {"acks": {"0": False}}


def test_k15_latency(start: Any, connect: Any) -> None:
    """K15: about 1 s on Splunk 10.4.3, minutes for a last batch (kafka-connect-splunk issue 122)."""
    hec = start(ack_latency=120.0)
    client = connect(hec, "ack")
    client.post_acked(BODY)
    hec.faults.add(Fault("ack", delay=5, times=1))
    client.post_acked(BODY)
    hec.clock.advance(5)
    assert client.acks([0, 1]) == {"0": False, "1": True}
    hec.clock.advance(115)
    assert client.acks([0]) == {"0": True}


@pytest.mark.parametrize(("how", "indexed"), [("never", 1), ("lost", 0)])
def test_ack_that_never_comes(ack_client: Any, hec: Any, how: str, indexed: int) -> None:
    """An indexer that stops acknowledging, or dies with what it had not written yet."""
    hec.faults.add(Fault.from_json({"kind": "ack", "times": 1, how: True}))
    assert ack_client.post_acked(BODY).json["ackId"] == 0
    hec.clock.advance(500)
    assert ack_client.acks([0]) == {"0": False}
    assert hec.store.total == indexed


def test_a_restarted_node_has_forgotten(ack_client: Any, hec: Any) -> None:
    ack_client.post_acked(BODY)
    hec.clock.advance(1)
    hec.cluster.nodes[0].restart()
    assert ack_client.acks([0]) == {"0": False}
    assert ack_client.post_acked(BODY).json["ackId"] == 0


def test_nodes_without_stickiness(start: Any, connect: Any) -> None:
    """Posts and polls meet different nodes: ids repeat, and polls miss (conf spec on load balancers)."""
    hec = start(nodes=2)
    client = connect(hec, "ack")
    assert [client.post_acked(BODY).json["ackId"] for _ in range(3)] == [0, 0, 1]
    assert "Set-Cookie" not in client.post_acked(BODY).headers
    assert [event.node for event in hec.store.events()] == [0, 1, 0, 1]


def test_cookie_ties_to_a_node(start: Any, connect: Any) -> None:
    """Splunk Cloud: the load balancer's cookie leads back to the node that knows the channel."""
    hec = start(profile="cloud", nodes=3)
    clients = [connect(hec, "ack") for _ in range(3)]
    for client in clients:
        first = client.post_acked(BODY)
        assert first.headers["Set-Cookie"].startswith("AWSALB=")
        assert first.json["ackId"] == 0
        again = client.post_acked(BODY)
        assert "Set-Cookie" not in again.headers
        assert again.json["ackId"] == 1
    hec.clock.advance(1)
    assert all(client.acks([0, 1]) == {"0": True, "1": True} for client in clients)
    assert [row.node for row in hec.app.newest_requests()] == [0, 0, 1, 1, 2, 2, 0, 1, 2]


def test_cookie_of_a_lost_node(start: Any, connect: Any) -> None:
    """A new cookie comes with another node, and the ids of the old one are void."""
    hec = start(profile="cloud", nodes=2)
    client = connect(hec, "ack")
    client.post_acked(BODY)
    hec.cluster.nodes[0].up = False
    hec.clock.advance(1)
    answer = client.post(json.dumps({"acks": [0]}), f"{ACK}?channel={CHANNEL}")
    assert answer.json == {"acks": {"0": False}}
    assert answer.headers["Set-Cookie"].startswith("AWSALB=")
    hec.cluster.nodes[1].up = False
    assert client.post_acked(BODY).status == 503


def test_wrong_cookie_gets_a_new_one(start: Any, connect: Any) -> None:
    client = connect(start(profile="cloud"))
    client.cookie = "AWSALB=nonsense; other"
    assert client.post(BODY).headers["Set-Cookie"].startswith("AWSALB=")
