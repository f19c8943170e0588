"""Legal spellings of a collector's name, on the way of events and in the check."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from sls_hec_forwarder.doctor.checks import Status, check_hec
from sls_hec_forwarder.hec.api.target import HecTlsFiles, Target, targets
from sls_hec_forwarder.http.address import Proxy
from sls_hec_forwarder.http.connection import Connection
from sls_hec_forwarder.http.names import host_of, server_name
from sls_hec_forwarder.settings import values
from sls_hec_forwarder.settings.model import HecSettings
from sls_hec_standins.hec import DEMO_TOKEN, HecStandin
from sls_hec_standins.http import ServerTls, ThrowawayCa

SPELLINGS = [
    ("splunk.example.com.", "splunk.example.com"),
    ("SPLUNK.Example.COM", "splunk.example.com"),
    ("SPLUNK.Example.COM.", "splunk.example.com"),
    ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ("[::1]", "::1"),
    ("[fe80::1%eth0]", "fe80::1"),
    ("[FE80::1%25eth0]", "fe80::1"),
]


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayCa:
    return ThrowawayCa(tmp_path_factory.mktemp("ca"))


def names(spelling: str, port: int) -> list[HecSettings]:
    """The spelling in each setting that takes it."""
    url = values.urls(f"https://{spelling}:{port}")
    found = [HecSettings(endpoints=url, token=DEMO_TOKEN)]
    if "%25" not in spelling:  # which is for URLs only
        found.append(HecSettings(host=values.host(spelling), port=port, token=DEMO_TOKEN))
    return found


@pytest.mark.parametrize(("spelling", "name"), SPELLINGS)
def test_tls_with_any_spelling_of_a_name(
    ca: ThrowawayCa, monkeypatch: pytest.MonkeyPatch, spelling: str, name: str
) -> None:
    certificate = ca.server([name])
    with HecStandin(tls=ServerTls(certificate.cert, certificate.key)) as hec:
        asked: list[str] = []
        real = socket.getaddrinfo

        def getaddrinfo(host: str, port: int, *args: Any, **more: Any) -> Any:
            asked.append(host)
            return real("127.0.0.1", port, *args, **more)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        for settings in names(spelling, hec.server.port):
            settings = HecSettings(**{**vars(settings), "ca_file": str(ca.cert)})
            (target,) = targets(settings)
            with Connection(target, HecTlsFiles(settings), 10.0) as connection:
                answer = connection.exchange("GET", target.path("health"), {})
            assert answer.status == 200
            wrong = [each for each in check_hec(settings, [], False) if each.status is not Status.OK]
            assert wrong == []
            # The resolver gets the dot, which keeps it from trying search domains, and the zone, but no %25.
            bare = spelling.strip("[]").replace("%25", "%").lower()
            assert {host.lower() for host in asked} == {bare}
            assert target.host_header == (f"[{name}]" if ":" in name else name) + f":{target.port}"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://squid.example.:3128", "squid.example."),
        ("http://user:p%25w@[fe80::1%25eth0]:3128", "fe80::1%eth0"),
        ("http://[fe80::1%eth0]:3128", "fe80::1%eth0"),
        ("http://[::1%1]:3128", "::1%1"),
    ],
)
def test_names_of_proxies(url: str, host: str) -> None:
    assert values.proxy(url) == url
    assert host_of(url) == host
    assert Proxy.parse(url).host == host


def test_a_target_can_be_read_again_as_it_is_written() -> None:
    for spelling, _ in SPELLINGS:
        target = Target.parse(f"https://{spelling}:8088")
        assert Target.parse(str(target)) == target


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://cn-hangzhou.log.aliyuncs.com.", "https://cn-hangzhou.log.aliyuncs.com"),
        ("https://cn-hangzhou.log.aliyuncs.com.:443/", "https://cn-hangzhou.log.aliyuncs.com:443"),
        ("HTTPS://CN-Hangzhou.log.aliyuncs.com", "HTTPS://CN-Hangzhou.log.aliyuncs.com"),
        ("log.example.", "log.example"),
    ],
)
def test_an_endpoint_of_sls_has_no_ending_dot(text: str, expected: str) -> None:
    assert values.endpoint(text) == expected


def test_a_name_of_many_kinds() -> None:
    assert server_name("127.0.0.1") == "127.0.0.1"
    assert server_name("Localhost.") == "localhost"
