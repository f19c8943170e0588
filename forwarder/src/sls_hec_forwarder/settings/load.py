"""Builds `Settings` from variables and secret files, or raises one error that lists all problems."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sls_hec_forwarder.errors import SettingsError
from sls_hec_forwarder.settings.conflicts import conflicts
from sls_hec_forwarder.settings.model import SECTIONS, Kind, Settings, Spec, specs
from sls_hec_forwarder.settings.parse import expected, parse, text_of

PREFIXES = ("SLS_", "HEC_", "RELAY_")
FILE = "_FILE"

#: Longest secret file (characters); STS tokens have a few hundred to a few thousand.
_FILE_CHARACTERS = 64 * 1024
_SHOWN_CHARACTERS = 80


def load(environ: Mapping[str, str], host_name: str | None = None) -> Settings:
    """Settings of one consumer instance from its environment; an empty variable counts as not set.

    Raises `SettingsError` with every problem found: unknown names, missing, wrong and conflicting values. No
    problem shows the value of a secret. The consumer's name follows from `host_name`, by default this
    machine's.
    """
    problems = list(_unknown(environ))
    values: dict[str, Any] = {}
    for name, spec in _specs().items():
        with _noting(name, problems):
            text = _text(spec, environ)
            if text:
                values[name] = _value(spec, text)
            elif spec.required:
                raise _Wrong(f"required{f', or {name}{FILE}' if spec.file else ''}: {spec.help}")
    settings = _settings(values)
    if not settings.sls.consumer:
        name = consumer_name(os.uname().nodename if host_name is None else host_name)
        settings = dataclasses.replace(settings, sls=dataclasses.replace(settings.sls, consumer=name))
    # The default in place of a wrong value would only cause misleading conflicts.
    wrong = {name for name, _ in problems}
    problems += [
        (each.names[0], each.text) for each in conflicts(settings, values) if wrong.isdisjoint(each.names)
    ]
    if problems:
        raise _error(problems)
    return settings


def reload_secrets(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """The same settings, with those from files read again.

    Raises `SettingsError` when a file is missing, empty or wrong; then nothing has changed.
    """
    problems: list[tuple[str, str]] = []
    values = {spec.name: value for spec, value, _ in _values(settings)}
    for name, spec in _specs().items():
        if spec.file and environ.get(name + FILE):
            with _noting(name, problems):
                values[name] = _value(spec, _text(spec, environ))
    if problems:
        raise _error(problems)
    return _settings(values)


def describe(settings: Settings) -> list[tuple[str, str, bool]]:
    """Each setting's name, its value as text, and whether that is the default. Secrets are masked."""
    return [(spec.name, _shown(spec, value), value == default) for spec, value, default in _values(settings)]


def secrets(settings: Settings) -> frozenset[str]:
    """The texts that must never be shown; for a URL, its password."""
    found = set()
    for spec, value, _ in _values(settings):
        if spec.secret and value:
            found.add(_split_password(value)[1] if spec.kind is Kind.PROXY else value)
    return frozenset(found - {""})


def load_one(environ: Mapping[str, str], name: str) -> Any:
    """The value of one setting, even if others are wrong. Raises SettingsError if this one is."""
    field, spec = next(
        (field, spec) for section in SECTIONS.values() for field, spec in specs(section) if spec.name == name
    )
    problems: list[tuple[str, str]] = []
    with _noting(name, problems):
        text = _text(spec, environ)
        return _value(spec, text) if text else field.default
    raise _error(problems)


def known_names() -> dict[str, Spec]:
    """Every variable that may be set, `<name>_FILE` included, in the order of the model."""
    names = {}
    for name, spec in _specs().items():
        names[name] = spec
        if spec.file:
            names[name + FILE] = spec
    return names


def consumer_name(host_name: str) -> str:
    """A consumer name made from a host name: everything but letters, digits and _ becomes -."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", host_name)[:128].strip("-_") or "relay"


class _Wrong(ValueError):
    """What is wrong with one setting, without its name."""


@contextlib.contextmanager
def _noting(name: str, problems: list[tuple[str, str]]) -> Iterator[None]:
    try:
        yield
    except _Wrong as problem:
        problems.append((name, str(problem)))


def _error(problems: list[tuple[str, str]]) -> SettingsError:
    return SettingsError([f"{name}: {text}" for name, text in problems])


def _specs() -> dict[str, Spec]:
    return {spec.name: spec for section in SECTIONS.values() for _, spec in specs(section)}


def _settings(values: Mapping[str, Any]) -> Settings:
    """Settings from values by the names of their variables; the others get their defaults."""
    sections = {}
    for key, section in SECTIONS.items():
        named = {field.name: values[spec.name] for field, spec in specs(section) if spec.name in values}
        sections[key] = section(**named)
    return Settings(**sections)


def _values(settings: Settings) -> Iterator[tuple[Spec, Any, Any]]:
    for key, section in SECTIONS.items():
        for field, spec in specs(section):
            yield spec, getattr(getattr(settings, key), field.name), field.default


def _unknown(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    names = known_names()
    for name in sorted(environ):
        if name.startswith(PREFIXES) and name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
            yield name, f"unknown setting; the nearest is {near[0]}"


def _text(spec: Spec, environ: Mapping[str, str]) -> str:
    """The setting's text from its variable or its file; "" when neither is set."""
    text = environ.get(spec.name, "")
    path = environ.get(spec.name + FILE, "") if spec.file else ""
    if not path:
        return text
    if text:
        raise _Wrong(f"set together with {spec.name}{FILE}; keep one of them")
    if not os.path.isabs(path):
        # systemd passes credentials in a folder that only the service can read: systemd.exec(5).
        folder = environ.get("CREDENTIALS_DIRECTORY", "")
        if not folder:
            raise _Wrong(f"{spec.name}{FILE} is a relative path, but CREDENTIALS_DIRECTORY is not set")
        path = os.path.join(folder, path)
    text = _file(path)
    if not text:
        raise _Wrong(f"{path} is empty")
    return text


def _file(path: str) -> str:
    shown = path.encode("utf-8", "backslashreplace").decode()
    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read(_FILE_CHARACTERS + 1)
    except UnicodeDecodeError:
        raise _Wrong(f"{shown} is not UTF-8 text") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _Wrong(f"cannot read {shown!r}: {getattr(error, 'strerror', None) or error}") from None
    if len(text) > _FILE_CHARACTERS:
        raise _Wrong(f"{shown} is larger than {_FILE_CHARACTERS} characters")
    return text.rstrip("\r\n")


def _value(spec: Spec, text: str) -> Any:
    try:
        return parse(spec, text)
    except ValueError as error:
        reason = f" ({error})" if str(error) else ""
        if spec.secret:
            found = f"{len(text)} characters that are not shown"
        else:
            found = ascii(text) if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]!a}..."
            # A password may have been put into the wrong setting.
            found = re.sub(r"//[^/@]*@", "//***@", found)
        raise _Wrong(f"expected {expected(spec)}; found {found}{reason}") from None


def _shown(spec: Spec, value: Any) -> str:
    if not spec.secret or not value:
        return text_of(spec.kind, value)
    return _split_password(value)[0] if spec.kind is Kind.PROXY else "***"


def _split_password(url: str) -> tuple[str, str]:
    """The URL with its password masked, and the password."""
    found = re.fullmatch(r"(.*?//[^/@]*?:)([^/]*)(@[^/@]*)", url)
    return (f"{found[1]}***{found[3]}", found[2]) if found else (url, "")
