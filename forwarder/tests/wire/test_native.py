"""The native encoder against the one in Python: the same answer or the same error, byte for byte."""

from __future__ import annotations

import random
import sys
import threading
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sls_hec_forwarder.settings.model import RelaySettings, specs
from sls_hec_forwarder.wire import choice, native
from sls_hec_forwarder.wire.encoder import Encoded, Encoder, WireError
from sls_hec_forwarder.wire.native import NativeEncoder
from sls_hec_forwarder.wire.rules import Rules, TopicRule
from sls_hec_standins.sls import wire as standin_wire
from sls_hec_standins.sls.generator import Generator
from sls_hec_standins.sls.products import PRODUCTS

from . import bytes_of
from .bytes_of import field, group, groups, log, pair, tag
from .test_properties import CURSOR, everything, makers, patient, rule_sets
from .test_protobuf import ACCEPTED, REFUSED, REFUSED_BY_UPB

LISTS = {**ACCEPTED, **REFUSED, **REFUSED_BY_UPB}
UNFOLD = Rules("sls:p/l", unfold=(("actiontrail_audit_event", "event"), ("*", "value")))


def outcome(
    encoder: choice.PullEncoder,
    data: bytes,
    *,
    shard: int = 7,
    cursor: int | None = CURSOR,
    most: int = 1 << 20,
) -> Encoded | tuple[int, str]:
    try:
        return encoder.encode(data, shard=shard, first_cursor=cursor, max_bytes=most)
    except WireError as error:
        return error.offset, str(error)


def same(data: bytes, rules: Rules, **options: Any) -> Encoded | tuple[int, str]:
    """Both encoders' answer, which is the same and has the same types."""
    found = NativeEncoder(rules)
    answer = outcome(found, data, **options)
    wanted = outcome(Encoder(rules), data, **options)
    assert answer == wanted
    assert repr(answer) == repr(wanted)
    assert found.handed_back == 0
    return answer


@patient
@given(
    data=makers.map(bytes_of.Maker.group_list)
    | makers.map(bytes_of.Maker.damaged_group_list)
    | st.binary(max_size=60),
    rules=rule_sets,
    shard=st.sampled_from((0, 7, 2**31)),
    cursor=st.sampled_from((None, 0, CURSOR, 2**63 - 1)),
    most=st.sampled_from((-1, 0, 1, 300, 600, 1 << 20, 2**70)),
)
def test_random_lists(data: bytes, rules: Rules, shard: int, cursor: int | None, most: int) -> None:
    same(data, rules, shard=shard, cursor=cursor, most=most)


@patient
@given(st.integers(0, 2**32), st.sampled_from((everything, UNFOLD)))
def test_lists_that_end_anywhere(seed: int, rules: Rules) -> None:
    rng = random.Random(seed)
    data = bytes_of.Maker(rng).group_list()
    same(data[: rng.randint(0, len(data))], rules)


@pytest.mark.parametrize("data", LISTS.values(), ids=LISTS)
def test_bytes_on_which_readers_of_protobuf_differ(data: bytes) -> None:
    same(data, everything)


@pytest.mark.parametrize("product", [*PRODUCTS, None])
def test_all_products(product: str | None) -> None:
    generator = Generator(3, mix={product: 1}) if product else Generator(3, nasty=0.3, large=0.01)
    data = standin_wire.write_log_group_list(generator.groups(logs=400))
    for rules in (Rules("sls:p/l"), UNFOLD):
        answer = same(data, rules, most=100_000)
        assert isinstance(answer, Encoded)
        assert answer.events == 400


@patient
@given(
    makers.map(bytes_of.Maker.json_text) | st.text('{}[]",:\\ \n0129.eE+-tru', max_size=20).map(str.encode)
)
@example(b'{"a":"\\ud800","a":1}')
@example(b'["\\ud83d\\ude00"]')
@example(b"[" * 100 + b"]" * 100)
@example(b"[" * 101 + b"]" * 101)
@example(b'{"a":' * 100 + b"[1]" + b"}" * 100)
def test_unfolding(raw: bytes) -> None:
    same(groups(group(log((b"event", raw)), log((b"event", raw), (b"event", raw)))), everything)


