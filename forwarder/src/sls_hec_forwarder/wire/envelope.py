"""Reads one envelope that is already bytes, and changes one of its keys.

Numbers are not parsed: times have more digits than a float can hold, and logs may contain any number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from sls_hec_forwarder.untrusted import TEXTS, check_depth, parse_json

#: Longest envelope (bytes) that is read. No log of SLS is nearly as long.
LONGEST: Final = 32 * 1024 * 1024
_SPACE: Final = re.compile(r"[ \t\n\r]*")


def with_key(envelope: bytes, key: str, value: str) -> bytes:
    """`envelope` with its top-level `key` set to `value`; every other byte stays as it is.

    Raises ValueError when it is not a JSON object, or is nested more deeply than any event.
    """
    text = envelope.decode("utf-8")
    check_depth(text)
    new = json.dumps(value)
    at = _after(text, _skip(text, 0), "{")
    first = at
    while text[at : at + 1] != "}":
        name, at = TEXTS.raw_decode(text, at)
        start = _skip(text, _after(text, _skip(text, at), ":"))
        _, end = TEXTS.raw_decode(text, start)
        if name == key:
            return f"{text[:start]}{new}{text[end:]}".encode()
        at = _skip(text, end)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
    comma = "" if at == first else ","
    return f"{text[:first]}{json.dumps(key)}:{new}{comma}{text[first:]}".encode()


def contents(envelope: bytes) -> Mapping[str, Any]:
    """The members of the envelope, with None for numbers; empty when it is not a JSON object."""
    try:
        found = parse_json(envelope, longest=LONGEST, decoder=TEXTS)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def identity(envelope: bytes) -> str | None:
    """The `sls_id` of the envelope, if it has one."""
    fields = contents(envelope).get("fields")
    found = fields.get("sls_id") if isinstance(fields, dict) else None
    return found if isinstance(found, str) else None


def index_of(envelope: bytes) -> str:
    """The index that the envelope names; empty if it names none (the token's default) or cannot be read."""
    found = contents(envelope).get("index")
    return found if isinstance(found, str) else ""


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _after(text: str, at: int, character: str) -> int:
    """The position of the first non-space after the `character` at `at`. Raises ValueError without it."""
    if text[at : at + 1] != character:
        raise ValueError(f"no {character} at {at}")
    return _skip(text, at + 1)
