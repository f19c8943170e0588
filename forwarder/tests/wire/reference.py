"""A second, slow opinion of what the encoder shall make of bytes: the SDK's protobuf schema, and `json`.

Shares no code with the encoder. Every string field of the schema is read as bytes, because protobuf in pure
Python refuses a whole message for one string that is not UTF-8, and upb does not.
"""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aliyun.log import log_logs_raw_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal import api_implementation
from google.protobuf.message import DecodeError

from sls_hec_forwarder.wire.rules import Rules

IS_UPB = api_implementation.Type() == "upb"
MAX_DEPTH = 100


def _schema() -> Any:
    file = descriptor_pb2.FileDescriptorProto()
    log_logs_raw_pb2.DESCRIPTOR.CopyToProto(file)
    file.name = "bytes.proto"
    messages = list(file.message_type)
    for message in messages:
        messages += message.nested_type
        for field in message.field:
            if field.type == field.TYPE_STRING:
                field.type = field.TYPE_BYTES
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("LogGroupListRaw"))


_LogGroupList = _schema()


@dataclass(frozen=True)
class Number:
    """A JSON number by its text, so that nothing is lost in comparing."""

    text: str


@dataclass
class Expected:
    """What `Encoder.encode` shall say of a list."""

    envelopes: list[dict[str, Any]]
    filtered: Counter[str]
    groups: int
    repaired: int


def parse(data: bytes) -> Any | None:
    """The list as protobuf reads it, or None if it refuses."""
    message = _LogGroupList()
    try:
        message.ParseFromString(data)
    except DecodeError:
        return None
    return message


def expected(message: Any, rules: Rules, shard: int, first_cursor: int | None) -> Expected:
    """Envelopes, counts and all, of what `parse` returned."""
    result = Expected([], Counter(), len(message.LogGroups), 0)
    for number, group in enumerate(message.LogGroups):
        topic = group.Topic.decode("utf-8", "replace")
        if not _passes(rules, topic):
            result.filtered[topic] += len(group.Logs)
            continue
        shared = {"__topic__": topic, "__source__": group.Source.decode("utf-8", "replace")}
        for tag in group.LogTags:
            shared["__tag__:" + tag.Key.decode("utf-8", "replace")] = tag.Value.decode("utf-8", "replace")
        wire_strings = [group.Topic, group.Source, *_pairs(group.LogTags)]
        unfold = {name for pattern, name in rules.unfold if _matches(pattern, topic)}
        for index, log in enumerate(group.Logs):
            event: dict[str, Any] = dict(shared)
            for content in log.Contents:
                name = content.Key.decode("utf-8", "replace")
                value = read_json(content.Value) if name in unfold else None
                event[name] = content.Value.decode("utf-8", "replace") if value is None else value
            wire_strings += _pairs(log.Contents)
            envelope = _envelope(rules, topic, shared)
            envelope["event"] = event
            if log.HasField("Time"):
                nanoseconds = f".{log.Time_ns:09d}" if 0 < log.Time_ns < 10**9 else ""
                envelope["time"] = Number(f"{log.Time}{nanoseconds}")
            if rules.identity and first_cursor is not None:
                envelope["fields"] = {"sls_id": f"{shard}|{first_cursor + number}|{index}"}
            result.envelopes.append(envelope)
        result.repaired += sum(map(_is_broken, wire_strings))
    result.filtered = +result.filtered
    return result


def _envelope(rules: Rules, topic: str, shared: dict[str, str]) -> dict[str, Any]:
    keys = {"host": rules.host, "source": rules.source, "sourcetype": rules.sourcetype, "index": rules.index}
    for rule in rules.topics:
        if _matches(rule.topic, topic):
            keys.update({key: getattr(rule, key) for key in keys if getattr(rule, key) is not None})
            break
    if keys["host"] == "__source__" or keys["host"].startswith("__tag__:"):
        keys["host"] = shared.get(keys["host"], "")
    return {key: text for key, text in keys.items() if text}


def read_envelope(line: bytes) -> dict[str, Any]:
    """An envelope; AssertionError if it, or its event, has a key twice."""
    envelope = dict(_unique(_load(line.decode("utf-8"))))
    envelope["event"] = dict(_unique(envelope["event"]))
    if "fields" in envelope:
        envelope["fields"] = dict(_unique(envelope["fields"]))
    return envelope


def read_json(raw: bytes) -> Any | None:
    """The object (a tuple of pairs) or array that `raw` is the strict JSON text of, else None."""
    try:
        value = _load(raw.decode("utf-8"))
        for depth, part in _walk(value, 0):
            if depth > MAX_DEPTH:
                return None
            if isinstance(part, str):
                part.encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (tuple, list)) else None


def _load(text: str) -> Any:
    # In pure Python, `json` reads the digits of an escape by int(), which takes "+041" too.
    for digits in re.findall(r"\\(?:u(.{0,4})|.)", text, re.DOTALL):
        if not set(digits) <= set(string.hexdigits):
            raise ValueError(f"{digits!r} are no four hexadecimal digits")
    return json.loads(
        text, object_pairs_hook=tuple, parse_int=_number, parse_float=_number, parse_constant=_refuse
    )


def _number(text: str) -> Number:
    text.encode("ascii")
    return Number(text)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _walk(value: Any, depth: int) -> Iterator[tuple[int, Any]]:
    inside = [(value, depth)]
    while inside:
        part, depth = inside.pop()
        if isinstance(part, tuple):
            inside += [(key, depth) for key, _ in part] + [(item, depth + 1) for _, item in part]
            yield depth + 1, part
        elif isinstance(part, list):
            inside += [(item, depth + 1) for item in part]
            yield depth + 1, part
        else:
            yield depth, part


def _unique(pairs: Any) -> Any:
    assert isinstance(pairs, tuple)
    assert len({name for name, _ in pairs}) == len(pairs)
    return pairs


def _pairs(entries: Any) -> list[bytes]:
    return [text for entry in entries for text in (entry.Key, entry.Value)]


def _is_broken(raw: bytes) -> bool:
    return raw.decode("utf-8", "replace").encode("utf-8") != raw


def _matches(pattern: str, topic: str) -> bool:
    prefix, star, rest = pattern.rpartition("*")
    return topic.startswith(prefix) if star and not rest else topic == pattern


def _passes(rules: Rules, topic: str) -> bool:
    if any(_matches(pattern, topic) for pattern in rules.exclude):
        return False
    return not rules.include or any(_matches(pattern, topic) for pattern in rules.include)
