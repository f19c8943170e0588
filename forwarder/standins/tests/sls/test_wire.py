"""The SDK's own protobuf classes are the oracle: what they write we read, and the other way round."""

from __future__ import annotations

from typing import Any, Optional

import pytest
import zstd
from aliyun.log.compress import Compressor, CompressType
from aliyun.log.proto import LogGroup, LogGroupListRaw, LogGroupRaw
from google.protobuf.internal import api_implementation
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sls_hec_standins.sls import wire

raw_text = st.one_of(st.text(max_size=12).map(str.encode), st.binary(max_size=12), st.just(b"x" * 200))
pairs = st.lists(st.tuples(raw_text, raw_text), max_size=4)
logs = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.none() | st.integers(0, 2**32 - 1), pairs),
    max_size=4,
)
groups = st.tuples(logs, raw_text, raw_text, pairs)

# A busy machine or a cold JIT is no finding.
unhurried = settings(deadline=None)
Fields = tuple[bytes, bytes, list[tuple[bytes, bytes]], list[tuple[int, Optional[int], Any]]]


def ours(data: bytes) -> Fields:
    return (*wire.read_head(data), [(log.time, log.time_ns, log.contents) for log in wire.iter_logs(data)])


def theirs(message: Any) -> Fields:
    """The same fields as the SDK sees them: values of its raw classes are bytes, keys and heads text."""

    def raw(text: Any) -> bytes:
        return text.encode() if isinstance(text, str) else text

    return (
        raw(message.Topic),
        raw(message.Source),
        [(raw(tag.Key), raw(tag.Value)) for tag in message.LogTags],
        [
            (
                log.Time,
                log.Time_ns if log.HasField("Time_ns") else None,
                [(raw(content.Key), raw(content.Value)) for content in log.Contents],
            )
            for log in message.Logs
        ],
    )


def sdk_read(data: bytes) -> Any:
    """The parsed LogGroup, None if the SDK's classes refuse it or miss a required field."""
    try:
        message = LogGroupRaw.FromString(data)
    except DecodeError:
        return None
    return message if message.IsInitialized() else None


@unhurried
@given(groups)
def test_what_is_written_reads_back(group: Any) -> None:
    items, topic, source, tags = group
    data = wire.write_log_group(items, topic, source, tags)
    assert ours(data) == (topic, source, tags, items)
    assert wire.check_log_group(data) == wire.count_logs(data) == len(items)


@unhurried
@given(groups)
def test_the_sdk_reads_what_we_write(group: Any) -> None:
    def clean(text: bytes) -> bytes:
        return text.decode(errors="replace").encode()

    items, topic, source, tags = group
    tags = [(clean(key), clean(value)) for key, value in tags]
    items = [(time, ns, [(clean(key), value) for key, value in pairs]) for time, ns, pairs in items]
    data = wire.write_log_group(items, clean(topic), clean(source), tags)
    listed = wire.write_log_group_list([data, b"", data])
    parsed = LogGroupListRaw.FromString(listed)
    assert [theirs(group) for group in parsed.LogGroups] == [ours(data), (b"", b"", [], []), ours(data)]
    assert list(wire.iter_groups(listed)) == [data, b"", data]


@unhurried
@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 999_999_999), st.text()), max_size=5),
    st.text(),
    st.booleans(),
)
def test_we_read_what_the_sdk_writes(items: Any, text: str, headless: bool) -> None:
    group = LogGroup()
    if not headless:
        group.Topic, group.Source, group.MachineUUID, group.Reserved = text, "10.0.0.1", "uuid", text
        group.LogTags.add(Key="__hostname__", Value=text)
    for time, time_ns, value in items:
        log = group.Logs.add(Time=time)
        log.Contents.add(Key=text, Value=value)
        if time_ns:
            log.Time_ns = time_ns
    data = group.SerializeToString()
    assert wire.check_log_group(data) == len(items)
    assert ours(data) == theirs(group)


