"""The client against the stand-in: answers, errors, and that one call is one request."""

from __future__ import annotations

import inspect
import socket
import time
from typing import Any

import aliyun.log
import pytest
from aliyun.log import LogClient
from aliyun.log.pulllog_response import PullLogResponse
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sls_hec_forwarder.errors import OperatorError
from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.client import ConsumerGroup, SlsClient
from sls_hec_forwarder.sls.api.credentials import credentials_for
from sls_hec_forwarder.sls.api.errors import (
    AuthFailed,
    ClockSkewed,
    CorruptPull,
    CursorInvalid,
    Denied,
    GroupExists,
    GroupMissing,
    GroupQuotaExceeded,
    NotMember,
    Rejected,
    ServiceFault,
    Throttled,
)
from sls_hec_forwarder.sls.api.sdk import BODY, Api
from sls_hec_standins.http import Fault

from ...http.scripted import read_request, scripted


def test_sdk_is_the_one_whose_inside_is_used() -> None:
    """Private names and shapes of SDK 0.9.52 that the client depends on."""
    from importlib.metadata import version

    sdk: Any = LogClient

    assert version("aliyun-log-python-sdk") == "0.9.52"
    assert list(inspect.signature(sdk._sendRequest).parameters) == [
        "self", "method", "url", "params", "body", "headers", "respons_body_type",
    ]  # fmt: skip
    assert "self._sendRequest(" in inspect.getsource(sdk._send)
    assert "except LogException as ex" in inspect.getsource(sdk._send)
    response: Any = PullLogResponse
    answer = response(b"raw", {"x-log-count": "1", "x-log-bodyrawsize": "3", "x-log-cursor": "MQ=="})
    assert getattr(answer, BODY) == b"raw"
    assert LogClient.__module__ == "aliyun.log.logclient"
    assert aliyun.log.LogClient is LogClient
    assert issubclass(Api, LogClient)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
@pytest.mark.parametrize("auth", ["v1", "v4"])
def test_pull_brings_the_bytes_and_their_place(cloud: Any, compression: str, auth: str) -> None:
    cloud.make(shards=1)
    cloud.put(0, groups=7)
    client = cloud.client(compression=compression, auth_version=auth, region="cn-hangzhou" * (auth == "v4"))
    begin = client.cursor(0, "begin")
    answer = client.pull(0, begin, count=5)
    assert answer.groups == 5
    assert answer.first_cursor == cloud.positions()[0].first
    assert answer.next_cursor == cursors.encode(cloud.positions()[0].first + 5)
    assert not answer.caught_up
    assert answer.compression == compression
    assert answer.wire_bytes == len(answer.body) > 0
    raw = answer.unpack()
    assert len(raw) == answer.raw_bytes
    with cloud.store.lock:
        groups = [group.data for _, group in cloud.store.shards[0].span()][:5]
    position = 0
    for data in groups:  # tag and length, then the group as it was stored
        position = raw.index(data, position) + len(data)
    assert position == len(raw)
    rest = client.pull(0, answer.next_cursor)
    assert rest.groups == 2
    end = client.pull(0, rest.next_cursor)
    assert (end.groups, end.unpack(), end.next_cursor, end.caught_up) == (0, b"", rest.next_cursor, True)


def test_pull_stops_before_the_end_cursor(cloud: Any) -> None:
    cloud.make(shards=1)
    cloud.put(0, groups=7)
    client = cloud.client()
    first = cloud.positions()[0].first
    answer = client.pull(0, cursors.encode(first), end_cursor=cursors.encode(first + 3))
    assert (answer.groups, answer.next_cursor) == (3, cursors.encode(first + 3))


def test_query_leaves_the_place_of_groups_unknown(cloud: Any) -> None:
    cloud.make(shards=1)
    cloud.put(0, groups=3)
    client = cloud.client(query="* | where k = '1.1'")
    answer = client.pull(0, client.cursor(0, "begin"))
    assert answer.groups == 1
    assert answer.first_cursor is None
    assert b"1.1" in answer.unpack()


def test_positions_and_shards(cloud: Any) -> None:
    cloud.make(shards=2)
    now = cloud.standin.clock.now()
    cloud.put(1, groups=2, received=now + 50)
    cloud.put(1, groups=2, received=now + 100)
    client = cloud.client()
    assert [(each.shard, each.read_only) for each in client.list_shards()] == [(0, False), (1, False)]
    first = cloud.positions()[1].first
    assert client.cursor(1, "end") == cursors.encode(first + 4)
    assert client.cursor(1, int(now + 60)) == cursors.encode(first + 2)
    assert abs(client.cursor_time(1, cursors.encode(first)) - (now + 50)) < 2
    with cloud.store.lock:
        cloud.store.split(0)
    assert [each.read_only for each in client.list_shards()] == [True, False, False, False]


