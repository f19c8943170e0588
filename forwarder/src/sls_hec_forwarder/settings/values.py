"""The parser of each kind of setting; the kinds are in `model`, the table of parsers is in `parse`.

Each function returns the value or raises ValueError. The error's message may add a reason to "expected ...",
or be empty; it never quotes the text, which may be a secret.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sls_hec_forwarder.http.names import host_of
from sls_hec_forwarder.times import iso, parse_moment
from sls_hec_forwarder.wire.rules import TopicRule

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_BYTES = re.compile(r"([0-9]{1,15})([KMG]?)", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_SLS_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,126}[a-z0-9])?")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_ENDPOINT = re.compile(r"(?:https?://)?([^/:@?#\s]+)(?::([0-9]{1,5}))?/?", re.IGNORECASE)
RULE_KEYS = ("index", "sourcetype", "source", "host")


def plain(text: str) -> str:
    return text


def secret(text: str) -> str:
    if not all(0x21 <= ord(character) <= 0x7E for character in text):
        raise ValueError
    return text


def name(text: str) -> str:
    return _matching(_NAME, text)


def sls_name(text: str) -> str:
    return _matching(_SLS_NAME, text)


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError
    return text


def flag(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def integer(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise ValueError
    return int(text)


def seconds(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError
    return float(text)


def size(text: str) -> int:
    found = _BYTES.fullmatch(text)
    if not found:
        raise ValueError
    return int(found[1]) * UNITS[found[2].upper()]


def host(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not (_is_ipv6(bare) if ":" in bare else _HOST_NAME.fullmatch(bare)):
        raise ValueError
    return bare


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _port(text: str) -> int:
    port = integer(text)
    if not 1 <= port <= 65535:
        raise ValueError("a port is a number from 1 to 65535")
    return port


def endpoint(text: str) -> str:
    found = _ENDPOINT.fullmatch(text)
    if not found:
        raise ValueError
    host(found[1])
    if found[2]:
        _port(found[2])
    # The signature covers the host name, and SLS expects it without the final dot of an absolute name.
    whole, end = text.rstrip("/"), found.end(1)
    return whole[: end - 1] + whole[end:] if found[1].endswith(".") else whole


def url(text: str, schemes: tuple[str, ...] = ("http", "https"), user: bool = False) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # its message may quote a password
        raise ValueError from None
    if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment:
        raise ValueError
    if "@" in parts.netloc and not user:
        raise ValueError("it must not contain a user or password")
    host(host_of(text))
    if port == 0 or any(character.isspace() for character in text):
        raise ValueError
    return text.rstrip("/")


def proxy(text: str) -> str:
    found = url(text, schemes=("http",), user=True)
    parts = urlsplit(found)
    if parts.path:
        raise ValueError("it must not contain a path")
    if parts.port is None:
        raise ValueError("it has no port")
    return found


def _words(text: str) -> tuple[str, ...]:
    """The words between commas, without white space around them."""
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    if "" in words:
        raise ValueError("there is nothing between two commas")
    return words


def topics(text: str) -> tuple[str, ...]:
    return tuple(_topic(word) for word in _words(text))


def _topic(pattern: str) -> str:
    if "*" in pattern[:-1]:
        raise ValueError("a * is only allowed at the end")
    return pattern


def urls(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(url(word) for word in _words(text)))


def path(text: str) -> str:
    if not os.path.isfile(text):
        raise ValueError("the file does not exist")
    if not os.access(text, os.R_OK):
        raise ValueError("this user is not allowed to read it")
    return text


def log_path(text: str) -> str:
    folder = os.path.dirname(os.path.abspath(text))
    if not os.path.isdir(folder):
        raise ValueError("the folder does not exist")
    if os.path.isdir(text):
        raise ValueError("it is a folder")
    if not os.access(text if os.path.exists(text) else folder, os.W_OK):
        raise ValueError("this user is not allowed to write there")
    return text


def folder(text: str) -> str:
    found = os.path.abspath(text)
    while not os.path.exists(found):
        found = os.path.dirname(found)
    if not os.path.isdir(found):
        raise ValueError(f"{found} is not a folder")
    if not os.access(found, os.W_OK | os.X_OK):
        raise ValueError(f"this user is not allowed to write to {found}")
    return text


def start(text: str) -> str:
    return text if text in ("begin", "end") else iso(parse_moment(text))


def stop(text: str) -> str:
    return text if text == "now" else iso(parse_moment(text))


def _object(text: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a key occurs twice")
        return found

    try:
        parsed = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        # Without error.msg: on PyPy 7.3.11 it may contain a lone surrogate, which makes formatting fail.
        raise ValueError(f"it is not valid JSON from character {error.pos + 1} on") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(parsed, dict) or "" in parsed:
        raise ValueError
    return parsed


def unfold(text: str) -> tuple[tuple[str, str], ...]:
    pairs: dict[tuple[str, str], None] = {}
    for topic, names in _object(text).items():
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise ValueError("a topic's value is not a list of field names")
        pairs.update(((_topic(topic), name), None) for name in names)
    return tuple(pairs)


def topic_rules(text: str) -> tuple[TopicRule, ...]:
    rules = []
    for topic, keys in _object(text).items():
        if not isinstance(keys, Mapping) or not set(keys) <= set(RULE_KEYS):
            raise ValueError(f"a topic's value may only have the keys {', '.join(RULE_KEYS)}")
        if not all(isinstance(value, str) for value in keys.values()):
            raise ValueError("a topic's index, sourcetype, source and host must be strings")
        rules.append(TopicRule(_topic(topic), **keys))
    return tuple(rules)


def metrics(text: str) -> str:
    if text.startswith("unix:/"):
        # Linux's sun_path has 108 bytes, including the final zero byte.
        if len(os.fsencode(text)) - len("unix:") > 107:
            raise ValueError("a socket's path has at most 107 bytes")
        return text
    return text if text == "off" else str(_port(text))
