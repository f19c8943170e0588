"""The text of a variable becomes a value, and a value becomes text again.

`parse` raises ValueError; its message, which may be empty, says what is special about the text beside not
being what `expected` describes, and never quotes it: the caller knows whether it is a secret.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Callable
from urllib.parse import urlsplit

from sls_hec_forwarder.settings.model import Kind, Spec
from sls_hec_forwarder.wire.rules import TopicRule

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_BYTES = re.compile(r"([0-9]{1,15})([KMG]?)", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_SLS_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,126}[a-z0-9])?")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_ENDPOINT = re.compile(r"(?:https?://)?([^/:@?#\s]+)(?::([0-9]{1,5}))?/?", re.IGNORECASE)
_TIME = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)[T ](\d\d?):(\d\d?)(?::(\d\d?))? ?(Z|([+-])(\d\d):?(\d\d))?",
    re.ASCII | re.IGNORECASE,
)
_RULE_KEYS = ("index", "sourcetype", "source", "host")
#: A time beyond this (the year 2100) is milliseconds.
_LATEST = 4_102_444_800


def expected(spec: Spec) -> str:
    """What the variable's text has to be, in words."""
    if spec.kind is Kind.CHOICE:
        return f"{spec.kind.value} {', '.join(spec.choices)}"
    if spec.low is None or spec.high is None:
        return str(spec.kind.value)
    low, high = (_number_text(spec.kind, limit) for limit in (spec.low, spec.high))
    return f"{spec.kind.value}, from {low} to {high}"


def parse(spec: Spec, text: str) -> Any:
    """The value of `text`; raises ValueError."""
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise ValueError("it holds control characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not UTF-8") from None
    if spec.kind is Kind.CHOICE:
        if text not in spec.choices:
            raise ValueError
        return text
    value = _PARSERS[spec.kind](text)
    if spec.low is not None and value < spec.low:
        raise ValueError("it is too small")
    if spec.high is not None and value > spec.high:
        raise ValueError("it is too large")
    return value


