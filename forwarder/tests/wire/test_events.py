"""What an event looks like, case by case, down to the byte where that matters."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sls_hec_forwarder.wire.encoder import Encoded, Encoder
from sls_hec_forwarder.wire.events import EventWriter
from sls_hec_forwarder.wire.rules import Rules, TopicRule
from sls_hec_standins.sls import wire as standin_wire
from sls_hec_standins.sls.generator import Generator

from .bytes_of import field, group, groups, log, pair
from .reference import Number, read_envelope
from .test_properties import check

PLAIN = Rules("sls:p/l")


def encode(data: bytes, rules: Rules = PLAIN, cursor: int | None = None, max_bytes: int = 1 << 20) -> Encoded:
    return Encoder(rules).encode(data, shard=3, first_cursor=cursor, max_bytes=max_bytes)


def envelopes(data: bytes, rules: Rules = PLAIN, cursor: int | None = None) -> list[dict[str, Any]]:
    return [
        read_envelope(line)
        for chunk in encode(data, rules, cursor).chunks
        for line in chunk.body.split(b"\n")
    ]


def test_the_whole_envelope() -> None:
    data = groups(
        group(log((b"a", b"1")), topic=b"other"),
        group(
            log((b"a", b"1")),
            log((b"user", "张伟".encode()), (b"path", b'C:\\x "y"\n'), nanos=42),
            topic=b"audit_log",
            source=b"10.0.0.1",
            tags=[(b"__hostname__", b"web-1")],
        ),
    )
    rules = Rules("sls:p/l", sourcetype="aliyun:audit", index="sec", exclude=("other",))
    encoded = encode(data, rules, cursor=1_447_329_401_102_130_904)
    assert encoded.chunks[0].body.decode("utf-8").split("\n")[1] == (
        '{"host":"10.0.0.1","source":"sls:p/l","sourcetype":"aliyun:audit","index":"sec",'
        '"event":{"__topic__":"audit_log","__source__":"10.0.0.1","__tag__:__hostname__":"web-1",'
        '"user":"张伟","path":"C:\\\\x \\"y\\"\\n"},'
        '"time":1700000000.000000042,"fields":{"sls_id":"3|1447329401102130905|1"}}'
    )
    assert (encoded.events, encoded.groups, encoded.repaired) == (2, 2, 0)
    assert encoded.filtered == {"other": 1}


@pytest.mark.parametrize(
    ("time", "nanos", "text"),
    [
        (1_700_000_000, None, "1700000000"),
        (1_700_000_000, 0, "1700000000"),
        (1_700_000_000, 1, "1700000000.000000001"),
        (1_700_000_000, 999_999_999, "1700000000.999999999"),
        (1_700_000_000, 1_000_000_000, "1700000000"),
        (0, None, "0"),
        (2**32 - 1, 120_000_000, "4294967295.120000000"),
    ],
)
def test_time_is_built_of_integers(time: int, nanos: int | None, text: str) -> None:
    assert envelopes(groups(group(log(time=time, nanos=nanos))))[0]["time"] == Number(text)


def test_without_a_time_the_receiver_gives_one() -> None:
    first, second = envelopes(groups(group(log(time=None, nanos=5), log((b"k", b"v"), time=None))))
    assert "time" not in first
    assert "time" not in second


@pytest.mark.parametrize("byte", range(256))
def test_every_byte_in_name_and_value(byte: int) -> None:
    raw = bytes([byte])
    event = envelopes(groups(group(log((b"n" + raw, b"v" + raw + b"w")))))[0]["event"]
    text = raw.decode("utf-8", "replace")
    assert event[f"n{text}"] == f"v{text}w"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"caf\xe9", "caf�"),
        (b"\xc0\x80", "��"),
        (b"\xe4\xb8", "�"),
        (b"\xe4\xb8\xe4\xb8\xad", "�中"),
        (b"\xed\xa0\x80", "���"),
        (b"\xf4\x90\x80\x80", "����"),
        (b"\xf0\x9f\x98", "�"),
        (b"\xff\xfe", "��"),
    ],
)
def test_invalid_utf8_is_replaced_as_python_does(raw: bytes, text: str) -> None:
    encoded = encode(groups(group(log((b"k", raw), (b"ok", b"\xef\xbf\xbd")), log((b"k", raw)))))
    assert encoded.repaired == 2
    for line in encoded.chunks[0].body.split(b"\n"):
        assert read_envelope(line)["event"]["k"] == text


def test_names_that_become_the_same_by_repair_stand_once() -> None:
    (envelope,) = envelopes(groups(group(log((b"a\xff", b"1"), ("a�".encode(), b"2"), (b"a\xfe", b"3")))))
    assert envelope["event"]["a�"] == "3"


def test_of_a_name_given_twice_the_last_value_counts() -> None:
    data = groups(
        group(
            log((b"a", b"1"), (b"b", b"2"), (b"a", b"3")),
            log((b"__topic__", b"mine"), (b"__tag__:t", b"mine too"), (b"a", b"1")),
            topic=b"topic",
            tags=[(b"t", b"first"), (b"t", b"second")],
        )
    )
    first, second = (envelope["event"] for envelope in envelopes(data))
    assert first == {"__topic__": "topic", "__source__": "", "__tag__:t": "second", "a": "3", "b": "2"}
    assert second == {"__topic__": "mine", "__source__": "", "__tag__:t": "mine too", "a": "1"}


def test_parts_of_a_group_may_follow_in_any_order() -> None:
    body = field(4, b"old") + field(3, b"t") + field(1, log()) + field(6, pair(b"k", b"v")) + field(4, b"new")
    (envelope,) = envelopes(groups(body))
    assert envelope["host"] == "new"
    assert envelope["event"] == {"__topic__": "t", "__source__": "new", "__tag__:k": "v"}


@pytest.mark.parametrize(
    ("host", "sent"),
    [
        ("__source__", "10.0.0.1"),
        ("__tag__:__hostname__", "web-1"),
        ("__tag__:none", None),
        ("__tag__:empty", None),
        ("relay", "relay"),
        ("", None),
    ],
)
def test_host(host: str, sent: str | None) -> None:
    tags = [(b"__hostname__", b"web-1"), (b"empty", b"")]
    (envelope,) = envelopes(groups(group(log(), source=b"10.0.0.1", tags=tags)), Rules("s", host=host))
    assert envelope.get("host") == sent


def test_the_first_rule_for_a_topic_counts() -> None:
    rules = Rules(
        "default",
        index="main",
        topics=(
            TopicRule("audit_log", index="audit", host="h"),
            TopicRule("audit*", source="audits", index=""),
            TopicRule("*", sourcetype="rest"),
        ),
    )
    topics = (b"audit_log", b"audit_more", b"x")
    keys = [
        {key: envelope.get(key) for key in ("host", "source", "sourcetype", "index")}
        for envelope in envelopes(groups(*(group(log(), topic=topic) for topic in topics)), rules)
    ]
    assert keys == [
        {"host": "h", "source": "default", "sourcetype": None, "index": "audit"},
        {"host": None, "source": "audits", "sourcetype": None, "index": None},
        {"host": None, "source": "default", "sourcetype": "rest", "index": "main"},
    ]


@pytest.mark.parametrize(
    ("include", "exclude", "passed"),
    [
        ((), (), {"", "audit", "audit_log", "x"}),
        (("audit*",), (), {"audit", "audit_log"}),
        (("audit",), (), {"audit"}),
        (("",), (), {""}),
        ((), ("audit*", ""), {"x"}),
        (("*",), ("audit",), {"", "audit_log", "x"}),
        (("audit",), ("*",), set()),
    ],
)
def test_filtered_topics_are_counted(
    include: tuple[str, ...], exclude: tuple[str, ...], passed: set[str]
) -> None:
    topics = ("", "audit", "audit_log", "x")
    data = groups(*(group(log(), log(), topic=topic.encode()) for topic in (*topics, *topics)))
    encoded = encode(data, Rules("s", include=include, exclude=exclude))
    assert encoded.events == 4 * len(passed)
    assert encoded.filtered == {topic: 4 for topic in topics if topic not in passed}
    assert encoded.groups == 8


def test_identity_counts_every_group_and_every_log() -> None:
    data = groups(group(), group(log(), log()), group(log(), topic=b"x"), group(log()))
    ids = [
        envelope["fields"]["sls_id"] for envelope in envelopes(data, Rules("s", exclude=("x",)), cursor=100)
    ]
    assert ids == ["3|101|0", "3|101|1", "3|103|0"]
    assert all(
        "fields" not in envelope for envelope in envelopes(data, Rules("s", identity=False), cursor=100)
    )
    assert all("fields" not in envelope for envelope in envelopes(data))


def test_a_setting_that_is_no_text_does_not_stop_events() -> None:
    (envelope,) = envelopes(groups(group(log())), Rules("s\udce9", unfold=(("*", "\ud800"),)))
    assert envelope["source"] == "s���"


def test_an_event_over_the_limit_is_alone() -> None:
    data = groups(group(*(log((b"k", b"x" * size)) for size in (10, 10, 5000, 10, 10))))
    size = len(encode(groups(group(log((b"k", b"x" * 10))))).chunks[0].body)
    assert [chunk.events for chunk in encode(data, max_bytes=2 * size + 1).chunks] == [2, 1, 2]
    assert [chunk.events for chunk in encode(data, max_bytes=2 * size).chunks] == [1, 1, 1, 1, 1]
    assert encode(groups(group())).chunks == []


def test_unfolded_fields_are_json_and_the_rest_is_text() -> None:
    text = b' {"a":[1.50,null],\r\n"b":{"c":"\\u00e9 \\ud83d\\ude00"}}\n'
    data = groups(
        group(
            log((b"event", text), (b"other", text), (b"tail", b"x")), log((b"event", b"{'no'}")), topic=b"t"
        )
    )
    rules = Rules("s", unfold=(("t", "event"), ("u", "other")))
    first, second = (envelope["event"] for envelope in envelopes(data, rules))
    unfolded = (("a", [Number("1.50"), None]), ("b", (("c", "é 😀"),)))
    assert first == {
        "__topic__": "t",
        "__source__": "",
        "event": unfolded,
        "other": text.decode(),
        "tail": "x",
    }
    assert second["event"] == "{'no'}"
    body = encode(data, rules).chunks[0].body
    assert b'{"a":[1.50,null],  "b":{"c":"\\u00e9 \\ud83d\\ude00"}} ' in body


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":"' + b'\\"' * 200_000,
        b'{"a":"' + b'\\"' * 200_000 + b'"}',
        b'["' * 200_000,
        b"[" * 500_000,
        b"[" + b"9" * 500_000 + b"]",
        b"[" + b'"",' * 200_000 + b"]",
        b"\x00" * 300_000,
        b"\xff" * 300_000,
        b"\n" * 300_000,
    ],
    ids=lambda raw: repr(raw[:8]),
)
def test_hostile_values_take_no_more_time_than_others(raw: bytes) -> None:
    check(groups(group(log((b"event", raw)))), Rules("s", unfold=(("*", "event"),)), None, 1 << 20)


def test_more_names_than_are_remembered() -> None:
    logs = [
        log(*((b"name-%d" % (10 * number + of_log), b"v") for of_log in range(10))) for number in range(600)
    ]
    check(groups(group(*logs, *logs)), PLAIN, None, 1 << 16)


@pytest.mark.parametrize("size", [126, 127, 128, 129, 16_383, 16_384, 2_097_152])
def test_lengths_of_one_byte_and_more(size: int) -> None:
    check(
        groups(group(log((b"k" * min(size, 200), b"v" * size), (b"z", b"1"), nanos=1))), PLAIN, None, 1 << 20
    )


class OnlyUsual(EventWriter):
    def _exact(self, *args: Any) -> bytes:
        raise AssertionError("a usual log was not taken for one")


def test_logs_of_the_usual_shape_are_read_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sls_hec_forwarder.wire.encoder.EventWriter", OnlyUsual)
    data = standin_wire.write_log_group_list(Generator(seed=1, large=0.01).groups(logs=2000))
    assert encode(data, cursor=5).events == 2000


@pytest.mark.parametrize("seed", range(3))
def test_audit_logs_of_all_kinds(seed: int) -> None:
    generated = Generator(seed=seed, nasty=0.3, large=0.01, logs_per_group=20).groups(logs=400)
    data = standin_wire.write_log_group_list(generated)
    rules = Rules("s", host="__tag__:__hostname__", unfold=(("actiontrail*", "event"), ("*", "value")))
    check(data, rules, 1 << 60, 1 << 18)


def test_threads_may_share_an_encoder() -> None:
    encoder = Encoder(Rules("s", unfold=(("t", "e"),)))
    pulls = [
        groups(
            *(
                group(*(log((b"a", b"%d" % log_), (b"e", b"[%d]" % pull)) for log_ in range(50)), topic=b"t")
                for _ in range(4)
            )
        )
        for pull in range(4)
    ]

    def run(pull: bytes) -> Encoded:
        return encoder.encode(pull, shard=1, first_cursor=9, max_bytes=4096)

    alone = [run(pull) for pull in pulls]
    together: dict[int, list[Encoded]] = {number: [] for number in range(len(pulls))}
    threads = [
        threading.Thread(
            target=lambda number=number: together[number].extend(run(pulls[number]) for _ in range(5))
        )
        for number in together
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert together == {number: [alone[number]] * 5 for number in together}
