"""Switches: which behaviour is simulated where receivers differ or sources disagree.

Each switch names the sources of its values. "Splunk 10.4.3" and "Splunk Cloud 10.5" are the probes of real
Splunk in the public repository ross/logit, "Splunk 10.4.2" those of mockdr/mockdr, "local Splunk" those of
fear-ai/hecpoc; "conf spec" is Splunk's own text (jewnix/splunk-spec-files); vector, the OpenTelemetry
collector, Fluent Bit and open-splunk (Suhaibinator/open-splunk) are other receivers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any


def _switch(default: Any, choices: tuple[Any, ...] | type, doc: str) -> Any:
    return field(default=default, metadata={"choices": choices, "doc": doc})


@dataclass(frozen=True)
class Behaviour:
    """How this HEC behaves where there is a choice. Sizes in bytes, times in seconds."""

    atomic: bool = _switch(
        False,
        bool,
        "an error stores nothing of the batch (mockdr, open-splunk); off: objects before the bad one are "
        "indexed (Splunk 10.4.3, Splunk Cloud 10.5)",
    )
    max_content_length: int = _switch(
        838_860_800,
        int,
        "413 above it (conf spec since 7.0.5; 1,000,000 before)",
    )
    max_body: int = _switch(
        0,
        int,
        "uncompressed body above it: 400 code 6 number 0; 0: no such cap (Splunk Cloud 10.5: about 5 MiB)",
    )
    max_event_size: int = _switch(5_242_880, int, "one event above it is a parsing error (conf spec: 5 MB)")
    oversized_event: str = _switch(
        "refuse",
        ("refuse", "skip"),
        "refuse: code 6 and the rest is not indexed; skip: only that event is left out. The conf spec says "
        "'disregards' and 'parsing error', nobody published the answer",
    )
    gzip_limit: str = _switch(
        "expanded",
        ("expanded", "wire"),
        "what max_content_length is compared with for gzip bodies: expanded (open-splunk, hecpoc) or wire; "
        "not verified for Splunk",
    )
    gzip_members: str = _switch(
        "all",
        ("all", "one"),
        "bodies of several gzip members: all are read, or one: refused with code 6 (open-splunk); not "
        "verified for Splunk",
    )
    bad_gzip: str = _switch(
        "html",
        ("html", "json"),
        "gzip announced but not sent: html: 400 with a page (local Splunk); json: 400 code 6 (logit's own "
        "receiver)",
    )
    arrays: str = _switch(
        "batch",
        ("batch", "refuse"),
        "a top-level array: batch of its elements (Splunk 10.4.2, local Splunk) or refuse: code 6 number 0 "
        "(open-splunk, an old Splunk)",
    )
    empty_container: str = _switch(
        "blank",
        ("blank", "accept"),
        "event {} or []: blank: code 13 (Splunk 10.4.2); accept (open-splunk)",
    )
    null_event: int = _switch(
        13, (13, 6, 12), "code for event null: 13 (Splunk 10.4.3), 6 (Splunk 9.0.5), 12 (vector)"
    )
    bad_time: int = _switch(15, (15, 6), "code for a time that is no number: 15 (Splunk 10.4.2), 6 (vector)")
    invalid_utf8: str = _switch(
        "refuse",
        ("refuse", "replace"),
        "refuse: code 6 (fluentd's Splunk plugin reports HEC errors on it); replace: U+FFFD (vector)",
    )
    truncated_tail: str = _switch(
        "refuse",
        ("refuse", "drop"),
        "a last object cut short: refuse: code 6 (Splunk 10.4.3); drop: 200, lost silently (Fluent Bit)",
    )
    bad_authorization: int = _switch(
        3, (3, 2), "code for a malformed Authorization: 3 (local Splunk), 2 (mockdr)"
    )
    unknown_token: int = _switch(
        4, (4, 3), "code for an unknown token: 4 with 403 (local Splunk), 3 with 401 (vector)"
    )
    strict_scheme: bool = _switch(
        False,
        bool,
        "only exactly 'Splunk <token>' is an authorization (open-splunk); off: any case and spacing "
        "(Fluent Bit); not verified for Splunk",
    )
    missing_channel: int = _switch(
        10, (10, 28), "code for a missing channel: 10 (Splunk 10.4.3), 28 (Splunk Cloud 10.5)"
    )
    raw_channel: bool = _switch(
        False,
        bool,
        "the raw endpoint always needs a channel (documentation, vector, open-splunk); off: only for useACK "
        "tokens (Splunk 10.4.3, Splunk Cloud 10.5)",
    )
    ack_forgets: bool = _switch(
        True, bool, "an id answered true is forgotten (Splunk 10.4.3, vector); off: stays true (mockdr)"
    )
    ack_overflow: str = _switch(
        "refuse",
        ("refuse", "drop"),
        "too many channels or open ids: refuse: code 9 or 27 (conf spec); drop the oldest id (vector)",
    )
    ack_strict: bool = _switch(
        False,
        bool,
        "400 for duplicate ids in a poll (code 6) and for a channel in both header and query (code 11) "
        "(open-splunk); off: answered (Splunk)",
    )
    max_channels: int = _switch(1_000_000, int, "channels of a node; conf spec")
    max_acks_per_channel: int = _switch(1_000_000, int, "open ids of a channel; conf spec")
    max_acks: int = _switch(10_000_000, int, "open ids of all channels of a node; conf spec")
    channel_idle: float = _switch(
        600.0, float, "a channel idle for longer is forgotten; conf spec: maxIdleTime"
    )
    ack_cleanup: bool = _switch(True, bool, "conf spec: ackIdleCleanup; off: idle channels are kept")
    backpressure: str = _switch(
        "off",
        ("off", "warn_at_80"),
        "warn_at_80: full queues and ack channels answer 429 code 26 and 27; off: 503 code 9 (conf spec, "
        "backpressureState)",
    )
    health: str = _switch(
        "splunk",
        ("splunk", "fluentbit"),
        "fluentbit: 200 with code 200 on /health and 400 on /health/1.0 (Fluent Bit 5.1.1)",
    )
    health_token: bool = _switch(
        False,
        bool,
        "a wrong or disabled token makes the health check answer 400 code 21 or 22 (documentation); off: it "
        "is ignored (Splunk 8.2.4 as seen by vector)",
    )
    sticky_cookie: str = _switch(
        "", str, "name of the load balancer's cookie that ties a client to a node; empty: none"
    )
    balance: str = _switch(
        "request",
        ("request", "connection"),
        "what goes to the next node in turn: each request (load balancers of HTTP), or each connection with "
        "all its requests (load balancers of TCP)",
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item.name, getattr(self, item.name), item.metadata["choices"])

    def changed(self, **changes: Any) -> Behaviour:
        """A copy with these switches set. ValueError for unknown names and values."""
        known = {item.name for item in fields(self)}
        for name in changes:
            if name not in known:
                raise ValueError(f"unknown switch {name!r}; known: {', '.join(sorted(known))}")
        return replace(self, **changes)

    def parsed(self, settings: Mapping[str, str]) -> dict[str, Any]:
        """Values for `changed` from text: numbers in digits, on and off for booleans."""
        choices = {item.name: item.metadata["choices"] for item in fields(self)}
        return {name: _parse(name, text, choices.get(name, str)) for name, text in settings.items()}


def _check(name: str, value: Any, choices: tuple[Any, ...] | type) -> None:
    if isinstance(choices, tuple):
        if value not in choices:
            raise ValueError(f"switch {name!r} must be one of {', '.join(map(str, choices))}, not {value!r}")
    elif choices is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise ValueError(f"switch {name!r} must be a number from 0, not {value!r}")
    elif type(value) is not choices or (type(value) is int and value < 0):
        raise ValueError(f"switch {name!r} must be {choices.__name__}, not {value!r}")


def _parse(name: str, text: str, choices: tuple[Any, ...] | type) -> Any:
    kind = type(choices[0]) if isinstance(choices, tuple) else choices
    if kind is bool:
        if text not in ("on", "off"):
            raise ValueError(f"switch {name!r} must be on or off, not {text!r}")
        return text == "on"
    try:
        return kind(text)
    except ValueError as error:
        raise ValueError(f"switch {name!r} must be a number, not {text!r}") from error


def describe_switches() -> str:
    """All switches, their values (default first) and sources, for people."""
    lines = []
    for item in fields(Behaviour):
        choices = item.metadata["choices"]
        if choices is bool:
            values = "on, off" if item.default else "off, on"
        elif isinstance(choices, tuple):
            values = ", ".join(map(str, choices))
        else:
            values = repr(item.default) if choices is str else f"{item.default}"
        lines.append(f"{item.name} [{values}]\n    {item.metadata['doc']}\n")
    return "".join(lines)


PROFILES: Mapping[str, Behaviour] = {
    "enterprise": Behaviour(),
    "cloud": Behaviour(max_body=5_242_881, missing_channel=28, sticky_cookie="AWSALB"),
    "atomic": Behaviour(atomic=True),
}
