"""Bytes on which readers of protobuf differ: accepted and refused as upb does, and read the same way."""

from __future__ import annotations

import pytest

from sls_hec_forwarder.wire.encoder import Encoder, WireError
from sls_hec_forwarder.wire.rules import Rules

from .bytes_of import (
    BYTES,
    END_GROUP,
    FIXED32,
    FIXED64,
    GROUP,
    VARINT,
    field,
    group,
    groups,
    log,
    pair,
    tag,
    varint,
)
from .reference import IS_UPB, parse, read_envelope


def in_log(body: bytes) -> bytes:
    """A list with one log that has a time, `body` and a content."""
    return groups(field(1, tag(1, VARINT) + varint(5) + body + field(2, pair(b"k", b"v"))))


def nested(levels: int) -> bytes:
    return tag(7, GROUP) * levels + tag(7, END_GROUP) * levels


ACCEPTED = {
    "nothing": b"",
    "group without fields": groups(b""),
    "log without fields": groups(field(1, b"")),
    "content without key": in_log(field(2, field(2, b"v"))),
    "content without value": in_log(field(2, field(1, b"k"))),
    "tag of a log group without key": groups(field(6, field(2, b"v"))),
    "time of another wire type": in_log(field(1, b"xx")),
    "nanoseconds of another wire type": in_log(tag(4, VARINT) + varint(1)),
    "content of another wire type": in_log(tag(2, FIXED32) + b"abcd"),
    "groups of another wire type": tag(1, VARINT) + varint(1),
    "tag of five bytes": in_log(b"\x88\x80\x80\x80\x00\x06"),
    "tag of five bytes for a content": in_log(b"\x92\x80\x80\x80\x00" + field(2, pair(b"a", b"b"))[1:]),
    "length of ten bytes": field(1, field(1, log((b"k", b"v")), 10), 10),
    "length beyond 64 bits": b"\x0a" + b"\x80" * 9 + b"\x02",
    "varint of ten bytes": in_log(tag(7, VARINT) + b"\xff" * 9 + b"\x01"),
    "varint beyond 64 bits": in_log(tag(1, VARINT) + b"\xff" * 9 + b"\x7f"),
    "time beyond 32 bits": in_log(tag(1, VARINT) + varint(2**32 + 6)),
    "greatest field number": in_log(tag(2**29 - 1, VARINT) + b"\x01"),
    "unknown fields": in_log(
        tag(3, VARINT)
        + b"\x01"
        + tag(9, FIXED64)
        + b"12345678"
        + tag(9, FIXED32)
        + b"1234"
        + field(9, b"abc")
    ),
    "unknown group": in_log(tag(7, GROUP) + field(1, b"a") + tag(2, VARINT) + b"\x01" + tag(7, END_GROUP)),
    "a group for a content": in_log(tag(2, GROUP) + field(1, b"a") + tag(2, END_GROUP)),
    "groups in groups": nested(99),
    "groups in groups in a log": in_log(nested(97)),
}

REFUSED = {
    "end in a tag": b"\x8a",
    "end in a length": b"\x0a\x80",
    "end in a varint": groups(field(1, tag(1, VARINT) + b"\xff")),
    "end in a fixed32": groups(field(1, log() + tag(4, FIXED32) + b"abc")),
    "end in an unknown fixed64": in_log(b"")[:-1] + tag(9, FIXED64) + b"abc",
    "group longer than the list": b"\x0a\x05abc",
    "log longer than its group": groups(b"\x0a\x05abc") + b"abcdef",
    "content longer than its log": groups(field(1, log() + b"\x12\x05ab")) + b"abcdef",
    "key longer than its content": in_log(field(2, b"\x0a\x05ab")),
    "key as long as the content and the next field": in_log(field(2, b"\x0a\x02") + field(2, b"")),
    "value longer than its content": in_log(field(2, field(1, b"k") + b"\x12\x05ab")),
    "value shorter than its content": in_log(field(2, pair(b"k", b"v") + b"\x00")),
    "length of 2**32": b"\x0a\x80\x80\x80\x80\x10",
    "length of 2**64-1": b"\x0a" + b"\xff" * 9 + b"\x01",
    "varint of eleven bytes": in_log(tag(1, VARINT) + b"\xff" * 10 + b"\x01"),
    "field number 0": b"\x00\x01",
    "field number 0 with bytes": b"\x02\x01a",
    "wire type 6": b"\x3e",
    "wire type 7": b"\x3f",
    "end of no group": tag(7, END_GROUP),
    "group without end": tag(7, GROUP) + tag(1, VARINT) + b"\x01",
    "too many groups in groups": nested(101),
    "very many groups in groups": nested(100_000),
}

# Protobuf in pure Python takes these, by mistake.
REFUSED_BY_UPB = {
    "tag of six bytes": in_log(b"\x88\x80\x80\x80\x80\x00\x05"),
    "tag beyond 32 bits": in_log(b"\x88\x80\x80\x80\x10\x05"),
    "group that ends as another": tag(7, GROUP) + tag(8, END_GROUP),
    "field number 0 in a group": tag(7, GROUP) + b"\x00\x01" + tag(7, END_GROUP),
}


def encode(data: bytes) -> list[dict[str, object]]:
    encoded = Encoder(Rules("s")).encode(data, shard=0, first_cursor=None, max_bytes=1 << 20)
    return [read_envelope(line) for chunk in encoded.chunks for line in chunk.body.split(b"\n")]


@pytest.mark.parametrize("data", ACCEPTED.values(), ids=ACCEPTED)
def test_what_protobuf_accepts_is_encoded(data: bytes) -> None:
    message = parse(data)
    assert message is not None
    assert len(encode(data)) == sum(len(group.Logs) for group in message.LogGroups)


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_what_protobuf_refuses_is_refused(data: bytes) -> None:
    assert parse(data) is None
    with pytest.raises(WireError, match=r"^corrupt log group list: .+ at byte \d+$"):
        encode(data)


@pytest.mark.parametrize("data", REFUSED_BY_UPB.values(), ids=REFUSED_BY_UPB)
def test_where_readers_differ_the_stricter_is_right(data: bytes) -> None:
    assert (parse(data) is None) == IS_UPB
    with pytest.raises(WireError):
        encode(data)


@pytest.mark.parametrize("size", range(len(groups(group(log((b"key", b"value"), nanos=1), topic=b"t")))))
def test_a_list_cut_short_is_refused(size: int) -> None:
    data = groups(group(log((b"key", b"value"), nanos=1), topic=b"t"))[:size]
    if data:
        with pytest.raises(WireError):
            encode(data)
    else:
        assert encode(data) == []


def test_an_error_says_where() -> None:
    good = groups(group(log((b"k", b"v"))))
    with pytest.raises(WireError) as caught:
        encode(good + field(1, field(1, tag(1, BYTES) + b"\x09abc")))
    assert caught.value.offset == len(good) + 5
    assert caught.value.reason == "length 9 where 3 bytes are left"