@unhurried
@given(groups, st.data())
@example(([], b"", b"", []), None)
def test_damaged_bytes_are_refused_or_read_as_the_sdk_reads_them(group: Any, data: Any) -> None:
    items, topic, source, tags = group
    damaged = bytearray(wire.write_log_group(items, topic, source, tags))
    if damaged and data is not None:
        for _ in range(data.draw(st.integers(1, 3))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        del damaged[data.draw(st.integers(0, len(damaged))) :]
    body = bytes(damaged)
    try:
        seen = ours(body)
    except wire.WireError:
        seen = None
    if seen is None:
        with pytest.raises(wire.WireError):
            wire.check_log_group(body)
    else:
        assert wire.check_log_group(body) == len(seen[3])
    if api_implementation.Type() != "upb":
        return  # the pure Python reader lets some damaged tags and groups pass
    message = sdk_read(body)
    assert seen == (None if message is None else theirs(message))


def test_text_is_encoded_and_a_log_may_be_passed_on() -> None:
    group = wire.write_log_group([wire.Log(7, 0, [(b"k", b"v")])], "主题", "源", [("标", "签")])
    assert wire.read_head(group) == ("主题".encode(), "源".encode(), [("标".encode(), "签".encode())])
    assert list(wire.iter_logs(group)) == [(7, 0, [(b"k", b"v")])]


LOG = b"\x0a\x0c\x08\x07\x12\x08\x0a\x01k\x12\x03abc"


@pytest.mark.parametrize(
    ("data", "logs"),
    [
        pytest.param(b"", 0, id="empty group"),
        pytest.param(LOG * 2, 2, id="two logs"),
        pytest.param(LOG + b"\x38\x05", 1, id="unknown number"),
        pytest.param(LOG + b"\x41" + bytes(8), 1, id="unknown fixed64"),
        pytest.param(LOG + b"\x45" + bytes(4), 1, id="unknown fixed32"),
        pytest.param(LOG + b"\x42\x02hi", 1, id="unknown bytes"),
        pytest.param(LOG + b"\x43\x08\x01\x4b\x4c\x44", 1, id="unknown nested groups"),
        pytest.param(b"\x0a\x07\x08\x87\x80\x80\x80\x80\x01" + LOG, 2, id="over-long time"),
        pytest.param(b"\x08\x01" + LOG, 1, id="known field of another type"),
    ],
)
def test_accepts(data: bytes, logs: int) -> None:
    assert wire.check_log_group(data) == len(sdk_read(data).Logs) == logs


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(LOG[:-1], "1 bytes more", id="cut value"),
        pytest.param(b"\x0a", "truncated length", id="cut before length"),
        pytest.param(b"\x0a\x80", "truncated number", id="cut length"),
        pytest.param(b"\x0a" + b"\x80" * 10 + b"\x01", "endless number", id="endless length"),
        pytest.param(b"\x02\x00", "field number", id="field zero"),
        pytest.param(b"\xff\xff\xff\xff\xff\x01\x00", "field number", id="field number too high"),
        pytest.param(b"\x0f\x00", "wire type 7", id="wire type 7"),
        pytest.param(b"\x44", "wire type 4", id="end of a group never begun"),
        pytest.param(b"\x43\x08\x01", "truncated number", id="group never ended"),
        pytest.param(b"\x43" * 200, "nested too deeply", id="groups without end"),
        pytest.param(b"\x0a\x00", "without Time", id="no time"),
        pytest.param(b"\x0a\x07\x08\x07\x12\x03\x0a\x01k", "Content without Value", id="no value"),
        pytest.param(b"\x0a\x04\x08\x07\x12\x00", "Content without Key", id="no key"),
        pytest.param(b"\x32\x03\x0a\x01k", "LogTag without Value", id="tag without value"),
        pytest.param(b"\x45\x00", "3 bytes more", id="cut fixed32"),
    ],
)
def test_refuses(data: bytes, reason: str) -> None:
    with pytest.raises(wire.WireError, match=reason):
        wire.check_log_group(data)
    assert sdk_read(data) is None


def test_refuses_the_end_of_another_group() -> None:
    with pytest.raises(wire.WireError, match="unmatched end"):
        wire.check_log_group(b"\x43\x4c")  # the pure Python reader of the SDK lets this pass


@pytest.mark.parametrize("kind", ["lz4", "zstd", ""])
@unhurried
@given(data=st.binary(max_size=300))
@example(data=b"abc" * 100_000)
def test_compression_round_trips_with_the_sdk(kind: str, data: bytes) -> None:
    sdk_kind = {"lz4": CompressType.LZ4, "zstd": CompressType.ZSTD, "": CompressType.UNCOMPRESSED}[kind]
    packed = wire.compress(data, kind)
    assert wire.decompress(packed, kind, len(data)) == data
    assert wire.decompress(Compressor.compress(data, sdk_kind), kind, len(data)) == data
    assert Compressor.decompress(packed, len(data), sdk_kind) == data


@unhurried
@given(st.binary(max_size=60), st.sampled_from(["lz4", "zstd", ""]), st.integers(-1, 2**40))
def test_a_body_that_is_not_compressed_is_refused(data: bytes, kind: str, raw_size: int) -> None:
    try:
        raw = wire.decompress(data, kind, raw_size)
    except wire.WireError:
        return
    assert len(raw) == raw_size


@pytest.mark.parametrize("off_by", [-1, 1])
@pytest.mark.parametrize("size", [0, 5, 255, 256, 65_791, 65_792, 300_000])
@pytest.mark.parametrize("kind", ["lz4", "zstd", ""])
def test_the_announced_size_is_exact(kind: str, size: int, off_by: int) -> None:
    packed = wire.compress(b"a" * size, kind)
    assert len(wire.decompress(packed, kind, size)) == size
    with pytest.raises(wire.WireError):
        wire.decompress(packed, kind, size + off_by)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(zstd.compress(b"a" * 300, 1)[:-2], id="cut"),
        pytest.param(b"\x28\xb5\x2f\xfd\xe0" + (300).to_bytes(8, "little") + b"\x19\x00\x00abc", id="lies"),
        pytest.param(b"\x28\xb5\x2f\xfd\x00\x58\x61\x00\x00", id="no content size"),
        pytest.param(b"\x28\xb5\x2f\xfd\xa0\x01", id="cut header"),
        pytest.param(b"\x28\xb5\x2f\xfe\x20\x03", id="magic"),
    ],
)
def test_bad_zstd_frames_are_refused(frame: bytes) -> None:
    with pytest.raises(wire.WireError, match="zstd"):
        wire.decompress(frame, "zstd", 300)


def test_a_few_bytes_cannot_ask_for_much_memory() -> None:
    with pytest.raises(wire.WireError, match="cannot hold"):
        wire.decompress(b"\x1fa\x01\x00" + b"\xff" * 20, "lz4", 1 << 40)


@pytest.mark.parametrize("call", [wire.compress, lambda data, kind: wire.decompress(data, kind, len(data))])
def test_unknown_compressions_are_named(call: Any) -> None:
    with pytest.raises(wire.WireError, match="'snappy'"):
        call(b"abc", "snappy")
