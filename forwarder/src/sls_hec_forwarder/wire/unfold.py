"""Recognizes field values that are JSON, so that they can be sent as JSON: a strict check.

`json.loads` is not suitable: it accepts NaN, Infinity and lone surrogates, fails at a depth that depends on
the stack, and takes quadratic time for long numbers. This is an automaton of RFC 8259's grammar: one table
look-up per byte, and a stack of open brackets.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable

MAX_DEPTH = 100
"""Most nested objects and arrays. Later readers have limits too, and would refuse a deeper event."""

_REJECT, _COMMA, _OPEN_OBJECT, _OPEN_ARRAY, _CLOSE_OBJECT, _CLOSE_ARRAY = range(-1, -7, -1)
_DIGITS = b"0123456789"
_HEX = b"0123456789abcdefABCDEF"


class _Table:
    """Next state by state and byte, as a flat list: a state is the row index, an action is negative."""

    def __init__(self) -> None:
        self.next: list[int] = []
        self.start, self.value, self.first_value, self.first_key, self.key, self.colon, self.after = (
            self._state() for _ in range(7)
        )
        for state in range(0, len(self.next), 256):
            self._on(state, b" \t\r\n", state)
        for state in (self.start, self.value, self.first_value):
            self._on(state, b"{", _OPEN_OBJECT)
            self._on(state, b"[", _OPEN_ARRAY)
        self._on(self.first_key, b"}", _CLOSE_OBJECT)
        self._on(self.first_value, b"]", _CLOSE_ARRAY)
        self._on(self.colon, b":", self.value)
        self._ends_value(self.after)
        self._strings()
        self._numbers()
        self._words()

    def _state(self) -> int:
        self.next += [_REJECT] * 256
        return len(self.next) - 256

    def _on(self, state: int, characters: Iterable[int], target: int) -> None:
        for character in characters:
            self.next[state + character] = target

    def _on_value(self, characters: Iterable[int], target: int) -> None:
        for character in characters:
            self._on(self.value, (character,), target)
            self._on(self.first_value, (character,), target)

    def _ends_value(self, state: int) -> None:
        self._on(state, b" \t\r\n", self.after)
        self._on(state, b",", _COMMA)
        self._on(state, b"}", _CLOSE_OBJECT)
        self._on(state, b"]", _CLOSE_ARRAY)

    def _strings(self) -> None:
        self._on_value(b'"', self._string(self.after))
        key = self._string(self.colon)
        self._on(self.first_key, b'"', key)
        self._on(self.key, b'"', key)

    def _string(self, after: int) -> int:
        inside, escape = self._state(), self._state()
        self._on(inside, range(0x20, 0x100), inside)
        self._on(inside, b'"', after)
        self._on(inside, b"\\", escape)
        self._on(escape, b'"\\/bfnrt', inside)
        last = self._chain(_HEX, inside)
        last_two = self._chain(_HEX, last)
        last_three = self._chain(_HEX, last_two)
        surrogate = self._chain(b"01234567", last_two)
        low = self._chain(b"\\", self._chain(b"u", self._chain(b"dD", self._chain(b"cdefCDEF", last_two))))
        self._on(surrogate, b"89abAB", self._chain(_HEX, self._chain(_HEX, low)))
        first = self._chain(_HEX, last_three)
        self._on(first, b"dD", surrogate)
        self._on(escape, b"u", first)
        return inside

    def _chain(self, characters: Iterable[int], target: int) -> int:
        state = self._state()
        self._on(state, characters, target)
        return state

    def _numbers(self) -> None:
        zero, integer, fraction, exponent = (self._state() for _ in range(4))
        for state in (zero, integer, fraction, exponent):
            self._ends_value(state)
        for state in (integer, fraction, exponent):
            self._on(state, _DIGITS, state)
        for state in (zero, integer):
            self._on(state, b".", self._chain(_DIGITS, fraction))
        mark = self._chain(_DIGITS, exponent)
        self._on(mark, b"+-", self._chain(_DIGITS, exponent))
        for state in (zero, integer, fraction):
            self._on(state, b"eE", mark)
        minus = self._chain(b"123456789", integer)
        self._on(minus, b"0", zero)
        self._on_value(b"123456789", integer)
        self._on_value(b"0", zero)
        self._on_value(b"-", minus)

    def _words(self) -> None:
        for word in (b"true", b"false", b"null"):
            target = self.after
            for character in reversed(word[1:]):
                target = self._chain((character,), target)
            self._on_value(word[:1], target)


_table = _Table()

# Without a JIT the loop is slow, so `re` first shortens each well-formed string to "", and also the first
# ill-formed one with all that follows it. The result is the same, because the latter leaves a bracket open.
# The pattern reads no byte twice.
_PLAIN = rb'[^"\\\x00-\x1f]*'
_SURROGATES = rb"[dD](?:[0-7][0-9a-fA-F]{2}|[89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
_ESCAPE = rb'\\(?:["\\/bfnrt]|u(?:[0-9a-ce-fA-CE-F][0-9a-fA-F]{3}|' + _SURROGATES + rb"))"
_STRING = re.compile(rb'"' + _PLAIN + rb"(?:" + _ESCAPE + _PLAIN + rb')*(?:"|.*)', re.DOTALL)
_JIT = platform.python_implementation() == "PyPy"


def unfolded(raw: bytes) -> bytes | None:
    """`raw`, ready to be put into an envelope, if it is the JSON text of an object or array; else None.

    Strict: RFC 8259's grammar in valid UTF-8, no lone surrogate escapes, and at most `MAX_DEPTH` deep. Line
    breaks in its white space become spaces, so that an envelope stays on one line.
    """
    if not _is_json(raw if _JIT else _STRING.sub(b'""', raw)):
        return None
    if not raw.isascii():
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            return None
    return raw.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in raw or b"\r" in raw else raw


def _is_json(text: bytes) -> bool:
    table, state = _table.next, _table.start
    in_object: list[bool] = []
    for byte in text:
        state = table[state + byte]
        if state >= 0:
            continue
        if state == _REJECT:
            return False
        if state in (_OPEN_OBJECT, _OPEN_ARRAY):
            if len(in_object) == MAX_DEPTH:
                return False
            in_object.append(state == _OPEN_OBJECT)
            state = _table.first_key if state == _OPEN_OBJECT else _table.first_value
        elif not in_object:
            return False
        elif state == _COMMA:
            state = _table.key if in_object[-1] else _table.value
        elif in_object.pop() != (state == _CLOSE_OBJECT):
            return False
        else:
            state = _table.after
    return state == _table.after and not in_object
