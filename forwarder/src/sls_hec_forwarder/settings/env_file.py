"""Reads a file of variables as systemd reads an `EnvironmentFile`, see systemd.exec(5).

Quotes may be single, or double with `\\`, `"`, `$` and `` ` `` escaped; `#` and `;` begin a comment line; a
backslash at the end of a line continues it; nothing is expanded. Where systemd ignores lines that it does not
understand, this raises SettingsError.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sls_hec_forwarder.errors import SettingsError
from sls_hec_forwarder.settings.load import PREFIXES

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPED_IN_QUOTES = '"\\`$'
_BLANK = " \t"


def environment(environ: Mapping[str, str], paths: Iterable[str]) -> dict[str, str]:
    """The variables of `environ`, with the settings taken from the files instead; the last file wins.

    Without files, `environ` is returned unchanged. Raises SettingsError.
    """
    paths = list(paths)
    if not paths:
        return dict(environ)
    # A variable left in the shell must not mix with what the service would see.
    merged = {name: value for name, value in environ.items() if not name.startswith(PREFIXES)}
    problems: list[str] = []
    for path in paths:
        merged.update(_read(path, problems))
    if problems:
        raise SettingsError(problems)
    return merged


def _read(path: str, problems: list[str]) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8") as file:
            return parse(file.read(), path)
    except SettingsError as error:
        problems += error.problems
    except UnicodeDecodeError:
        problems.append(f"{path}: not UTF-8 text")
    except OSError as error:
        problems.append(f"cannot read {path}: {error.strerror}")
    return {}


def parse(text: str, path: str = "environment file") -> dict[str, str]:
    """The variables in `text`. Raises SettingsError with the numbers of all wrong lines."""
    reader = _Reader(text, path)
    found = {}
    while reader.more():
        pair = reader.assignment()
        if pair is not None:
            found[pair[0]] = pair[1]
    if reader.problems:
        raise SettingsError(reader.problems)
    return found


class _Reader:
    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._at = 0
        self.problems: list[str] = []

    def more(self) -> bool:
        """Skip white space; returns whether anything follows."""
        while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
            self._at += 1
        return self._at < len(self._text)

    def assignment(self) -> tuple[str, str] | None:
        """The assignment that begins here; None for a comment or a wrong line."""
        if self._text[self._at] in "#;":
            self._line()
            return None
        start = self._at
        line = self._line()
        name, equals, _ = line.partition("=")
        name = name.rstrip(_BLANK)
        if not equals or not _NAME.fullmatch(name):
            self._problem(start, "expected NAME=value")
            return None
        self._at = start + line.index("=") + 1
        value = self._value()
        if value is None:
            self._problem(start, f"the quote in {name} is not closed")
            return None
        return name, value

    def _line(self) -> str:
        """The rest of the line; parsing continues after it."""
        end = self._text.find("\n", self._at)
        end = len(self._text) if end < 0 else end
        line = self._text[self._at : end]
        self._at = end
        return line

    def _problem(self, at: int, what: str) -> None:
        number = self._text.count("\n", 0, at) + 1
        self.problems.append(f"{self._path}, line {number}: {what}")

    def _next(self) -> str:
        """The next character; "" at the end."""
        character = self._text[self._at : self._at + 1]
        self._at += 1
        return character

    def _value(self) -> str | None:
        """The value up to the end of the line; None if a quote is not closed.

        Text after a closing quote is appended, without the white space in between.
        """
        parts: list[str] = []
        while True:
            character = self._next()
            if character in ("", "\n"):
                return "".join(parts)
            if character in _BLANK or character == "\r":
                continue
            if character in "\"'":
                quoted = self._quoted(character)
                if quoted is None:
                    return None
                parts.append(quoted)
            else:
                self._at -= 1
                parts.append(self._bare())
                return "".join(parts)

    def _bare(self) -> str:
        """The value up to the end of the line; a quote inside it is an ordinary character."""
        parts: list[str] = []
        kept = 0  # length without trailing white space
        while True:
            character = self._next()
            if character in ("", "\n"):
                return "".join(parts[:kept])
            if character == "\\":
                character = self._next()
                if character in ("", "\n"):
                    continue
                parts.append(character)
                kept = len(parts)
                continue
            parts.append(character)
            if character not in " \t\r":
                kept = len(parts)

    def _quoted(self, quote: str) -> str | None:
        parts: list[str] = []
        while True:
            character = self._next()
            if not character:
                return None
            if character == quote:
                return "".join(parts)
            if character == "\\" and quote == '"':
                character = self._next()
                if character == "\n":
                    continue
                if character not in _ESCAPED_IN_QUOTES:
                    parts.append("\\")
            parts.append(character)