def text_of(kind: Kind, value: Any) -> str:
    """The text that `parse` reads as `value`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _number_text(kind, value)
    if kind is Kind.UNFOLD:
        topics: dict[str, list[str]] = {}
        for topic, name in value:
            topics.setdefault(topic, []).append(name)
        return json.dumps(topics, ensure_ascii=False) if topics else ""
    if kind is Kind.TOPIC_RULES:
        rules = {
            rule.topic: {key: getattr(rule, key) for key in _RULE_KEYS if getattr(rule, key) is not None}
            for rule in value
        }
        return json.dumps(rules, ensure_ascii=False) if rules else ""
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)


def _number_text(kind: Kind, value: float) -> str:
    if kind is Kind.BYTES:
        for unit in ("G", "M", "K"):
            if value and value % _UNITS[unit] == 0:
                return f"{int(value) // _UNITS[unit]}{unit}"
    return str(int(value)) if value == int(value) else repr(value)


def _text(text: str) -> str:
    return text


def _secret(text: str) -> str:
    if not all(0x21 <= ord(character) <= 0x7E for character in text):
        raise ValueError
    return text


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def parser(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError
        return text

    return parser


def _flag(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def _integer(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise ValueError
    return int(text)


def _seconds(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError
    return float(text)


def _bytes(text: str) -> int:
    found = _BYTES.fullmatch(text)
    if not found:
        raise ValueError
    return int(found[1]) * _UNITS[found[2].upper()]


def _host(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in bare:
        ipaddress.IPv6Address(bare)
    elif not _HOST_NAME.fullmatch(bare):
        raise ValueError
    return bare


def _port(text: str) -> int:
    port = _integer(text)
    if not 1 <= port <= 65535:
        raise ValueError("a port is from 1 to 65535")
    return port


def _endpoint(text: str) -> str:
    found = _ENDPOINT.fullmatch(text)
    if not found:
        raise ValueError
    _host(found[1])
    if found[2]:
        _port(found[2])
    return text.rstrip("/")


def _url(text: str, schemes: tuple[str, ...] = ("http", "https"), user: bool = False) -> str:
    parts = urlsplit(text)
    if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment:
        raise ValueError
    if "@" in parts.netloc and not user:
        raise ValueError("it must not hold a user or password")
    _host(parts.hostname)
    if parts.port == 0:  # urlsplit checks the rest, when asked
        raise ValueError("a port is from 1 to 65535")
    if any(character.isspace() for character in text):
        raise ValueError
    return text.rstrip("/")


def _proxy(text: str) -> str:
    url = _url(text, schemes=("http",), user=True)
    parts = urlsplit(url)
    if parts.path:
        raise ValueError("it must not hold a path")
    if parts.port is None:
        raise ValueError("it lacks the port")
    return url


def _words(text: str) -> tuple[str, ...]:
    """What stands between commas; white space around it does not count."""
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    if "" in words:
        raise ValueError("nothing stands between two commas")
    return words


def _topics(text: str) -> tuple[str, ...]:
    return tuple(_topic(word) for word in _words(text))


def _topic(pattern: str) -> str:
    if "*" in pattern[:-1]:
        raise ValueError("a * may only stand at the end")
    return pattern


def _urls(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_url(word) for word in _words(text)))


def _path(text: str) -> str:
    if not os.path.isfile(text):
        raise ValueError("there is no such file")
    if not os.access(text, os.R_OK):
        raise ValueError("this user may not read it")
    return text


def _log_path(text: str) -> str:
    folder = os.path.dirname(os.path.abspath(text))
    if not os.path.isdir(folder):
        raise ValueError("there is no such folder")
    if os.path.isdir(text):
        raise ValueError("it is a folder")
    if not os.access(text if os.path.exists(text) else folder, os.W_OK):
        raise ValueError("this user may not write there")
    return text


def _time(text: str) -> str:
    """A time as ISO 8601 in UTC, to the second."""
    if re.fullmatch(r"[0-9]{1,16}", text):
        seconds = int(text)
        if seconds > _LATEST:
            raise ValueError("unix seconds, not milliseconds, are expected")
        moment = datetime.fromtimestamp(seconds, timezone.utc)
    else:
        found = _TIME.fullmatch(text)
        if not found:
            raise ValueError
        year, month, day, hour, minute, second = (int(each or 0) for each in found.groups()[:6])
        naive = datetime(year, month, day, hour, minute, second)
        if found[7] is None:
            shown = naive.isoformat()
            raise ValueError(f"it has no zone: write {shown}Z for UTC, {shown}+08:00 for UTC+8")
        offset = timedelta()
        if found[8]:
            offset = timedelta(hours=int(found[9]), minutes=int(found[10]))
        moment = naive.replace(tzinfo=timezone(-offset if found[8] == "-" else offset))
        if not 0 <= moment.timestamp() <= _LATEST:
            raise ValueError("it is before 1970 or after 2099")
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _start(text: str) -> str:
    return text if text in ("begin", "end") else _time(text)


def _stop(text: str) -> str:
    return text if text == "now" else _time(text)


def _object(text: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a key stands there twice")
        return found

    try:
        parsed = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(parsed, dict) or "" in parsed:
        raise ValueError
    return parsed


def _unfold(text: str) -> tuple[tuple[str, str], ...]:
    pairs: dict[tuple[str, str], None] = {}
    for topic, names in _object(text).items():
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise ValueError("a topic's value is not a list of field names")
        pairs.update(((_topic(topic), name), None) for name in names)
    return tuple(pairs)


def _topic_rules(text: str) -> tuple[TopicRule, ...]:
    rules = []
    for topic, keys in _object(text).items():
        if not isinstance(keys, Mapping) or not set(keys) <= set(_RULE_KEYS):
            raise ValueError(f"a topic's value may only have the keys {', '.join(_RULE_KEYS)}")
        if not all(isinstance(value, str) for value in keys.values()):
            raise ValueError("a topic's index, sourcetype, source and host are texts")
        rules.append(TopicRule(_topic(topic), **keys))
    return tuple(rules)


def _metrics(text: str) -> str:
    if text.startswith("unix:/"):
        # sun_path of Linux holds 108 bytes with the closing zero.
        if len(os.fsencode(text)) - len("unix:") > 107:
            raise ValueError("a socket's path has 107 bytes at most")
        return text
    return text if text == "off" else str(_port(text))


_PARSERS: Mapping[Kind, Callable[[str], Any]] = {
    Kind.TEXT: _text,
    Kind.SECRET: _secret,
    Kind.NAME: _matching(_NAME),
    Kind.SLS_NAME: _matching(_SLS_NAME),
    Kind.FLAG: _flag,
    Kind.INTEGER: _integer,
    Kind.SECONDS: _seconds,
    Kind.BYTES: _bytes,
    Kind.HOST: _host,
    Kind.ENDPOINT: _endpoint,
    Kind.URL: _url,
    Kind.URLS: _urls,
    Kind.PROXY: _proxy,
    Kind.PATH: _path,
    Kind.LOG_PATH: _log_path,
    Kind.START: _start,
    Kind.STOP: _stop,
    Kind.TOPICS: _topics,
    Kind.UNFOLD: _unfold,
    Kind.TOPIC_RULES: _topic_rules,
    Kind.METRICS: _metrics,
}
