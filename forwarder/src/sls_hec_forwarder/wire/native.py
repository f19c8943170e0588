"""The encoder in C, from the optional package sls-hec-forwarder-native: the same bytes as `encoder`, faster.

A pull is one call, which does not hold the interpreter's lock. What the library does not accept (a pull of
more than 128 MiB, a cursor of more than 63 bits) is encoded by `encoder` and counted in `handed_back`.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any, Final

from sls_hec_forwarder.wire.encoder import Chunk, Encoded, Encoder, WireError, envelope_keys
from sls_hec_forwarder.wire.rules import Rules, TopicRule

#: The value of SLS_INTERFACE in sls_hec_encode.h.
INTERFACE: Final = 1
_LARGEST: Final = 2**63 - 1


class NotAvailable(Exception):
    """The native encoder cannot be used here; the message says why."""


@cache
def library() -> tuple[Any, Any]:
    """cffi's `ffi` and `lib` of the library. Raises NotAvailable."""
    try:
        from sls_hec_native import ffi, lib
    except ImportError as error:
        if error.name == "sls_hec_native":
            raise NotAvailable("the package sls-hec-forwarder-native is not installed") from None
        raise NotAvailable(f"the package sls-hec-forwarder-native cannot be used: {error}") from error
    found = lib.sls_interface()
    if found != INTERFACE:
        raise NotAvailable(
            f"the package sls-hec-forwarder-native is of another release: interface {found}, not {INTERFACE}"
        )
    return ffi, lib


class NativeEncoder:
    """As `Encoder`, with byte for byte the same results. The constructor raises NotAvailable."""

    def __init__(self, rules: Rules) -> None:
        self._ffi, self._lib = library()
        self._python = Encoder(rules)
        self._identity = rules.identity
        self._kept: list[Any] = []  # objects to which the library has pointers
        self._rules = self._rules_of(rules)
        self.handed_back = 0

    def encode(self, data: bytes, *, shard: int, first_cursor: int | None, max_bytes: int) -> Encoded:
        """As `Encoder.encode`; also raises MemoryError."""
        cursor = first_cursor if self._identity else None
        if len(data) > self._lib.SLS_LONGEST or not 0 <= (cursor or 0) <= _LARGEST:
            self.handed_back += 1
            return self._python.encode(data, shard=shard, first_cursor=first_cursor, max_bytes=max_bytes)
        new, buffer = self._ffi.new, self._ffi.from_buffer
        identity = b"" if cursor is None else b',"fields":{"sls_id":"%d|' % shard
        data_at, identity_at = buffer("uint8_t[]", data), buffer("uint8_t[]", identity)
        pull = new(
            "sls_pull *",
            {
                "data": (data_at, len(data)),
                "identity": (identity_at, len(identity)),
                "first_cursor": cursor or 0,
                "max_bytes": min(max(max_bytes, 0), _LARGEST),
            },
        )
        result = new("sls_result *")
        try:
            status = self._lib.sls_encode(self._rules, pull, result)
            if status == self._lib.SLS_NO_MEMORY:
                raise MemoryError(f"no memory to encode a pull of {len(data)} bytes")
            if status == self._lib.SLS_CORRUPT:
                raise _wire_error(result.reason, result.offset, result.number, result.left)
            return self._encoded(result)
        finally:
            self._lib.sls_free(result)

    def _encoded(self, result: Any) -> Encoded:
        chunks = [
            Chunk(self._ffi.buffer(result.bytes + each.start, each.length)[:], each.events)
            for each in self._array(result.chunks, result.chunk_count)
        ]
        filtered: dict[str, int] = {}
        for each in self._array(result.filtered, result.filtered_count):
            topic = self._ffi.buffer(each.topic.at, each.topic.length)[:].decode("utf-8", "replace")
            filtered[topic] = filtered.get(topic, 0) + each.logs
        return Encoded(
            chunks,
            events=sum(chunk.events for chunk in chunks),
            filtered=filtered,
            groups=result.groups,
            repaired=result.repaired,
        )

    @staticmethod
    def _array(start: Any, count: int) -> list[Any]:
        return [start[each] for each in range(count)]

    def _rules_of(self, rules: Rules) -> Any:
        envelopes = [self._envelope(rules, each) for each in (*rules.topics, TopicRule("*"))]
        unfold = [(self._pattern(topic), self._bytes(_raw(field))) for topic, field in rules.unfold]
        return self._keep(
            "sls_rules *",
            {
                "include": self._keep("sls_pattern[]", [self._pattern(each) for each in rules.include]),
                "include_count": len(rules.include),
                "exclude": self._keep("sls_pattern[]", [self._pattern(each) for each in rules.exclude]),
                "exclude_count": len(rules.exclude),
                "envelopes": self._keep("sls_envelope[]", envelopes),
                "envelope_count": len(envelopes),
                "unfold": self._keep("sls_unfold[]", unfold),
                "unfold_count": len(unfold),
                "hash_key": [int.from_bytes(os.urandom(8), "little") for _ in range(2)],
            },
        )

    def _envelope(self, rules: Rules, rule: TopicRule) -> tuple[Any, Any, Any]:
        envelope = rules.envelope_of(rule)
        host, keys = envelope_keys(envelope)
        # The library compares names after their repair and before they become JSON.
        name = b"" if host is None else _raw(envelope["host"]).decode("utf-8", "replace").encode("utf-8")
        return self._pattern(rule.topic), self._bytes(name), self._bytes(keys)

    def _pattern(self, pattern: str) -> tuple[Any, int]:
        prefix = pattern.endswith("*")
        return self._bytes(_raw(pattern[:-1] if prefix else pattern)), prefix

    def _bytes(self, text: bytes) -> tuple[Any, int]:
        return self._keep("uint8_t[]", text or b"\0"), len(text)

    def _keep(self, kind: str, value: Any) -> Any:
        self._kept.append(self._ffi.new(kind, value))
        return self._kept[-1]


def _raw(text: str) -> bytes:
    """A setting as bytes. It may contain lone surrogates, whose bytes occur in no topic and no name."""
    return text.encode("utf-8", "surrogatepass")


def _wire_error(reason: int, offset: int, number: int, left: int) -> WireError:
    reasons = (
        f"length {number} where {left} bytes are left",
        "varint without end",
        "tag without a valid field number",
        f"wire type {number} out of place",
        "fixed-size number cut short",
        "nested too deeply",
        "group ends as another",
    )
    return WireError(offset, reasons[reason])
