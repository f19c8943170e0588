"""The filtering part of SPL, the query language of a pull: ``* | where <condition>``, once or chained.

A condition is made of ``field = 'text'``, ``!=`` and ``<>``, ``[not] like 'pat%_' [escape 'c']``,
``is [not] null``, ``and``, ``or``, ``not`` and parentheses. Keywords are in any case. Text is in single
quotes and doubles a quote inside (``'it''s'``); a field that is not a plain word is in double quotes, doubled
likewise (``"__tag__:__hostname__"``). Everything else is a `QueryError`, never a guess.

Meaning is that of SQL: a field that a log does not have is null, a comparison with null is neither true nor
false, and only logs for which the condition is true pass. Values compare as text; the times of a log are
numbers in SPL and therefore not among the fields that can be compared here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Callable, NamedTuple, Optional

from . import wire

Fields = Mapping[bytes, bytes]
Condition = Callable[[Fields], Optional[bool]]

_TOKEN = re.compile(
    r"""\s*(?: (?P<text>'(?:[^']|'')*') | (?P<quoted>"(?:[^"]|"")*") | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
        | (?P<sign>!=|<>|[=()|*]) | (?P<end>$) )""",
    re.VERBOSE,
)
_KEYWORDS = {"where", "and", "or", "not", "like", "escape", "is", "null"}
_NUMBERS = {"__time__", "__time_ns_part__"}
_MAX_NESTING = 50


class QueryError(ValueError):
    """The query is not one we can run; the text names the position, counted in characters from 1."""


class Query:
    """A compiled query; see `compile_query`."""

    def __init__(self, text: str, condition: Condition | None) -> None:
        self.text = text
        self._condition = condition

    def apply(self, group: bytes) -> tuple[bytes | None, int, int]:
        """Filter one LogGroup: what is left of it (None if no log is), logs before, logs after."""
        condition = self._condition
        if condition is None:
            lines = wire.count_logs(group)
            return group if lines else None, lines, lines
        head = wire.read_head(group)
        shared = {b"__topic__": head.topic, b"__source__": head.source}
        shared.update((b"__tag__:" + key, value) for key, value in head.tags)
        pieces = []
        lines = dropped = kept_to = 0
        for field, start, stop in wire.iter_log_spans(group):
            lines += 1
            if condition({**shared, **dict(wire.read_log(group, start, stop).contents)}) is not True:
                dropped += 1
                pieces.append(group[kept_to:field])
                kept_to = stop
        if dropped == lines:
            return None, lines, 0
        pieces.append(group[kept_to:])
        return b"".join(pieces), lines, lines - dropped


def compile_query(text: str) -> Query:
    """Compile a query such as ``* | where __topic__ = 'audit'``; raises `QueryError`."""
    return Query(text, _Parser(text).query())


class _Token(NamedTuple):
    kind: str  # text, field, keyword, sign or end
    value: str
    position: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else repr(self.value)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while not tokens or tokens[-1].kind != "end":
        match = _TOKEN.match(text, at)
        if not match:
            at += len(text[at:]) - len(text[at:].lstrip())
            what = "unterminated " if text[at] in "'\"" else "unexpected "
            raise QueryError(f"{what}{text[at]} at position {at + 1}")
        kind = str(match.lastgroup)
        value = match[kind]
        position = match.start(kind) + 1
        if kind == "word":
            kind = "keyword" if value.lower() in _KEYWORDS else "field"
            value = value.lower() if kind == "keyword" else value
        elif kind == "text":
            value = value[1:-1].replace("''", "'")
        elif kind == "quoted":
            kind, value = "field", value[1:-1].replace('""', '"')
        tokens.append(_Token(kind, value, position))
        at = match.end()
    return tokens


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0

    def query(self) -> Condition | None:
        self._expect("sign", "*")
        conditions = []
        while self._accept("sign", "|"):
            self._expect("keyword", "where")
            conditions.append(self._condition())
        self._expect("end", "")
        return _all(conditions) if conditions else None

    def _condition(self) -> Condition:
        conditions = [self._conjunction()]
        while self._accept("keyword", "or"):
            conditions.append(self._conjunction())
        return _any(conditions)

    def _conjunction(self) -> Condition:
        conditions = [self._negation()]
        while self._accept("keyword", "and"):
            conditions.append(self._negation())
        return _all(conditions)

    def _negation(self) -> Condition:
        self._depth += 1
        if self._depth > _MAX_NESTING:
            raise QueryError(f"nested too deeply at position {self._peek().position}")
        if self._accept("keyword", "not"):
            condition = _not(self._negation())
        elif self._accept("sign", "("):
            condition = self._condition()
            self._expect("sign", ")")
        else:
            condition = self._comparison()
        self._depth -= 1
        return condition

    def _comparison(self) -> Condition:
        field = self._expect("field")
        if field.value in _NUMBERS:
            raise QueryError(f"{field} at position {field.position} is a number, only text compares here")
        key = field.value.encode()
        if self._accept("sign", "="):
            return _equals(key, self._expect("text").value.encode())
        if self._accept("sign", "!=") or self._accept("sign", "<>"):
            return _not(_equals(key, self._expect("text").value.encode()))
        if self._accept("keyword", "is"):
            negative = self._accept("keyword", "not")
            self._expect("keyword", "null")
            return _not(_is_null(key)) if negative else _is_null(key)
        negative = self._accept("keyword", "not")
        if not self._accept("keyword", "like"):
            raise self._unexpected("like" if negative else "a comparison")
        condition = _like(key, self._pattern())
        return _not(condition) if negative else condition

    def _pattern(self) -> list[re.Pattern[str]]:
        """Read a LIKE pattern; return what has to match between its percent signs."""
        pattern = self._expect("text")
        escape = ""
        if self._accept("keyword", "escape"):
            token = self._expect("text")
            escape = token.value
            if len(escape) != 1:
                raise QueryError(f"the escape at position {token.position} is not one character")
        parts = [""]
        characters = iter(pattern.value)
        for character in characters:
            if character == escape:
                character = next(characters, "")
                if not character or character not in ("%", "_", escape):
                    raise QueryError(f"dangling escape in the pattern at position {pattern.position}")
                parts[-1] += re.escape(character)
            elif character == "%":
                parts.append("")
            else:
                parts[-1] += "." if character == "_" else re.escape(character)
        parts[-1] += r"\Z"
        return [re.compile(part, re.DOTALL) for part in parts]

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _accept(self, kind: str, value: str) -> bool:
        if self._peek()[:2] != (kind, value):
            return False
        self._next += 1
        return True

    def _expect(self, kind: str, value: str | None = None) -> _Token:
        token = self._peek()
        if token.kind != kind or value not in (None, token.value):
            raise self._unexpected(value or {"text": "'text'", "field": "a field", "end": "the end"}[kind])
        self._next += 1
        return token

    def _unexpected(self, wanted: str) -> QueryError:
        token = self._peek()
        return QueryError(f"expected {wanted}, found {token} at position {token.position}")


def _all(conditions: list[Condition]) -> Condition:
    if len(conditions) == 1:
        return conditions[0]

    def holds(fields: Fields) -> bool | None:
        answers = [condition(fields) for condition in conditions]
        return False if False in answers else None if None in answers else True

    return holds


def _any(conditions: list[Condition]) -> Condition:
    return conditions[0] if len(conditions) == 1 else _not(_all([_not(each) for each in conditions]))


def _not(condition: Condition) -> Condition:
    def holds(fields: Fields) -> bool | None:
        answer = condition(fields)
        return None if answer is None else not answer

    return holds


def _equals(key: bytes, text: bytes) -> Condition:
    def holds(fields: Fields) -> bool | None:
        value = fields.get(key)
        return None if value is None else value == text

    return holds


def _is_null(key: bytes) -> Condition:
    return lambda fields: key not in fields


def _like(key: bytes, parts: list[re.Pattern[str]]) -> Condition:
    def holds(fields: Fields) -> bool | None:
        value = fields.get(key)
        return None if value is None else _matches(parts, value.decode(errors="replace"))

    return holds


def _matches(parts: list[re.Pattern[str]], text: str) -> bool:
    """Match part by part, each at the first place it fits: linear, unlike one pattern with many ``.*``."""
    found = parts[0].match(text)
    for part in parts[1:]:
        found = found and part.search(text, found.end())
    return found is not None
