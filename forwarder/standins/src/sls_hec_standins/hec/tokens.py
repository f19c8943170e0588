"""Tokens: the identity and the rights of a request."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from sls_hec_standins.hec.answers import Refusal
from sls_hec_standins.hec.behaviour import Behaviour
from sls_hec_standins.http import Request

CONNECTION_HOSTS = ("ip", "proxied_ip", "none")


@dataclass(frozen=True)
class Token:
    """One HEC token and its settings in inputs.conf.

    `indexes` are the allowed ones, empty: all. `connection_host` tells where an event without host gets it
    from: the peer's address, X-Forwarded-For, or the token's `host`. `query_string` allows ?token=.
    """

    value: str = field(repr=False)
    name: str = "default"
    use_ack: bool = False
    disabled: bool = False
    indexes: tuple[str, ...] = ()
    index: str = "main"
    source: str | None = None
    sourcetype: str = "httpevent"
    host: str = "hec-standin"
    connection_host: str = "ip"
    query_string: bool = False

    def __post_init__(self) -> None:
        if not self.value:
            raise ValueError(f"token {self.name!r} has no value")
        if self.connection_host not in CONNECTION_HOSTS:
            raise ValueError(f"connection_host must be one of {', '.join(CONNECTION_HOSTS)}")

    def allows(self, index: str) -> bool:
        return not self.indexes or index in self.indexes

    def host_of(self, request: Request) -> str:
        """The host of an event that names none."""
        if self.connection_host == "none":
            return self.host
        proxied = request.headers.get("x-forwarded-for", "").split(",")[0].strip()
        return proxied if proxied and self.connection_host == "proxied_ip" else request.peer

    def public(self) -> dict[str, Any]:
        """The settings, without the value."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "value"}

    @classmethod
    def from_json(cls, obj: Any) -> Token:
        """From an object with "token" and any of this class's fields. ValueError says what is wrong."""
        if not isinstance(obj, dict):
            raise ValueError("a token is a JSON object")
        given = dict(obj)
        value = given.pop("token", None)
        if not isinstance(value, str) or not value:
            raise ValueError('"token" is missing or not a string')
        return cls(value, **cls.settings(given))

    @classmethod
    def settings(cls, given: dict[str, Any]) -> dict[str, Any]:
        """`given` as arguments of this class. ValueError says what is wrong."""
        checked = dict(given)
        known = {item.name for item in fields(cls)} - {"value"}
        for name, setting in given.items():
            if name not in known:
                raise ValueError(f"unknown token setting {name!r}; known: {', '.join(sorted(known))}")
            if name == "indexes":
                if not isinstance(setting, list) or not all(isinstance(index, str) for index in setting):
                    raise ValueError('"indexes" must be an array of strings')
                checked[name] = tuple(setting)
            elif type(setting) is not (bool if name in _FLAGS else str):
                raise ValueError(f'"{name}" must be {"true or false" if name in _FLAGS else "a string"}')
        return checked

    @classmethod
    def from_text(cls, text: str) -> Token:
        """From `value,use_ack,name=...,index=...,indexes=a|b` and so on, as on the command line."""
        value, *settings = text.split(",")
        obj: dict[str, Any] = {"token": value}
        for setting in settings:
            name, equals, given = setting.partition("=")
            if not equals:
                obj[name] = True
            else:
                obj[name] = given.split("|") if name == "indexes" else given
        return cls.from_json(obj)


_FLAGS = ("use_ack", "disabled", "query_string")


class Tokens:
    """The valid tokens; may be changed at any time."""

    def __init__(self, tokens: Iterable[Token]) -> None:
        self._lock = threading.Lock()
        self._tokens: Mapping[str, Token] = {token.value: token for token in tokens}

    def put(self, token: Token) -> None:
        """Add a token, or replace the one of the same value."""
        with self._lock:
            self._tokens = {**self._tokens, token.value: token}

    def change(self, name: str, **changes: Any) -> None:
        """Change settings of the token of this name, such as `disabled`. ValueError if there is none."""
        with self._lock:
            token = self._named(name)
            self._tokens = {**self._tokens, token.value: replace(token, **Token.settings(changes))}

    def remove(self, name: str) -> None:
        """Remove the token of this name. ValueError if there is none."""
        with self._lock:
            token = self._named(name)
            self._tokens = {value: other for value, other in self._tokens.items() if other is not token}

    def all(self) -> list[Token]:
        return list(self._tokens.values())

    def get(self, value: str) -> Token | None:
        return self._tokens.get(value)

    def _named(self, name: str) -> Token:
        for token in self._tokens.values():
            if token.name == name:
                return token
        raise ValueError(f"no token named {name!r}")


def authorize(request: Request, tokens: Tokens, behaviour: Behaviour) -> Token:
    """The token of a request; `Refusal` with codes 1 to 4 or 16.

    A token in the query string counts before the header, even where it is not allowed (conf spec).
    """
    in_query = "token" in request.query
    value = request.query["token"] if in_query else _from_header(request, behaviour)
    token = tokens.get(value)
    if in_query and not (token is not None and token.query_string):
        raise Refusal(16)
    if token is None:
        raise Refusal(behaviour.unknown_token)
    if token.disabled:
        raise Refusal(1)
    return token


def _from_header(request: Request, behaviour: Behaviour) -> str:
    header = request.headers.get("authorization", "")
    if not header.strip():
        raise Refusal(2)
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            user_and_password = base64.b64decode(value.strip(), validate=True).decode("latin-1")
        except binascii.Error:
            raise Refusal(behaviour.bad_authorization) from None
        return user_and_password.partition(":")[2]
    if not behaviour.strict_scheme:
        scheme, value = scheme.capitalize(), value.strip()
    if scheme != "Splunk" or not value or " " in value:
        raise Refusal(behaviour.bad_authorization)
    return value