@pytest.mark.parametrize("size", [0, 1, 2])
@pytest.mark.parametrize("before", [0, 1, 14, 15, 16, 17])
def test_every_pair_of_bytes_where_steps_meet(size: int, before: int) -> None:
    rng = random.Random(size)
    values = [
        b"x" * before + bytes((one, other)[:size]) + b"y" * rng.choice((0, 1, 15))
        for one in range(256)
        for other in (0x22, 0x41, 0x80, 0x8F, 0x90, 0xA0, 0xBF, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xFF)
    ]
    same(groups(group(*(log((b"k", value), (value[:120], b"v")) for value in values))), everything)


def test_more_names_tags_and_topics_than_usual() -> None:
    wide = log(*((b"name-%d" % number, b"v") for number in range(6000)), (b"name-5", b"\xff"))
    tags = [(b"tag-%d\xff" % (number % 700), b"v%d" % number) for number in range(900)]
    same(groups(group(wide, wide, tags=tags)), everything)
    many = groups(*(group(log((b"a", b"1")), topic=b"t%d\xff" % number) for number in range(3000)))
    same(many, Rules("s", exclude=("t1*",), topics=(TopicRule("t2*", index="i", host="__tag__:x"),)))


def test_an_event_has_another_value_of_the_group_and_the_next_has_not() -> None:
    mine = log((b"__topic__", b"mine"), (b"__tag__:host", b"mine"), (b"new", b"1"))
    data = groups(group(mine, log((b"a", b"1")), field(1, tag(7, 0) + b"\0"), tags=[(b"host", b"h")]))
    same(data, Rules("s", host="__tag__:host", unfold=(("*", "__topic__"),)))


def test_settings_that_are_no_text() -> None:
    data = groups(group(log((b"\xed\xa0\x80", b"[1]")), topic=b"\xed\xa0\x80", tags=[(b"\xff", b"h")]))
    rules = Rules("s\udce9", host="__tag__:\udce9", include=("*", "\ud800"), unfold=(("*", "\ud800"),))
    same(data, rules)


@pytest.mark.parametrize("cursor", [-1, 2**63])
def test_what_is_handed_back_is_counted(cursor: int) -> None:
    encoder, data = NativeEncoder(UNFOLD), groups(group(log(), log()))
    for count in (1, 2):
        assert outcome(encoder, data, cursor=cursor) == outcome(Encoder(UNFOLD), data, cursor=cursor)
        assert encoder.handed_back == count


def test_threads_may_share_it() -> None:
    encoder = NativeEncoder(UNFOLD)
    pulls = [
        standin_wire.write_log_group_list(Generator(seed, nasty=0.1).groups(logs=300)) for seed in range(4)
    ]
    wanted = [outcome(Encoder(UNFOLD), pull) for pull in pulls]
    together: dict[int, list[Any]] = {number: [] for number in range(len(pulls))}

    def run(number: int) -> None:
        together[number] += [outcome(encoder, pulls[number]) for _ in range(20)]

    threads = [threading.Thread(target=run, args=(number,)) for number in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert together == {number: [wanted[number]] * 20 for number in together}


def test_the_choice() -> None:
    [spec] = [spec for _, spec in specs(RelaySettings) if spec.name == "RELAY_ENCODER"]
    assert spec.choices == choice.CHOICES
    assert choice.choose(choice.AUTO) == choice.choose(choice.NATIVE) == choice.Choice("native")
    assert choice.choose(choice.PYTHON) == choice.Choice("python", "RELAY_ENCODER says so")
    assert isinstance(choice.encoder(choice.choose(choice.AUTO), UNFOLD), NativeEncoder)
    assert isinstance(choice.encoder(choice.choose(choice.PYTHON), UNFOLD), Encoder)


def test_a_package_of_another_release_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "INTERFACE", 0)
    native.library.cache_clear()
    try:
        with pytest.raises(native.NotAvailable, match="of another release: interface 1, not 0"):
            choice.choose(choice.NATIVE)
        assert "of another release" in choice.choose(choice.AUTO).reason
    finally:
        native.library.cache_clear()


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sls_hec_native", None)
    native.library.cache_clear()
    try:
        with pytest.raises(native.NotAvailable, match="sls-hec-forwarder-native"):
            NativeEncoder(UNFOLD)
        assert choice.choose(choice.AUTO).name == choice.PYTHON
    finally:
        native.library.cache_clear()


def test_a_pair_may_have_neither_key_nor_value() -> None:
    same(groups(group(field(1, field(2, b"") + field(2, pair(b"", b"")) + field(2, b"")))), everything)