def test_group_calls(cloud: Any) -> None:
    cloud.make(shards=2)
    client = cloud.client("me")
    client.create_group(20, True)
    assert client.list_groups() == [ConsumerGroup("relay", 20, True)]
    client.update_group(30, False)
    assert client.list_groups() == [ConsumerGroup("relay", 30, False)]
    assert client.heartbeat([]) == [0, 1]
    begin = client.cursor(1, "begin")
    client.save_checkpoint(1, begin)
    found = client.checkpoints()
    assert (found[0].cursor, found[1].cursor, found[1].owner) == ("", begin, "me")
    assert abs(found[1].updated - time.time()) < 60
    with pytest.raises(GroupExists):
        client.create_group(20, True)


def test_a_stranger_neither_beats_nor_saves(cloud: Any) -> None:
    cloud.make(shards=1)
    owner, stranger = cloud.client("owner"), cloud.client("stranger")
    owner.create_group(20, False)
    assert owner.heartbeat([]) == [0]
    owner.save_checkpoint(0, cursors.encode(7))
    with pytest.raises(NotMember):
        stranger.heartbeat([0])
    with pytest.raises(NotMember):
        stranger.save_checkpoint(0, cursors.encode(3))
    stranger.heartbeat([])
    with pytest.raises(NotMember):  # a member, but not the holder
        stranger.save_checkpoint(0, cursors.encode(3))
    assert owner.checkpoints()[0].cursor == cursors.encode(7)


def test_names_that_do_not_exist_are_for_the_operator(cloud: Any) -> None:
    cloud.make(shards=1)
    for client in (cloud.client(project="nowhere"), cloud.client(logstore="nothing")):
        with pytest.raises(Rejected) as caught:
            client.list_shards()
        assert caught.value.status == 404
        assert caught.value.request_id
        assert client.place in str(caught.value)
    with pytest.raises(GroupMissing):
        cloud.client().heartbeat([])


def test_cursor_that_expired(cloud: Any) -> None:
    cloud.make(shards=1)
    cloud.put(0, groups=3)
    client = cloud.client()
    begin = client.cursor(0, "begin")
    with cloud.store.lock:
        cloud.store.shards[0].expire_to(cursors.decode(begin) + 2)
    for code in ("InvalidCursor", "ParameterInvalid"):
        cloud.standin.switch(expired_cursor=code)
        with pytest.raises(CursorInvalid) as caught:
            client.pull(0, begin)
        assert caught.value.code == code
        assert f"{client.place}/0" in str(caught.value)


def test_group_quota(cloud: Any) -> None:
    cloud.make(shards=1)
    cloud.standin.switch(group_quota=1)
    cloud.client(group="first").create_group(20, False)
    for status in (400, 403):
        cloud.standin.switch(group_quota_status=status)
        with pytest.raises(GroupQuotaExceeded):
            cloud.client().create_group(20, False)


def test_credentials_that_are_refused(cloud: Any) -> None:
    cloud.make(shards=1)
    for wrong in ({"ak_id": "other"}, {"ak_key": "other"}, {"sts_token": "made up"}):
        with pytest.raises(AuthFailed):
            cloud.client(**wrong).list_shards()
    cloud.standin.add_key("few", "sk", deny=("log:ListShards",))
    with pytest.raises(Denied) as caught:
        cloud.client(ak_id="few").list_shards()
    assert "log:ListShards" in str(caught.value)


