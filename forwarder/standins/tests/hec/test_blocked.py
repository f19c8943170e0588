"""What stands between a sender and HEC: blocked paths, firewalls that read bodies, and one sick node."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.request
from typing import Any

import pytest

from sls_hec_standins.http import Fault

BODY = b'{"event":"a"}'
BAD = b'{"event":"union select password from users"}'
HEALTH = "/services/collector/health"
ACK = "/services/collector/ack?channel=aaaaaaaa-0000-4000-8000-000000000001"


def check(client: Any, route: str) -> Any:
    if route == "health":
        return client.send("GET", HEALTH)
    return client.post(b'{"acks":[0]}', ACK)


@pytest.mark.parametrize("route", ["health", "ack"])
@pytest.mark.parametrize("kind", ["error", "proxy"])
def test_one_path_is_forbidden(ack_client: Any, hec: Any, route: str, kind: str) -> None:
    number = hec.faults.add(Fault(kind, route, status=403))
    assert check(ack_client, route).status == 403
    assert ack_client.post_acked(BODY).status == 200
    hec.faults.remove(number)
    assert check(ack_client, route).status == 200


@pytest.mark.parametrize("route", ["health", "ack"])
def test_one_path_is_reset(ack_client: Any, hec: Any, route: str) -> None:
    hec.faults.add(Fault("reset_before", route))
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        check(ack_client, route)
    ack_client.close()
    assert ack_client.post_acked(BODY).status == 200


@pytest.mark.parametrize("route", ["health", "ack"])
def test_one_path_hangs(ack_client: Any, hec: Any, route: str) -> None:
    hec.faults.add(Fault("hang", route, delay=600))
    ack_client.connection.timeout = 0.2
    with pytest.raises(socket.timeout):
        check(ack_client, route)
    ack_client.close()
    ack_client.connection.timeout = 20
    assert ack_client.post_acked(BODY).status == 200


def test_a_firewall_forbids_what_it_reads(client: Any, hec: Any) -> None:
    body = json.dumps({"kind": "firewall", "containing": "union select"}).encode()
    urllib.request.urlopen(hec.admin_url + "/faults", body, timeout=20).close()
    for send in (client.post, client.post_gzip):
        answers = [send(BODY), send(BAD), send(BAD), send(BODY)]
        assert [answer.status for answer in answers] == [200, 403, 403, 200]
        assert answers[1].headers["Content-Type"].startswith("text/html")
    assert hec.store.total == 4
    assert hec.faults.fired(kind="firewall") == 4


def test_a_firewall_resets_what_it_reads(client: Any, hec: Any) -> None:
    hec.faults.add(Fault("firewall", containing="union select", reset=True))
    for _ in range(3):
        with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
            client.post_gzip(BAD)
        client.close()
        assert client.post(BODY).status == 200
    assert hec.store.total == 3


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_connection_stays_with_its_node(start: Any, connect: Any, status: int) -> None:
    hec = start(nodes=2, switches={"balance": "connection"})
    hec.faults.add(Fault("sick", node=1, status=status))
    first, second, third = connect(hec), connect(hec), connect(hec)
    for _ in range(3):
        assert first.post(BODY).status == 200
        assert second.post(BODY).status == status
        assert second.send("GET", HEALTH).status == status
    assert third.post(BODY).status == 200
    second.close()
    assert second.post(BODY).status == status  # its turn again
    second.close()
    assert second.post(BODY).status == 200
    hec.faults.clear()
    assert hec.store.total == 5


def test_by_default_each_request_goes_to_the_next_node(start: Any, connect: Any) -> None:
    hec = start(nodes=2)
    hec.faults.add(Fault("sick", node=1, status=503, retry_after=7, page=True))
    answers = [connect(hec).post(BODY) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 503, 200, 503]
    assert (answers[1].headers["Retry-After"], answers[1].body[:9]) == ("7", b"<!doctype")


def test_a_connection_leaves_a_node_that_is_down(start: Any, connect: Any) -> None:
    hec = start(nodes=2, switches={"balance": "connection"})
    client = connect(hec)
    assert client.post(BODY).status == 200
    hec.cluster.nodes[0].up = False
    assert client.post(BODY).status == 200
    assert [row.node for row in hec.app.newest_requests()] == [0, 1]
