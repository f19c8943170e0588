"""Where collectors are: URLs, proxies, TLS files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sls_hec_forwarder.hec.api.target import HecTlsFiles, Target, targets
from sls_hec_forwarder.hec.api.token import Token
from sls_hec_forwarder.http.address import Proxy
from sls_hec_forwarder.settings.model import HecSettings
from sls_hec_standins.http import ThrowawayCa

SETTINGS = HecSettings(token="secret-token")


@pytest.mark.parametrize(
    ("url", "name", "event"),
    [
        ("https://idx:8088", "https://idx:8088", "/services/collector/event"),
        ("https://idx", "https://idx:443", "/services/collector/event"),
        ("http://idx/", "http://idx:80", "/services/collector/event"),
        ("https://lb/splunk/", "https://lb:443/splunk", "/splunk/services/collector/event"),
        ("https://idx:8088/services/collector", "https://idx:8088", "/services/collector/event"),
        ("https://idx:8088/services/collector/event", "https://idx:8088", "/services/collector/event"),
        ("https://[::1]:8088", "https://[::1]:8088", "/services/collector/event"),
    ],
)
def test_target(url: str, name: str, event: str) -> None:
    target = Target.parse(url)
    assert str(target) == name
    assert target.path("event") == event


@pytest.mark.parametrize("url", ["idx:8088", "ftp://idx", "https://", "http://idx:port"])
def test_not_a_target(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected|Port"):
        Target.parse(url)


def test_targets_of_settings() -> None:
    assert [str(t) for t in targets(replace(SETTINGS, host="idx", https=False))] == ["http://idx:8088"]
    several = replace(SETTINGS, endpoints=("https://a:1", "https://b:2", "https://a:1/"))
    assert [str(t) for t in targets(several)] == ["https://a:1", "https://b:2"]


def test_proxy_hides_its_password() -> None:
    proxy = Proxy.parse("http://user:p%40ss@squid:8080")
    assert proxy.authorization == "Basic dXNlcjpwQHNz"
    assert "dXNlc" not in repr(proxy)
    assert Proxy.parse("http://squid").port == 3128
    with pytest.raises(ValueError, match="expected http"):
        Proxy.parse("socks5://squid")


def test_tls_context_follows_its_files(tmp_path: Path) -> None:
    first, second = ThrowawayCa(tmp_path / "1", "first"), ThrowawayCa(tmp_path / "2", "second")
    current = tmp_path / "ca.pem"
    current.write_bytes(first.cert.read_bytes())
    files = HecTlsFiles(replace(SETTINGS, ca_file=str(current)))
    before = files.context()
    assert files.context() is before
    current.write_bytes(second.cert.read_bytes())
    os.utime(current, ns=(1, 1))
    after = files.context()
    assert after is not before
    assert "second" in str(after.get_ca_certs())
    assert "first" not in str(after.get_ca_certs())
    current.unlink()
    with pytest.raises(FileNotFoundError):
        files.context()


def test_token_is_read_again_and_never_shown() -> None:
    values = iter(["secret-token", "next-token", ""])

    def read() -> str:
        try:
            return next(values)
        except StopIteration:
            raise OSError("gone") from None

    token = Token("secret-token", read)
    assert not token.reread()
    assert token.reread()
    assert token.value == "next-token"
    assert not token.reread()  # an empty file is no token
    assert not token.reread()  # an unreadable one neither
    assert token.value == "next-token"
    assert "next" not in repr(token)
    assert token.hide("you sent Splunk next-token") == "you sent Splunk ***"
