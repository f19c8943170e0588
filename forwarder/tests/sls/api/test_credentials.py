"""Credentials: from the settings, read again after a refusal, and of an ECS RAM role."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls.api.access_key import AccessKey
from sls_hec_forwarder.sls.api.client import SlsClient
from sls_hec_forwarder.sls.api.credentials import SettingsCredentials, credentials_for
from sls_hec_forwarder.sls.api.errors import AuthFailed
from sls_hec_forwarder.sls.api.metadata_service import Grant
from sls_hec_forwarder.sls.api.ram_role import RoleCredentials, renew_in


def settings(**changes: str) -> SlsSettings:
    return SlsSettings(endpoint="e", project="p", logstore="l", group="g", **changes)  # type: ignore[arg-type]


def test_an_access_key_shows_no_secret() -> None:
    key = AccessKey("LTAI1234567890", "the secret", "the token")
    assert "secret" not in repr(key)
    assert "token" not in f"{key} {key!r}"
    assert key.redact("signed with the secret and the token") == "signed with *** and ***"
    assert AccessKey("id", "").redact("nothing to hide") == "nothing to hide"


def test_settings_credentials_are_replaced_by_a_reload() -> None:
    credentials = credentials_for(settings(ak_id="a", ak_key="b", sts_token="c"))
    assert credentials.get_credentials().get_security_token() == "c"
    credentials.reload(settings(ak_id="d", ak_key="e"))
    assert credentials.get_credentials().get_access_key_id() == "d"
    assert credentials.get_credentials().get_security_token() == ""
    credentials.rejected()  # there is nothing to read again
    credentials.close()


def test_refusals_read_the_secrets_again_but_not_each_time() -> None:
    now = [0.0]
    reads: list[float] = []

    def reread() -> SlsSettings:
        reads.append(now[0])
        return settings(ak_id=f"key{len(reads)}", ak_key="s")

    credentials = SettingsCredentials(settings(ak_id="key0", ak_key="s"), reread, lambda: now[0])
    for _ in range(100):
        credentials.rejected()
        now[0] += 0.1
    assert 1 < len(reads) <= 3
    assert credentials.get_credentials().get_access_key_id() == f"key{len(reads)}"


def test_secrets_that_cannot_be_read_leave_the_old_ones(caplog: Any) -> None:
    def reread() -> SlsSettings:
        raise FileNotFoundError("/run/secret")

    credentials = SettingsCredentials(settings(ak_id="old", ak_key="s"), reread)
    credentials.rejected()
    assert credentials.get_credentials().get_access_key_id() == "old"
    assert "/run/secret" in caplog.text


@given(st.floats(0, 1e6), st.floats(-1e6, 1e6))
def test_renewal_comes_before_expiry(now: float, left: float) -> None:
    pause = renew_in(now, now + left)
    assert pause >= 1
    if left > 2:
        assert pause < left
        assert pause >= left * 0.7 or left - pause <= 901


class Metadata:
    """The ECS metadata service, for one role."""

    def __init__(self) -> None:
        self.requests = 0
        self.broken = False
        self.lifetime = 3600.0
        self.key_id = "role-key"
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                if outer.broken:
                    self.send_error(500)
                elif self.path != "/latest/meta-data/ram/security-credentials/my-role":
                    self.send_error(404)
                else:
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(json.dumps(outer.answer()).encode())

            def log_message(self, format: str, *args: object) -> None:
                """Silence."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def answer(self) -> dict[str, str]:
        expires = datetime.fromtimestamp(time.time() + self.lifetime, timezone.utc)
        return {
            "Code": "Success",
            "AccessKeyId": self.key_id,
            "AccessKeySecret": "role-secret",
            "SecurityToken": "role-token",
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    service = Metadata()
    yield service
    service.stop()


def test_role_signs_requests(cloud: Any, metadata: Metadata) -> None:
    cloud.make(shards=1)
    cloud.standin.add_key("role-key", "role-secret", token="role-token")
    sls = cloud.sls(ak_id="", ak_key="", ram_role="my-role", metadata_url=metadata.url)
    credentials = credentials_for(sls)
    client = SlsClient(sls, "me", credentials)
    assert client.list_shards()
    assert metadata.requests == 1  # asked ahead of time, not for each request
    assert client.list_shards()
    assert metadata.requests == 1
    client.close()
    credentials.close()


def test_role_is_renewed_ahead_of_expiry_and_after_a_refusal(metadata: Metadata, eventually: Any) -> None:
    metadata.lifetime = 2.0
    credentials = credentials_for(settings(ram_role="my-role", metadata_url=metadata.url))
    assert credentials.get_credentials().get_access_key_id() == "role-key"
    metadata.key_id, metadata.lifetime = "second", 3600.0
    eventually(lambda: credentials.get_credentials().get_access_key_id() == "second")
    metadata.key_id = "third"
    before = metadata.requests
    for _ in range(50):
        credentials.rejected()
    eventually(lambda: credentials.get_credentials().get_access_key_id() == "third")
    assert metadata.requests - before <= 2
    credentials.close()


def test_role_goes_on_with_what_it_has_while_renewing_fails(metadata: Metadata, eventually: Any) -> None:
    credentials = credentials_for(settings(ram_role="my-role", metadata_url=metadata.url))
    assert credentials.get_credentials().get_access_key_id() == "role-key"
    metadata.broken = True
    before = metadata.requests
    credentials.rejected()
    eventually(lambda: metadata.requests > before)
    assert credentials.get_credentials().get_access_key_id() == "role-key"
    metadata.broken, metadata.key_id = False, "second"
    eventually(lambda: credentials.get_credentials().get_access_key_id() == "second")
    credentials.close()


def test_role_that_is_not_there(metadata: Metadata) -> None:
    credentials = credentials_for(settings(ram_role="other-role", metadata_url=metadata.url))
    with pytest.raises(AuthFailed, match="SLS_RAM_ROLE"):
        credentials.get_credentials()
    assert credentials.redact("text") == "text"
    assert credentials.expires is None
    credentials.close()


def test_when_credentials_end(metadata: Metadata) -> None:
    credentials = credentials_for(settings(ram_role="my-role", metadata_url=metadata.url))
    credentials.get_credentials()
    assert credentials.expires is not None
    assert 3500 < credentials.expires - time.time() <= 3600
    credentials.close()
    assert credentials_for(settings(ak_id="a", ak_key="b", sts_token="c")).expires is None


def test_role_is_renewed_after_an_error_that_nobody_foresaw(eventually: Any) -> None:
    """And after an expiry that is too far away to wait for."""
    grants: list[Grant | Exception] = [
        Grant(AccessKey("first", "secret", "token"), 9e18),
        RuntimeError("boom"),
        Grant(AccessKey("second", "secret", "token"), 9e18),
    ]

    def fetch(role: str, url: str, opened: object) -> Grant:
        grant = grants.pop(0)
        if isinstance(grant, Exception):
            raise grant
        return grant

    credentials = RoleCredentials("my-role", "http://127.0.0.1:9", fetch, conditions=Conditions())
    assert credentials.get_credentials().get_access_key_id() == "first"
    credentials.rejected()
    eventually(lambda: credentials.get_credentials().get_access_key_id() == "second")
    credentials.close()


def test_closing_ends_the_thread(metadata: Metadata) -> None:
    credentials = credentials_for(settings(ram_role="my-role", metadata_url=metadata.url))
    credentials.get_credentials()
    credentials.close()
    assert not [each for each in threading.enumerate() if each.name == "sls-credentials"]
