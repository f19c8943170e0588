"""Walks HEC bodies: JSON objects one after another, keeping the bytes their values were sent as."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from sls_hec_standins.hec.answers import Refusal
from sls_hec_standins.hec.behaviour import Behaviour

_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"

_SPACE = re.compile(r"[ \t\n\r]*")
_COLON = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
_KEY = re.compile(r'"(event|time|host|source|sourcetype|index|fields)"[ \t\n\r]*:[ \t\n\r]*')
_AFTER_MEMBER = re.compile(r"[ \t\n\r]*([,}])[ \t\n\r]*")
_AFTER_ELEMENT = re.compile(r"[ \t\n\r]*([,\]])[ \t\n\r]*")
# A whole member as senders usually write them, and what follows it.
_SIMPLE = re.compile(
    r'"(?:(time)"[ \t\n\r]*:[ \t\n\r]*(' + _NUMBER + ")"
    r'|(host|source|sourcetype|index)"[ \t\n\r]*:[ \t\n\r]*"([^"\\\x00-\x1f]*)")'
    r"[ \t\n\r]*([,}])[ \t\n\r]*"
)
_IS_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")


def is_number(text: str) -> bool:
    """Whether `text` is a decimal number."""
    return _IS_NUMBER.fullmatch(text) is not None


class Envelope(NamedTuple):
    """One object of a body: its members, decoded, and its size in bytes.

    A time that was sent as a number is the text of that number. `event` is the value of that member as it
    was sent, in UTF-8.
    """

    members: dict[str, Any]
    event: bytes
    size: int


class Reader:
    """Gives the objects of a body. What is not JSON raises `Refusal` with code 6."""

    def __init__(self, body: bytes, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._body = body
        self._broken = False
        try:
            self._text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            if behaviour.invalid_utf8 == "replace":
                self._text = body.decode("utf-8", "replace")
            else:
                # What follows the bad byte is not looked at, so that the error is that of its object.
                self._broken = True
                self._text = body[: error.start].decode("utf-8")
        self._ascii = self._text.isascii()
        self._decode = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode

    def __iter__(self) -> Iterator[Envelope]:
        text, end = self._text, len(self._text)
        at = _skip(text, 0)
        array = text.startswith("[", at)
        if array:
            if self._behaviour.arrays == "refuse":
                raise Refusal(6)
            at = _skip(text, at + 1)
            if text.startswith("]", at):
                at, array = _skip(text, at + 1), False
        while at < end:
            try:
                envelope, at = self._object(at)
            except (ValueError, RecursionError) as error:
                if self._behaviour.truncated_tail == "drop" and _cut_short(error, end):
                    return
                raise Refusal(6) from error
            yield envelope
            if array:
                found = _AFTER_ELEMENT.match(text, at)
                if found is None:
                    raise Refusal(6)
                at, array = found.end(), found.group(1) == ","
            else:
                at = _skip(text, at)
        if self._broken or array:
            raise Refusal(6)

    def _object(self, start: int) -> tuple[Envelope, int]:
        text = self._text
        if not text.startswith("{", start):
            raise json.JSONDecodeError("no object", text, start)
        members: dict[str, Any] = {}
        event = b""
        at = _skip(text, start + 1)
        if text.startswith("}", at):
            return Envelope(members, event, 2), at + 1
        while True:
            simple = _SIMPLE.match(text, at)
            if simple is not None:
                time, number, name, value, following = simple.groups()
                members[time or name] = number if time else value
                at, end = simple.end(), simple.end(5)
            else:
                key, at = self._key(at)
                value, end = self._decode(text, at)
                if key == "event":
                    event = self._slice(at, end)
                elif key == "time" and type(value) in (int, float):
                    value = text[at:end]
                members[key] = value
                found = _AFTER_MEMBER.match(text, end)
                if found is None:
                    raise json.JSONDecodeError("neither comma nor brace", text, _skip(text, end))
                following, at, end = found.group(1), found.end(), found.end(1)
            if following == "}":
                size = end - start if self._ascii else len(self._slice(start, end))
                return Envelope(members, event, size), end

    def _key(self, at: int) -> tuple[str, int]:
        text = self._text
        known = _KEY.match(text, at)
        if known is not None:
            return known.group(1), known.end()
        if not text.startswith('"', at):
            raise json.JSONDecodeError("no key", text, at)
        key, end = self._decode(text, at)
        colon = _COLON.match(text, end)
        if colon is None:
            raise json.JSONDecodeError("no colon", text, _skip(text, end))
        return key, colon.end()

    def _slice(self, start: int, end: int) -> bytes:
        return self._body[start:end] if self._ascii else self._text[start:end].encode("utf-8")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _cut_short(error: BaseException, end: int) -> bool:
    return isinstance(error, json.JSONDecodeError) and (error.pos >= end or "Unterminated" in error.msg)
