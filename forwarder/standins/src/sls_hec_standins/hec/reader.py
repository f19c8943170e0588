"""Walks HEC bodies: JSON objects one after another, as they were sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from sls_hec_standins.hec.answers import Refusal
from sls_hec_standins.hec.behaviour import Behaviour

_SPACE = re.compile(r"[ \t\n\r]*")
_AFTER_ELEMENT = re.compile(r"[ \t\n\r]*([,\]])[ \t\n\r]*")
_LONG_INTEGER = 1000  # digits
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")


def is_number(text: str) -> bool:
    """Whether `text` is a decimal number."""
    return _NUMBER.fullmatch(text) is not None


class Number(float):
    """A number with a fraction, an exponent or very many digits, and the text that a float would lose."""

    text: str


class Envelope(NamedTuple):
    """One object of a body: its members, decoded, and the UTF-8 bytes it was sent as."""

    members: dict[str, Any]
    raw: bytes


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
                # Nothing after the bad byte is read, so that the error belongs to its object.
                self._broken = True
                self._text = body[: error.start].decode("utf-8")
        self._ascii = self._text.isascii()

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
            start = at
            try:
                members, at = _decode(text, start)
            except (ValueError, RecursionError) as error:
                if self._behaviour.truncated_tail == "drop" and _cut_short(error, end):
                    return
                raise Refusal(6) from error
            if type(members) is not dict:
                raise Refusal(6)
            yield Envelope(members, self._slice(start, at))
            if array:
                found = _AFTER_ELEMENT.match(text, at)
                if found is None:
                    raise Refusal(6)
                at, array = found.end(), found.group(1) == ","
            else:
                at = _skip(text, at)
        if self._broken or array:
            raise Refusal(6)

    def _slice(self, start: int, end: int) -> bytes:
        return self._body[start:end] if self._ascii else self._text[start:end].encode("utf-8")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _number(text: str) -> Number:
    number = Number(text)
    number.text = text
    return number


def _integer(text: str) -> int | Number:
    # Python 3.11 refuses to convert more digits than this, and takes quadratic time.
    return int(text) if len(text) < _LONG_INTEGER else _number(text)


_decode = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=_number, parse_int=_integer
).raw_decode


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _cut_short(error: BaseException, end: int) -> bool:
    return isinstance(error, json.JSONDecodeError) and (error.pos >= end or "Unterminated" in error.msg)
