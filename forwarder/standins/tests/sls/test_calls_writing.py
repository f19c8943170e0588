"""PutLogs: what is stored, and the error table of the API reference."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from sls_hec_standins.sls import wire
from sls_hec_standins.sls.shards import KEY_SPACE

LB = "/logstores/store/shards/lb"
NOW = 1_800_000_000


def group(*, time: int = NOW, key: Any = "k", value: Any = "v", logs: int = 1) -> bytes:
    return wire.write_log_group([(time, 5, [(key, value)])] * logs, topic="t", source="s")


def put(ask: Any, data: bytes, kind: str = "lz4", path: str = LB, **query: str) -> Any:
    body = zlib.compress(data) if kind == "deflate" else wire.compress(data, kind)
    return send(
        ask, body, {"x-log-bodyrawsize": str(len(data)), "x-log-compresstype": kind or None}, path, query
    )


def send(ask: Any, body: bytes, headers: Any, path: str = LB, query: Any = None) -> Any:
    return ask("POST", path, query, body=body, headers={"content-type": "application/x-protobuf", **headers})


def stored(ask: Any) -> list[bytes]:
    return [group.data for shard in ask.logstore.shards.values() for _, group in shard.span()]


@pytest.mark.parametrize("kind", ["lz4", "zstd", "deflate", ""])
def test_bytes_are_stored_as_they_came(ask: Any, kind: str) -> None:
    answer = put(ask, group(logs=3), kind)
    assert (answer.status, answer.body) == (200, b"")
    assert stored(ask) == [group(logs=3)]


def test_path_of_the_go_sdk(ask: Any) -> None:
    assert put(ask, group(), path="/logstores/store").status == 200
    assert stored(ask) == [group()]


def test_hash_key_chooses_the_shard(ask: Any) -> None:
    route = "/logstores/store/shards/route"
    put(ask, group(value="low"), path=route, key="0" * 32)
    put(ask, group(value="high"), path=route, key="F" * 32)
    assert [group.data for _, group in ask.shard(0).span()] == [group(value="low")]
    assert [group.data for _, group in ask.shard(1).span()] == [group(value="high")]
    assert ask.shard(1).end == KEY_SPACE - 1
    for key in ("", "12", "g" * 32):
        assert put(ask, group(), path=route, key=key).error == (400, "ParameterInvalid")


def test_receive_time_is_not_event_time(ask: Any) -> None:
    put(ask, group(time=NOW - 1000))
    [(_, kept)] = ask.shard(1).span() or ask.shard(0).span()
    assert kept.received == ask.clock.now()


def test_empty_group_is_taken_and_forgotten(ask: Any) -> None:
    """`TestEmptyLogGroup` of aliyun-log-go-sdk expects success."""
    assert put(ask, wire.write_log_group([])).status == 200
    assert stored(ask) == []


def test_append_meta_adds_tags(ask: Any) -> None:
    ask.logstore.options["appendMeta"] = True
    put(ask, group())
    head = wire.read_head(stored(ask)[0])
    assert head.tags == [(b"__receive_time__", b"%d" % NOW), (b"__client_ip__", b"192.0.2.7")]
    assert head.topic == b"t"


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\x05", b"\x0a\x00", b"{}"])
def test_body_that_is_no_group(ask: Any, body: bytes) -> None:
    assert put(ask, body).error == (400, "PostBodyInvalid")
    assert stored(ask) == []


@pytest.mark.parametrize("kind", ["lz4", "zstd", "deflate"])
@pytest.mark.parametrize("body", [b"", b"garbage", b"\x28\xb5\x2f\xfd", b"x" * 1000])
def test_body_that_does_not_decompress(ask: Any, kind: str, body: bytes) -> None:
    headers = {"x-log-compresstype": kind, "x-log-bodyrawsize": "50"}
    assert send(ask, body, headers).error == (400, "PostBodyUncompressError")


@pytest.mark.parametrize("kind", ["lz4", "zstd", "deflate"])
def test_size_that_is_not_true(ask: Any, kind: str) -> None:
    data = group(value="x" * 500)
    body = zlib.compress(data) if kind == "deflate" else wire.compress(data, kind)
    for size in (len(data) - 1, len(data) + 1):
        headers = {"x-log-compresstype": kind, "x-log-bodyrawsize": str(size)}
        assert send(ask, body, headers).error == (400, "PostBodyUncompressError")


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"x-log-compresstype": "snappy"}, (400, "InvalidCompressType")),
        ({"x-log-compresstype": "lz4", "x-log-bodyrawsize": None}, (400, "MissingBodyRawSize")),
        ({"x-log-compresstype": "lz4", "x-log-bodyrawsize": "x"}, (400, "InvalidBodyRawSize")),
        ({"x-log-compresstype": "lz4", "x-log-bodyrawsize": "-1"}, (400, "InvalidBodyRawSize")),
        ({"content-type": "application/json"}, (415, "InvalidContentType")),
        ({"content-type": None}, (400, "MissingContentType")),
    ],
)
def test_wrong_headers(ask: Any, headers: Any, error: tuple[int, str]) -> None:
    assert send(ask, group(), headers).error == error


def test_too_large(ask: Any) -> None:
    ask.switch(put_max_bytes=100, put_max_logs=2)
    assert put(ask, group(value="x" * 200)).error == (400, "PostBodyTooLarge")
    assert put(ask, group(logs=3)).error == (400, "PostBodyTooLarge")
    ask.switch(put_too_large_status=413)
    assert put(ask, group(value="x" * 200), "").error == (413, "PostBodyTooLarge")
    assert put(ask, group(logs=2)).status == 200


def test_value_of_more_than_a_megabyte(ask: Any) -> None:
    assert put(ask, group(value=b"x" * (1 << 20))).status == 200
    assert put(ask, group(value=b"x" * ((1 << 20) + 1))).error == (400, "PostBodyTooLarge")


@pytest.mark.parametrize("key", ["", "k" * 129])
def test_wrong_keys(ask: Any, key: str) -> None:
    assert put(ask, group(key=key)).error == (400, "InvalidKey")


@pytest.mark.parametrize("time", [NOW - 168 * 3600 - 1, NOW + 15 * 60 + 1, 0])
def test_event_times_out_of_range(ask: Any, time: int) -> None:
    assert put(ask, group(time=time)).error == (400, "PostBodyInvalid")
    ask.switch(put_time_window="InvalidTimestamp")
    assert put(ask, group(time=time)).error == (400, "InvalidTimestamp")
    ask.switch(put_time_window="off")
    assert put(ask, group(time=time)).status == 200


@pytest.mark.parametrize("time", [NOW - 168 * 3600, NOW + 15 * 60])
def test_event_times_at_the_edge(ask: Any, time: int) -> None:
    assert put(ask, group(time=time)).status == 200


def test_invalid_utf8(ask: Any) -> None:
    assert put(ask, group(value=b"\xff")).status == 200
    ask.switch(put_invalid_utf8="InvalidEncoding")
    assert put(ask, group(value=b"\xff")).error == (400, "InvalidEncoding")
    assert put(ask, group(key=b"\xff")).error == (400, "InvalidEncoding")
    assert put(ask, group(value="ü")).status == 200


def test_no_shard_to_write_to(ask: Any) -> None:
    for shard in ask.logstore.shards.values():
        shard.readonly = True
    assert put(ask, group()).error == (400, "LogStoreWithoutShard")
