"""The encoder against the reference, on whatever bytes can come."""

from __future__ import annotations

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sls_hec_forwarder.wire.encoder import Encoded, Encoder, WireError
from sls_hec_forwarder.wire.rules import Rules, TopicRule
from sls_hec_forwarder.wire.unfold import unfolded

from . import bytes_of
from .reference import IS_UPB, expected, parse, read_envelope, read_json

SHARD, CURSOR = 7, 1_447_329_401_102_130_904
ENVELOPE_KEYS = {"time", "host", "source", "sourcetype", "index", "event", "fields"}

makers = st.integers(0, 2**32).map(lambda seed: bytes_of.Maker(random.Random(seed)))
patient = settings(deadline=None, max_examples=200)

patterns = st.sampled_from((*bytes_of.TOPICS, "*", "audit*", "action*"))
_overrides = st.none() | st.sampled_from(("", "main", 'q"uo\\te', "日志", "__source__", "__tag__:host"))
rule_sets = st.builds(
    Rules,
    source=st.sampled_from(("", "sls:project/logstore")),
    sourcetype=st.sampled_from(("", "aliyun:log")),
    index=st.sampled_from(("", "main")),
    host=st.sampled_from(("__source__", "__tag__:host", "__tag__:", "", "relay-1")),
    topics=st.lists(
        st.builds(TopicRule, patterns, _overrides, _overrides, _overrides, _overrides), max_size=2
    ).map(tuple),
    include=st.just(()) | st.lists(patterns, max_size=2).map(tuple),
    exclude=st.just(()) | st.lists(patterns, max_size=1).map(tuple),
    unfold=st.lists(st.tuples(patterns, st.sampled_from(bytes_of.NAMES)), max_size=3).map(tuple),
    identity=st.booleans(),
)
everything = Rules("sls:p/l", unfold=tuple(("*", name) for name in bytes_of.NAMES))


def lines(encoded: Encoded) -> list[bytes]:
    """Every envelope, cut as those who send them do."""
    pieces = []
    for chunk in encoded.chunks:
        of_chunk = chunk.body.split(b"\n")
        assert len(of_chunk) == chunk.events
        pieces += of_chunk
    return pieces


def check(data: bytes, rules: Rules, cursor: int | None, max_bytes: int) -> None:
    """The encoder's answer for a list that protobuf accepts is the reference's."""
    encoded = Encoder(rules).encode(data, shard=SHARD, first_cursor=cursor, max_bytes=max_bytes)
    wanted = expected(parse(data), rules, SHARD, cursor)
    envelopes = [read_envelope(line) for line in lines(encoded)]
    assert envelopes == wanted.envelopes
    assert all(ENVELOPE_KEYS.issuperset(envelope) for envelope in envelopes)
    assert encoded.events == len(envelopes)
    assert encoded.filtered == wanted.filtered
    assert encoded.groups == wanted.groups
    assert encoded.repaired == wanted.repaired
    for chunk, following in zip(encoded.chunks, [*encoded.chunks[1:], None]):
        assert len(chunk.body) <= max_bytes or chunk.events == 1
        if following is not None:  # nothing is cut that would have fitted
            assert len(chunk.body) + 1 + len(following.body.split(b"\n", 1)[0]) > max_bytes


@patient
@given(
    makers.map(bytes_of.Maker.group_list),
    rule_sets,
    st.none() | st.just(CURSOR),
    st.sampled_from((1, 300, 600, 1 << 20)),
)
def test_events_are_what_protobuf_reads(
    data: bytes, rules: Rules, cursor: int | None, max_bytes: int
) -> None:
    check(data, rules, cursor, max_bytes)


@patient
@given(makers.map(bytes_of.Maker.damaged_group_list) | st.binary(max_size=60))
@example(b"\x0a\x04\x0a\x02\x08")  # a log that ends in a tag
@example(b"\x0a\x05\x0a\x03\x12\x01\x0a")  # a content that ends in a tag
def test_corrupt_lists_are_refused_whole(data: bytes) -> None:
    refused = parse(data) is None
    outcome = encoded_or_error(data)
    if isinstance(outcome, WireError):
        assert 0 <= outcome.offset <= len(data)
        assert "\n" not in str(outcome)
        # In pure Python, protobuf takes tags that are too long for those of unknown fields.
        assert refused or not IS_UPB
    else:
        assert not refused
        if IS_UPB:
            check(data, everything, CURSOR, 1 << 20)
        else:
            assert all(read_envelope(line) for line in lines(outcome))


def encoded_or_error(data: bytes) -> Encoded | WireError:
    try:
        return Encoder(everything).encode(data, shard=SHARD, first_cursor=CURSOR, max_bytes=1 << 20)
    except WireError as error:
        return error


@patient
@given(
    makers.map(bytes_of.Maker.json_text)
    | st.text("{}[]\",:\\ \n0129.eE+-truefalsnulNaIity'dD8cC", max_size=20).map(str.encode)
)
@example(b'{"a":"\\ud800","a":1}')
@example(b'["\\u+041"]')
@example(b"[" * 100 + b"]" * 100)
@example(b"[" * 101 + b"]" * 101)
@example(b'{"a":' * 100 + b"[1]" + b"}" * 100)
def test_json_is_unfolded_only_if_strictly_valid(raw: bytes) -> None:
    value = read_json(raw)
    text = unfolded(raw)
    assert (text is None) == (value is None)
    if text is not None:
        assert b"\n" not in text
        assert b"\r" not in text
        assert read_json(text) == value
