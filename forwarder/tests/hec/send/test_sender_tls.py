"""TLS and proxies: what is refused, what is said about it, and recovery once files are right."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sls_hec_standins.hec import DEMO_TOKEN, HecStandin
from sls_hec_standins.http import Certificate, Fault, Server, ServerTls, ThrowawayCa

from .rig import Rig, indexed, running, wait_until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def ca(folder: Path) -> ThrowawayCa:
    return ThrowawayCa(folder / "ca")


@pytest.fixture(scope="module")
def other_ca(folder: Path) -> ThrowawayCa:
    return ThrowawayCa(folder / "other")


@pytest.fixture(scope="module")
def good(ca: ThrowawayCa) -> Certificate:
    return ca.server()


def server_tls(certificate: Certificate, client_ca: Path | None = None) -> ServerTls:
    return ServerTls(certificate.cert, certificate.key, client_ca)


def holds(rig: Rig, hec: HecStandin, words: str) -> None:
    rig.feed(50)
    wait_until(lambda: rig.sender.holding and rig.said.begun)
    assert hec.store.total == 0
    assert rig.lease.committed == "start"
    (text,) = rig.said.begun
    assert words in text.lower()
    assert hec.url in text


def recovers(rig: Rig, hec: HecStandin) -> None:
    assert rig.settled()
    assert indexed(hec) == Counter(rig.fed)
    assert rig.said.open == []


def test_verified_tls(ca: ThrowawayCa, good: Certificate) -> None:
    with HecStandin(tls=server_tls(good)) as hec, running(hec.url, ca_file=str(ca.cert)) as rig:
        rig.feed(300)
        assert rig.settled()
        assert indexed(hec) == Counter(rig.fed)
        # Kept alive, but for one that a busy machine let time out.
        assert hec.server.connects <= 2 * rig.settings.connections


def test_verification_can_be_switched_off(good: Certificate) -> None:
    with HecStandin(tls=server_tls(good)) as hec, running(hec.url, ssl_verify=False) as rig:
        rig.feed(50)
        recovers(rig, hec)


@pytest.fixture(params=["other ca", "expired", "wrong name"])
def bad(
    request: pytest.FixtureRequest, ca: ThrowawayCa, other_ca: ThrowawayCa
) -> Iterator[tuple[Certificate, str]]:
    if request.param == "other ca":
        yield other_ca.server(), "issuer"
    elif request.param == "expired":
        yield ca.server(days=-1, label="expired"), "expired"
    else:
        yield ca.server(["splunk.example.com"], label="wrong"), "match"


def test_a_bad_certificate_is_refused_and_its_replacement_taken(
    ca: ThrowawayCa, good: Certificate, bad: tuple[Certificate, str]
) -> None:
    certificate, words = bad
    with HecStandin(tls=server_tls(certificate)) as hec, running(hec.url, ca_file=str(ca.cert)) as rig:
        holds(rig, hec, words)
        hec.server.set_tls(server_tls(good))
        recovers(rig, hec)


def test_the_ca_file_is_replaced(
    ca: ThrowawayCa, other_ca: ThrowawayCa, good: Certificate, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    shutil.copy(other_ca.cert, ca_file)
    with HecStandin(tls=server_tls(good)) as hec, running(hec.url, ca_file=str(ca_file)) as rig:
        holds(rig, hec, "certificate not accepted")
        ca_file.unlink()
        ca_file.write_bytes(ca.cert.read_bytes())
        recovers(rig, hec)


def test_a_client_certificate_is_missing_and_then_there(
    ca: ThrowawayCa, good: Certificate, tmp_path: Path
) -> None:
    client = ca.client()
    cert, key = tmp_path / "client.pem", tmp_path / "client.key"
    with HecStandin(tls=server_tls(good, ca.cert)) as hec:
        options: dict[str, Any] = {"ca_file": str(ca.cert)}
        with running(hec.url, **options) as rig:
            holds(rig, hec, "tls")
            assert rig.counts.totals["possible duplicates"] == 0
        with running(hec.url, client_cert=str(cert), client_key=str(key), **options) as rig:
            holds(rig, hec, "no such file")
            shutil.copy(client.key, key)
            shutil.copy(client.cert, cert)
            recovers(rig, hec)


def test_tls_alert_and_recovery(ca: ThrowawayCa, good: Certificate) -> None:
    with HecStandin(tls=server_tls(good)) as hec, running(hec.url, ca_file=str(ca.cert)) as rig:
        fault = hec.faults.add(Fault("tls"))
        holds(rig, hec, "handshake")
        hec.faults.remove(fault)
        recovers(rig, hec)


def test_tls_to_a_plain_port_and_the_other_way_round(ca: ThrowawayCa, good: Certificate) -> None:
    with HecStandin() as hec, running(hec.url.replace("http:", "https:")) as rig:
        rig.feed(10)
        wait_until(lambda: rig.sender.holding and rig.said.begun)
        assert "TLS" in rig.said.begun[0]
    with HecStandin(tls=server_tls(good)) as hec, running(hec.url.replace("https:", "http:")) as rig:
        rig.feed(10)
        wait_until(lambda: rig.said.open)
        assert rig.lease.committed == "start"


@pytest.mark.parametrize("tls", [False, True])
def test_through_a_proxy(tls: bool, ca: ThrowawayCa, good: Certificate) -> None:
    """The proxy is a collector itself: it takes absolute URLs and ends tunnels; the target is nowhere."""
    with HecStandin() as hec, Server(hec.app, tunnel_tls=server_tls(good)) as proxy:
        url = "https://localhost:1" if tls else "http://localhost:1"
        with running(url, proxy=proxy.url, ca_file=str(ca.cert)) as rig:
            rig.feed(100)
            assert rig.settled()
            assert indexed(hec) == Counter(rig.fed)


def test_a_proxy_that_is_down_or_refuses(ca: ThrowawayCa) -> None:
    with HecStandin() as hec:
        gone = hec.url
    with running("https://splunk.example.com:8088", proxy=gone, token=DEMO_TOKEN) as rig:
        rig.feed(10)
        wait_until(lambda: rig.said.open)
        assert "refused" in rig.said.begun[0]
        assert rig.lease.committed == "start"
