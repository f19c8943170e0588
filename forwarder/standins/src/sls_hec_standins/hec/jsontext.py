"""JSON texts compared exactly, however deep: numbers by their digits, types apart, keys in any order.

Python's own values will not do: to it 1 is True and 0.1 is 0.1000000000000000000001, and it gives up at a
depth that hangs on the stack. Here a value becomes a `Node`, a short byte string that is equal for equal
values: scalars stand for themselves, objects and arrays are digests over the nodes in them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b

Node = bytes

_PLAIN = r'[^"\\\x00-\x1f]*'
_STRING = rf'"{_PLAIN}(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{{4}}){_PLAIN})*"'
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_SPACE = r"[ \t\n\r]*"
# The name of a member, and its value where that is a string, as most are.
_MEMBER = re.compile(rf"({_STRING}){_SPACE}:{_SPACE}(?:({_STRING}){_SPACE})?")
_SCALAR = re.compile(rf"({_STRING}|{_NUMBER}|true|false|null){_SPACE}")
_BLANK = re.compile(_SPACE)
_SURROGATE = re.compile("[\ud800-\udfff]")


class JsonError(ValueError):
    """The text is no JSON, or not what was asked for."""


def node(text: str, *, max_depth: int | None = None) -> Node:
    """The node of a JSON text. `JsonError` if it is none.

    With `max_depth` it may hold no more objects and arrays within each other, and no lone surrogates.
    """
    found, end = _read(text, _skip(text, 0), max_depth)
    if end != len(text):
        raise JsonError(f"no JSON from character {end} on")
    return found


def string_node(text: str) -> Node:
    """The node of a JSON string that means `text`."""
    return b'"' + text.encode("utf-8", "surrogatepass")


def object_node(members: Iterable[tuple[str, Node]]) -> Node:
    """The node of an object of these members. Of a name that is there twice, both count, in their order."""
    parts: list[Node] = []
    for name, value in sorted(members, key=_name_of):
        parts += (string_node(name), value)
    return _digest(b"{", parts)


def members(text: str) -> Iterator[tuple[str, str, Node]]:
    """Name, text and node of each value in the JSON object `text`."""
    at = _skip(text, _skip(text, 0) + 1)
    while not text.startswith("}", at):
        found = _MEMBER.match(text, at)
        if found is None:
            raise JsonError(f"no JSON from character {at} on")
        start = found.end() if found[2] is None else found.start(2)
        value, end = _read(text, start, None)
        yield _decoded(found[1]), text[start:end].rstrip(" \t\n\r"), value
        at = _next(text, end)


def scalars(text: str) -> list[str]:
    """The scalar `text` is, or those in the array it is: strings decoded, anything else as it is written."""
    if not text.startswith("["):
        return [_shown(text)]
    found = []
    at = _skip(text, 1)
    while not text.startswith("]", at):
        _, end = _read(text, at, None)
        found.append(_shown(text[at:end].rstrip(" \t\n\r")))
        at = _next(text, end)
    return found


class _Open:
    """An object or array that is being read: its members or items so far."""

    __slots__ = ("closing", "items", "name", "pairs")

    def __init__(self, opening: str) -> None:
        self.closing = "}" if opening == "{" else "]"
        self.items: list[Node] = []
        self.pairs: list[tuple[str, Node]] = []
        self.name = ""  # of the member whose value comes next

    def add(self, value: Node) -> None:
        if self.closing == "}":
            self.pairs.append((self.name, value))
        else:
            self.items.append(value)

    def node(self) -> Node:
        return object_node(self.pairs) if self.closing == "}" else _digest(b"[", self.items)


def _read(text: str, at: int, max_depth: int | None) -> tuple[Node, int]:
    """The node of the value that begins at `at`, and where the space behind it ends."""
    stack: list[_Open] = []
    value: Node | None = None
    strict = max_depth is not None
    while True:
        if value is None:
            opening = text[at : at + 1]
            if opening not in ("{", "["):
                value, at = _scalar(text, at, strict)
            elif len(stack) == max_depth:
                raise JsonError(f"nested deeper than {max_depth}")
            else:
                stack.append(_Open(opening))
                at = _skip(text, at + 1)
                if text.startswith(stack[-1].closing, at):
                    value, at = stack.pop().node(), _skip(text, at + 1)
                else:
                    value, at = _begin(text, at, stack[-1], strict)
                    continue
        # A value is complete, and with it all that ends here.
        while stack:
            inner = stack[-1]
            inner.add(value)
            if text.startswith(inner.closing, at):
                value, at = stack.pop().node(), _skip(text, at + 1)
            elif text.startswith(",", at):
                value, at = _begin(text, _skip(text, at + 1), inner, strict)
                break
            else:
                raise JsonError(f"no JSON from character {at} on")
        else:
            return value, at


def _begin(text: str, at: int, inner: _Open, strict: bool) -> tuple[Node | None, int]:
    """Read a member's name, and its value if that is a string. An array's item has no name."""
    if inner.closing == "]":
        return None, at
    found = _MEMBER.match(text, at)
    if found is None:
        raise JsonError(f"no JSON from character {at} on")
    inner.name = _decoded(found[1], strict)
    return None if found[2] is None else string_node(_decoded(found[2], strict)), found.end()


def _scalar(text: str, at: int, strict: bool) -> tuple[Node, int]:
    found = _SCALAR.match(text, at)
    if found is None:
        raise JsonError(f"no JSON from character {at} on")
    token = found[1]
    if token[0] == '"':
        return string_node(_decoded(token, strict)), found.end()
    return token.encode("ascii"), found.end()


def _decoded(token: str, strict: bool = False) -> str:
    if "\\" not in token:
        return token[1:-1]
    text: str = json.loads(token)
    if strict and _SURROGATE.search(text):
        raise JsonError("a lone surrogate")
    return text


def _shown(text: str) -> str:
    return _decoded(text) if text.startswith('"') else text


def _skip(text: str, at: int) -> int:
    if text[at : at + 1] not in (" ", "\t", "\n", "\r"):
        return at
    found = _BLANK.match(text, at)
    assert found is not None
    return found.end()


def _next(text: str, at: int) -> int:
    return _skip(text, at + 1) if text.startswith(",", at) else at


def _name_of(member: tuple[str, Node]) -> str:
    return member[0]


def _digest(kind: bytes, parts: list[Node]) -> Node:
    sized = b"".join([b"%d:%b" % (len(part), part) for part in parts])
    return kind + blake2b(sized, digest_size=16).digest()
