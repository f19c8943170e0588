"""Behaviours on which the public sources disagree or are silent, each one a switch.

The table in docs/standins-sls.md says where each value comes from; defaults are the best supported ones.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_CHOICES = "choices"


def _choice(default: Any, *others: Any) -> Any:
    return dataclasses.field(default=default, metadata={_CHOICES: (default, *others)})


@dataclass(frozen=True)
class Switches:
    """Immutable; `replace` makes a changed copy. ValueError for a value that is not allowed."""

    # Cursors.
    expired_cursor: str = _choice("InvalidCursor", "ParameterInvalid", "oldest")
    malformed_cursor: str = _choice("ParameterInvalid", "InvalidCursor")
    cursor_time_of_end: str = _choice("now", "last")

    # Pulls. The size of an answer is bounded by raw bytes; at least one log group is returned.
    pull_bytes: int = 10 * 1024 * 1024
    shard_not_exist_status: int = _choice(400, 404)

    # Read quota of a shard; 0 is unlimited.
    read_bytes_per_second: int = 0
    reads_per_second: int = 0
    read_quota_counts: str = _choice("raw", "compressed")

    # Writes.
    put_max_bytes: int = 30 * 1024 * 1024
    put_max_logs: int = 512_000
    put_too_large_status: int = _choice(400, 413)
    put_time_window: str = _choice("PostBodyInvalid", "InvalidTimestamp", "off")
    put_invalid_utf8: str = _choice("accept", "InvalidEncoding")

    # Consumer groups.
    group_quota: int = 30
    group_quota_status: int = _choice(400, 403)
    group_name_scope: str = _choice("logstore", "project")
    consumer_not_exist_code: str = _choice("ConsumerNotExist", "ConsumerNotExsit")
    consumer_not_match_status: int = _choice(404, 400)
    checkpoint_consumer: str = _choice("holder", "writer")
    over_on_heartbeat: bool = _choice(True, False)

    # Authentication.
    unknown_key_code: str = _choice("Unauthorized", "InvalidAccessKeyId")
    token_expired_code: str = _choice("Unauthorized", "SecurityTokenExpired", "SecurityToken.Expired")
    skew_code: str = _choice("RequestTimeTooSkewed", "RequestTimeExpired")
    v4_region: str = _choice("any", "own")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            choices = field.metadata.get(_CHOICES)
            if choices is None:
                if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                    raise ValueError(f"switch {field.name} is a number >= 0, not {value!r}")
            elif value not in choices or isinstance(value, bool) != isinstance(choices[0], bool):
                allowed = ", ".join(str(choice) for choice in choices)
                raise ValueError(f"switch {field.name} is one of {allowed}, not {value!r}")

    def replace(self, changes: Mapping[str, Any]) -> Switches:
        """A copy with the named switches changed; ValueError for an unknown name or a wrong value."""
        for name in changes:
            if name not in NAMES:
                raise ValueError(f"unknown switch {name!r}; known: {', '.join(NAMES)}")
        return dataclasses.replace(self, **changes)

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


NAMES = tuple(field.name for field in dataclasses.fields(Switches))


def parse(text: str) -> tuple[str, Any]:
    """NAME=VALUE as on a command line; ValueError if it is not that."""
    name, equals, value = text.partition("=")
    if not equals or name not in NAMES:
        raise ValueError(f"{text!r} is not NAME=VALUE with a known switch: {', '.join(NAMES)}")
    kind = typing.get_type_hints(Switches)[name]
    if kind is bool:
        if value not in ("true", "false"):
            raise ValueError(f"switch {name} is true or false, not {value!r}")
        return name, value == "true"
    if kind is int:
        if not value.isdecimal():
            raise ValueError(f"switch {name} is a number >= 0, not {value!r}")
        return name, int(value)
    return name, value


def show(value: Any) -> str:
    """A value as `parse` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def choices(name: str) -> tuple[Any, ...]:
    """The values a switch can have, the default first; empty for a free number."""
    field = next(field for field in dataclasses.fields(Switches) if field.name == name)
    return tuple(field.metadata.get(_CHOICES, ()))