def test_clock_that_is_off_is_told_with_its_error(cloud: Any) -> None:
    cloud.make(shards=1)
    client = cloud.client()
    assert client.clock_skew is None
    client.list_shards()
    assert client.clock_skew is not None
    assert abs(client.clock_skew) < 5
    cloud.standin.clock.advance(-3600)
    with pytest.raises(ClockSkewed) as caught:
        client.list_shards()
    assert isinstance(caught.value, OperatorError)
    assert 3500 < client.clock_skew < 3700
    assert f"{client.clock_skew:+.0f} s off" in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("error", "ListShards", status=500, code="InternalServerError", text="x"), ServiceFault),
        (Fault("error", "ListShards", status=503, code="ServerBusy", text="x"), ServiceFault),
        (Fault("error", "ListShards", status=403, code="ReadQuotaExceed", text="Read QPS Exceed"), Throttled),
        (Fault("error", "ListShards", status=403, code="ProjectForbidden", text="x"), Denied),
        (Fault("reset_before", "ListShards"), ServiceFault),
        (Fault("reset_during", "ListShards"), ServiceFault),
        (Fault("reset_after", "ListShards"), ServiceFault),
        (Fault("truncate", "ListShards"), ServiceFault),
        (Fault("hang", "ListShards", delay=30), ServiceFault),
    ],
    ids=lambda each: each.kind + str(each.get("status", "")) if isinstance(each, Fault) else "",
)
def test_one_call_is_one_request(cloud: Any, fault: Fault, error: type[Exception]) -> None:
    cloud.make(shards=1)
    client = SlsClient(cloud.sls(), "me", _credentials(cloud), timeout=1.0)
    client.list_shards()
    number = cloud.standin.faults.add(fault)
    with pytest.raises(error):
        client.list_shards()
    assert cloud.standin.faults.fired(number) == 1
    cloud.standin.faults.clear()
    assert len(client.list_shards()) == 1
    client.close()


def test_corrupt_body_is_told_apart(cloud: Any) -> None:
    cloud.make(shards=1)
    cloud.put(0, groups=50)
    client = cloud.client()
    begin = client.cursor(0, "begin")
    cloud.standin.faults.add(Fault("corrupt", "PullLogs", flips=200))
    failures = 0
    for _ in range(5):  # a flip may by chance change a literal only, which lz4 cannot notice
        answer = client.pull(0, begin)
        try:
            answer.unpack()
        except CorruptPull:
            failures += 1
    assert failures
    cloud.standin.faults.clear()
    assert client.pull(0, begin).unpack()


def test_answers_of_something_else_than_sls(cloud: Any) -> None:
    """A captive portal, a proxy's own page, a redirect."""
    cloud.make(shards=1)
    client = cloud.client()
    for fault in (
        Fault("error", "*", status=200, code="", text="<html>welcome</html>"),
        Fault("error", "*", status=302, code="", text="moved"),
    ):
        cloud.standin.faults.add(fault)
        with pytest.raises((ServiceFault, Rejected)):
            client.list_shards()
        with pytest.raises((ServiceFault, Rejected)):
            client.heartbeat([])
        with pytest.raises((ServiceFault, Rejected)):
            client.list_groups()
        cloud.standin.faults.clear()


@given(answer=st.binary(min_size=1, max_size=60))
@example(answer=b"\xc2\x81")  # PyPy's json has an error text for it that cannot be formatted
@example(answer=b"\xd8\x00\xe1\x0c")
@example(answer='{"shards": é}'.encode())
@example(answer=b'""')  # nothing to go through is not the same as nothing there
@example(answer=b"{}")
@settings(max_examples=50, deadline=None)
def test_any_bytes_as_the_answer(answer: bytes) -> None:
    def say(sock: socket.socket) -> None:
        while read_request(sock)[0]:
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))

    with scripted(say) as port:
        sls = SlsSettings(
            endpoint="http://sls.test", proxy=f"http://127.0.0.1:{port}", project="p", logstore="l",
            group="g", ak_id="a", ak_key="k",
        )  # fmt: skip
        client = SlsClient(sls, "me", credentials_for(sls))
        with pytest.raises(ServiceFault, match="ListShards p/l: not a valid answer of SLS"):
            client.list_shards()
        client.close()


def test_endpoint_that_is_down() -> None:
    for scheme in ("http", "https"):
        sls = SlsSettings(
            endpoint=f"{scheme}://sls.test", proxy="http://127.0.0.1:9", project="p", logstore="l", group="g",
            ak_id="a", ak_key="very secret",
        )  # fmt: skip
        client = SlsClient(sls, "me", credentials_for(sls))
        with pytest.raises(ServiceFault) as caught:
            client.list_shards()
        assert "\n" not in str(caught.value)
        assert "refused" in str(caught.value)
        assert "very secret" not in str(caught.value)
        client.close()


def test_proxy_from_the_environment(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.make(shards=1)
    monkeypatch.setenv("http_proxy", cloud.standin.proxy_url)
    monkeypatch.setenv("no_proxy", "")
    assert cloud.client(proxy="").list_shards()
    # The setting wins over the environment.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert cloud.client().list_shards()


def test_netrc_does_not_replace_the_signature(
    cloud: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    cloud.make(shards=1)
    (tmp_path / "netrc").write_text("default login somebody password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert cloud.client().list_shards()


def _credentials(cloud: Any) -> Any:
    from sls_hec_forwarder.sls.api.credentials import credentials_for

    return credentials_for(cloud.sls())
