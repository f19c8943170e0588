"""Changing one key of an envelope that is already bytes."""

from __future__ import annotations

import json
import re
from typing import Final

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_DECODER: Final = json.JSONDecoder()


def with_key(envelope: bytes, key: str, value: str) -> bytes:
    """`envelope` with its top-level `key` set to `value`; every other byte stays as it is.

    Parsing and printing it again would not do: times have more digits than a float. Raises ValueError when
    it is no JSON object, RecursionError when it is nested deeper than the interpreter can follow.
    """
    text = envelope.decode("utf-8")
    new = json.dumps(value)
    at = _after(text, _skip(text, 0), "{")
    first = at
    while text[at : at + 1] != "}":
        name, at = _DECODER.raw_decode(text, at)
        start = _skip(text, _after(text, _skip(text, at), ":"))
        _, end = _DECODER.raw_decode(text, start)
        if name == key:
            return f"{text[:start]}{new}{text[end:]}".encode()
        at = _skip(text, end)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
    comma = "" if at == first else ","
    return f"{text[:first]}{json.dumps(key)}:{new}{comma}{text[first:]}".encode()


def identity(envelope: bytes) -> str | None:
    """Its `sls_id`, if it has one."""
    try:
        found = json.loads(envelope)["fields"]["sls_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def index_of(envelope: bytes) -> str:
    """The index that it names; empty where that is the token's own, or cannot be told."""
    try:
        found = json.loads(envelope).get("index")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _after(text: str, at: int, character: str) -> int:
    """The next place that is no space, behind `character`."""
    if text[at : at + 1] != character:
        raise ValueError(f"no {character} at {at}")
    return _skip(text, at + 1)
