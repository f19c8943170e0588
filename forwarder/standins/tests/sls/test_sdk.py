"""Round trips by the unmodified SDK: what it writes it reads, and what it is refused it understands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Callable

import pytest
from aliyun.log import LogClient, LogItem, PutLogsRequest

from sls_hec_standins.http import Fault, ServerTls, ThrowawayCa
from sls_hec_standins.sls.standin import SlsStandin

Refused = Callable[..., "tuple[int, str]"]


def put(client: Any, values: list[str], **options: Any) -> None:
    items = [LogItem(int(time.time()), contents=[("k", value)]) for value in values]
    client.put_logs(PutLogsRequest("proj", "store", "topic", "source", items, **options))


def read(client: Any, shard: int, **options: Any) -> list[str]:
    cursor = client.get_begin_cursor("proj", "store", shard).get_cursor()
    pulled = client.pull_logs("proj", "store", shard, cursor, **options)
    return [log["k"] for log in pulled.get_flatten_logs_json()]


@pytest.fixture(params=["v1", "v4"])
def client(request: pytest.FixtureRequest, connect: Any) -> Any:
    return connect(auth_version=request.param, region="cn-hangzhou")


@pytest.mark.parametrize("compression", ["lz4", "zstd", None])
def test_logs_come_back(client: Any, compression: str | None) -> None:
    values = ["plain", "ünï", "", 'quo"te\n\x01', "x" * 5000]
    options = {"compress": bool(compression), "compress_type": compression}
    put(client, values, hashKey="0" * 32, logtags=[("tag", "value")], **options)
    options = {"compress": bool(compression), "accept_compress_type": compression}
    assert read(client, 0, **options) == values
    cursor = client.get_begin_cursor("proj", "store", 0).get_cursor()
    [log, *_] = client.pull_logs("proj", "store", 0, cursor, **options).get_flatten_logs_json()
    assert (log["__topic__"], log["__source__"], log["__tag__:tag"]) == ("topic", "source", "value")


def test_writes_go_round_the_shards(client: Any) -> None:
    for number in range(4):
        put(client, [str(number)])
    assert sorted(read(client, 0) + read(client, 1)) == ["0", "1", "2", "3"]


def test_reading_on(client: Any) -> None:
    for number in range(5):
        put(client, [str(number)], hashKey="f" * 32)
    cursor = client.get_begin_cursor("proj", "store", 1).get_cursor()
    end = client.get_end_cursor("proj", "store", 1).get_cursor()
    seen = []
    while cursor != end:
        pulled = client.pull_logs("proj", "store", 1, cursor, count=2)
        assert pulled.get_loggroup_count() <= 2
        last = int(pulled.get_header("x-log-read-last-cursor"))
        assert last + 1 == client._get_cursor_as_int(pulled.get_next_cursor())
        seen += [log["k"] for log in pulled.get_flatten_logs_json()]
        cursor = pulled.get_next_cursor()
    assert seen == ["0", "1", "2", "3", "4"]
    at_end = client.pull_logs("proj", "store", 1, cursor)
    assert (at_end.get_loggroup_count(), at_end.get_next_cursor()) == (0, cursor)


def test_pull_by_time(sls: SlsStandin, client: Any) -> None:
    start = int(sls.clock.now())
    put(client, ["early"], hashKey="0" * 32)
    sls.clock.advance(100)
    put(client, ["late"], hashKey="0" * 32)
    pulls = client.pull_log("proj", "store", 0, start + 50, start + 200)
    assert [log["k"] for pulled in pulls for log in pulled.get_flatten_logs_json()] == ["late"]


def test_query(client: Any) -> None:
    put(client, ["keep", "drop", "keep"], hashKey="0" * 32)
    cursor = client.get_begin_cursor("proj", "store", 0).get_cursor()
    pulled = client.pull_logs("proj", "store", 0, cursor, query="* | where k = 'keep'")
    assert [log["k"] for log in pulled.get_flatten_logs_json()] == ["keep", "keep"]
    assert pulled.get_raw_log_group_count_before_query() == 1
    assert pulled.get_raw_size_before_query() > pulled.get_raw_size() - 10


def test_cursor_times(sls: SlsStandin, client: Any) -> None:
    start = int(sls.clock.now())
    put(client, ["a"], hashKey="0" * 32)
    sls.clock.advance(100)
    put(client, ["b"], hashKey="0" * 32)
    end = client.get_end_cursor("proj", "store", 0).get_cursor()
    assert client.get_previous_cursor_time("proj", "store", 0, end).get_cursor_time() >= start + 100
    begin = client.get_begin_cursor("proj", "store", 0).get_cursor()
    assert start <= client.get_cursor_time("proj", "store", 0, begin).get_cursor_time() < start + 50
    # Before the first cursor the SDK asks for the begin cursor, with a newline at its end.
    assert start <= client.get_previous_cursor_time("proj", "store", 0, begin).get_cursor_time() < start + 50
    assert client.get_cursor("proj", "store", 0, start + 50).get_cursor() not in (begin, end)


def test_expired_cursor(sls: SlsStandin, client: Any, refused: Refused) -> None:
    put(client, ["a"], hashKey="0" * 32)
    cursor = client.get_begin_cursor("proj", "store", 0).get_cursor()
    sls.clock.advance(31 * 86_400)
    sls.clock.advance(-31 * 86_400)  # signatures are made with the client's clock
    assert read(client, 0) == ["a"]
    sls.store.logstore("proj", "store").shards[0].expire_to(1 << 62)
    assert refused(client.pull_logs, "proj", "store", 0, cursor) == (400, "InvalidCursor")


def test_shard_calls(client: Any) -> None:
    key = "4" + "0" * 31
    split = client.split_shard("proj", "store", 0, key).get_shards_info()
    assert [(shard["shardID"], shard["status"]) for shard in split] == [
        (0, "readonly"),
        (2, "readwrite"),
        (3, "readwrite"),
    ]
    merged = client.merge_shard("proj", "store", 2).get_shards_info()
    assert [shard["shardID"] for shard in merged] == [4, 2, 3]
    assert client.list_shards("proj", "store").count == 5


def test_group_calls(client: Any) -> None:
    client.create_consumer_group("proj", "store", "group", 10, in_order=True)
    [group] = client.list_consumer_group("proj", "store").get_consumer_groups()
    assert (group.get_consumer_group_name(), group.get_timeout(), group.is_in_order()) == ("group", 10, True)
    client.update_consumer_group("proj", "store", "group", timeout=20)
    [group] = client.list_consumer_group("proj", "store").get_consumer_groups()
    assert (group.get_timeout(), group.is_in_order()) == (20, True)
    assert client.heart_beat("proj", "store", "group", "c", []).get_shards() == [0, 1]
    put(client, ["a"], hashKey="0" * 32)
    cursor = client.get_end_cursor("proj", "store", 0).get_cursor()
    client.update_check_point("proj", "store", "group", 0, cursor, "c", force_success=False)
    [row] = client.get_check_point("proj", "store", "group", 0).get_consumer_group_check_points()
    assert (row["shard"], row["checkpoint"], row["consumer"]) == (0, cursor, "c")
    fixed = client.get_check_point_fixed("proj", "store", "group").get_consumer_group_check_points()
    assert [row["shard"] for row in fixed] == [0, 1]
    assert abs(fixed[0]["checkpoint_previous_cursor_time"] - time.time()) < 100
    client.delete_consumer_group("proj", "store", "group")
    assert client.list_consumer_group("proj", "store").get_count() == 0


def test_project_and_logstore_calls(client: Any, refused: Refused) -> None:
    client.create_project("made-up", "for a test")
    assert client.get_project("made-up").get_description() == "for a test"
    assert client.list_project().get_count() == 2
    client.create_logstore("made-up", "logs", ttl=3, shard_count=4)
    found = client.get_logstore("made-up", "logs")
    assert (found.get_ttl(), found.get_shard_count()) == (3, 4)
    client.update_logstore("made-up", "logs", ttl=5)
    assert client.get_logstore("made-up", "logs").get_ttl() == 5
    assert client.list_logstore("made-up").get_logstores() == ["logs"]
    client.delete_logstore("made-up", "logs")
    client.delete_project("made-up")
    assert refused(client.get_logstore, "made-up", "logs") == (404, "ProjectNotExist")


def test_refusals(client: Any, refused: Refused) -> None:
    assert refused(client.list_shards, "none", "store") == (404, "ProjectNotExist")
    assert refused(client.list_shards, "proj", "none") == (404, "LogStoreNotExist")
    assert refused(client.get_begin_cursor, "proj", "store", 9) == (400, "ShardNotExist")
    assert refused(client.pull_logs, "proj", "store", 0, "MQ==") == (400, "InvalidCursor")
    assert refused(client.pull_logs, "proj", "store", 0, "?", 10) == (400, "ParameterInvalid")
    assert refused(client.heart_beat, "proj", "store", "none", "c", []) == (404, "ConsumerGroupNotExist")
    client.create_consumer_group("proj", "store", "group", 10)
    assert (
        refused(client.create_consumer_group, "proj", "store", "group", 10)[1] == "ConsumerGroupAlreadyExist"
    )
    assert refused(client.heart_beat, "proj", "store", "group", "c", [0])[1] == "NotExistConsumerWithBody"


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_who_is_let_in(sls: SlsStandin, connect: Any, refused: Refused, version: str) -> None:
    options = {"auth_version": version, "region": "cn-hangzhou"}

    def answer(key_id: str, secret: str, **more: Any) -> tuple[int, str]:
        return refused(connect(key_id, secret, **options, **more).list_shards, "proj", "store")

    assert answer("ak", "wrong") == (401, "SignatureNotMatch")
    assert answer("nobody", "sk") == (401, "Unauthorized")
    sls.add_key("tmp", "sk", token="token", expires=sls.clock.now() + 60)
    connect("tmp", "sk", securityToken="token", **options).list_shards("proj", "store")
    assert answer("tmp", "sk", securityToken="other") == (401, "Unauthorized")
    sls.clock.advance(61)
    assert answer("tmp", "sk", securityToken="token") == (401, "Unauthorized")
    sls.add_key("reader", "sk", deny=("log:ListShards",))
    assert answer("reader", "sk") == (401, "Unauthorized")
    sls.clock.advance(3600)
    assert answer("ak", "sk") == (400, "RequestTimeTooSkewed")


def test_date_is_the_time_of_the_service(sls: SlsStandin, connect: Any) -> None:
    """So that a client can find out how wrong its own clock is."""
    sls.clock.advance(600)
    headers = connect().list_shards("proj", "store").get_all_headers()
    assert abs(parsedate_to_datetime(headers["Date"]).timestamp() - sls.clock.now()) < 60
    assert abs(int(headers["x-log-time"]) - sls.clock.now()) < 60


def test_faults_of_the_server(sls: SlsStandin, connect: Any, refused: Refused) -> None:
    client = connect()
    sls.faults.add(Fault("error", "PullLogs", status=403, code="ShardReadQuotaExceed", times=1))
    cursor = client.get_begin_cursor("proj", "store", 0).get_cursor()
    assert refused(client.pull_logs, "proj", "store", 0, cursor) == (403, "ShardReadQuotaExceed")
    put(client, ["a" * 1000], hashKey="0" * 32)
    for kind in ("reset_during", "truncate"):
        sls.faults.add(Fault(kind, "PullLogs", times=1))
        assert refused(client.pull_logs, "proj", "store", 0, cursor)[1] == "LogRequestError"
    number = sls.faults.add(Fault("reset_before", "PullLogs", times=1))
    assert read(client, 0) == ["a" * 1000]  # the SDK tries again after a second
    assert sls.faults.fired(number) == 1


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayCa:
    return ThrowawayCa(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def secure(authority: ThrowawayCa) -> Iterator[tuple[SlsStandin, Path]]:
    """A stand-in that speaks https on its port, and the CA to trust."""
    certificate = authority.server(("127.0.0.1",))
    with SlsStandin(tls=ServerTls(certificate.cert, certificate.key)) as standin:
        standin.add_key("ak", "sk")
        standin.create_logstore("proj", "store")
        yield standin, authority.cert


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_https_by_address(secure: tuple[SlsStandin, Path], version: str) -> None:
    """With an address for an endpoint the project is in the Host header only."""
    standin, ca = secure
    client: Any = LogClient(standin.url, "ak", "sk", auth_version=version, region="cn-hangzhou")
    client._isRowIp = True  # the SDK itself sees only addresses without scheme and port
    client._session.verify = str(ca)
    client._session.trust_env = False
    put(client, ["a"], hashKey="0" * 32)
    assert read(client, 0) == ["a"]


def test_https_through_the_proxy(authority: ThrowawayCa) -> None:
    certificate = authority.server(("*.sls.test", "sls.test"))
    with SlsStandin(tunnel_tls=ServerTls(certificate.cert, certificate.key)) as standin:
        standin.add_key("ak", "sk")
        standin.create_logstore("proj", "store")
        client: Any = LogClient("https://sls.test", "ak", "sk")
        client._session.proxies = {"https": standin.proxy_url}
        client._session.verify = str(authority.cert)
        client._session.trust_env = False
        put(client, ["a"], hashKey="0" * 32)
        assert read(client, 0) == ["a"]


def test_truth_is_what_the_sdk_reads(sls: SlsStandin, connect: Any) -> None:
    sls.load("proj", "store", logs=500, seed=3)
    client = connect()
    for shard in (0, 1):
        cursor = client.get_begin_cursor("proj", "store", shard).get_cursor()
        pulled = client.pull_logs("proj", "store", shard, cursor)
        last = int(pulled.get_header("x-log-read-last-cursor"))
        first = last + 1 - pulled.get_loggroup_count()
        seen = [
            (first + at, index, log.Time, [[content.Key, content.Value] for content in log.Contents])
            for at, group in enumerate(pulled.get_loggroup_list().LogGroups)
            for index, log in enumerate(group.Logs)
        ]
        rows = sls.truth("proj", "store", shard=shard)
        assert seen == [(row["cursor"], row["index"], row["time"], row["contents"]) for row in rows]
        assert [row["cursor"] for row in sls.truth("proj", "store", shard=shard, start=last)] == [last] * 100
