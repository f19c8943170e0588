"""TLS through a proxy's tunnel: certificates, theirs and ours; and connections that are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls.api.client import SlsClient
from sls_hec_forwarder.sls.api.credentials import credentials_for
from sls_hec_forwarder.sls.api.errors import Rejected, ServiceFault
from sls_hec_standins.http import ServerTls
from sls_hec_standins.http.tls import ThrowawayCa
from sls_hec_standins.sls.standin import SlsStandin


def shards(standin: SlsStandin, **changes: Any) -> int:
    """How many shards a client with these settings is told of."""
    sls = SlsSettings(
        endpoint="https://sls.test", proxy=standin.proxy_url, ak_id="ak", ak_key="sk",
        project="proj", logstore="store", group="g", timeout=10, **changes,
    )  # fmt: skip
    client = SlsClient(sls, "me", credentials_for(sls))
    try:
        return len(client.list_shards())
    finally:
        client.close()


def prepare(standin: SlsStandin) -> None:
    standin.add_key("ak", "sk")
    standin.create_logstore("proj", "store", shards=3)


def test_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca = ThrowawayCa(tmp_path / "ca")
    ours = ThrowawayCa(tmp_path / "clients")
    theirs = ca.server(["proj.sls.test"])
    mine = ours.client("relay")
    with SlsStandin(tunnel_tls=ServerTls(theirs.cert, theirs.key, ours.cert)) as standin:
        prepare(standin)
        client = {"client_cert": str(mine.cert), "client_key": str(mine.key)}
        assert shards(standin, ca_file=str(ca.cert), **client) == 3
        # The setting wins over the environment, which counts without it.
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ours.cert))
        assert shards(standin, ca_file=str(ca.cert), **client) == 3
        with pytest.raises(Rejected, match="SLS_CA_FILE"):
            shards(standin, **client)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca.cert))
        assert shards(standin, **client) == 3
        with pytest.raises(ServiceFault):
            shards(standin, ca_file=str(ca.cert))
        with pytest.raises(Rejected, match="SLS_CLIENT_CERT"):
            shards(standin, client_cert=str(tmp_path / "missing.pem"))
        with pytest.raises(Rejected, match="SLS_CA_FILE"):
            shards(standin, ca_file=str(tmp_path / "missing.pem"))


def test_a_connection_is_used_again(cloud: Any) -> None:
    cloud.make(shards=1)
    cloud.put(0, groups=100)
    line = cloud.line()
    client = cloud.client(proxy=line.url)
    cursor = client.cursor(0, "begin")
    for _ in range(5):
        answer = client.pull(0, cursor, count=10)
        assert answer.groups == 10
        cursor = answer.next_cursor
    with pytest.raises(Rejected):
        client.cursor(9, "begin")
    assert len(client.list_shards()) == 1
    assert line.connections == 1
    client.drop_connections()
    assert len(client.list_shards()) == 1
    assert line.connections == 2
