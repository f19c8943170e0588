"""One event that a collector refuses for good, as a line of JSON; each line is a separate gzip member."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sls_hec_forwarder.spool.gzip_members import pack
from sls_hec_forwarder.times import iso_milliseconds, parse_iso
from sls_hec_forwarder.untrusted import parse_json, whole_number
from sls_hec_forwarder.wire.envelope import identity

#: Longest line (bytes); no log of SLS comes near it. Then the longest text in a line except the envelope.
LONGEST_LINE: Final = 32 * 1024 * 1024
_LONGEST_TEXT: Final = 65_536
#: A higher count of refusals cannot be true.
_MOST_REFUSALS: Final = 10**9


@dataclass(frozen=True)
class DeadLetter:
    """A refused event: when (unix seconds), why and by whom, and the envelope as it was first sent.

    If it was sent again and refused again, `refusals` counts the refusals, `again` is the time of the latest,
    the fields from `reason` to `endpoint` describe it, and `tried` holds the envelope keys changed for it.
    """

    time: float
    reason: str
    status: int
    code: int | None
    text: str
    endpoint: str
    shard: int
    envelope: bytes
    refusals: int = 1
    again: float | None = None
    tried: Mapping[str, str] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """The object that is written as its line."""
        return {
            "time": iso_milliseconds(self.time),
            "reason": self.reason,
            "status": self.status,
            "code": self.code,
            "text": self.text,
            "endpoint": self.endpoint,
            "shard": self.shard,
            "refusals": self.refusals,
            "again": None if self.again is None else iso_milliseconds(self.again),
            "tried": dict(self.tried),
            "id": identity(self.envelope),
            "envelope": self.envelope.decode("utf-8", "surrogateescape"),
        }

    def to_line(self) -> bytes:
        """One line of JSON, without the line feed."""
        return json.dumps(self.fields(), separators=(",", ":")).encode("ascii")

    @classmethod
    def from_line(cls, line: bytes) -> DeadLetter:
        """The reverse of `to_line`. Raises ValueError for anything else."""
        try:
            fields = parse_json(line, longest=LONGEST_LINE)
        except ValueError:
            raise ValueError("not a dead letter: no JSON") from None
        try:
            again, code = fields.get("again"), fields["code"]
            return cls(
                time=parse_iso(fields["time"]),
                reason=_text(fields["reason"]),
                status=whole_number(fields["status"]),
                code=None if code is None else whole_number(code),
                text=_text(fields["text"]),
                endpoint=_text(fields["endpoint"]),
                shard=whole_number(fields["shard"]),
                envelope=fields["envelope"].encode("utf-8", "surrogateescape"),
                refusals=whole_number(fields.get("refusals", 1), high=_MOST_REFUSALS),
                again=None if again is None else parse_iso(again),
                tried={_text(key): _text(value) for key, value in fields.get("tried", {}).items()},
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"not a dead letter: {error!r:.200}") from None


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise TypeError("a text is another thing, or too long")
    return value


def pack_letter(letter: DeadLetter) -> bytes:
    """The bytes that are appended to a file for one letter."""
    return pack(letter.to_line() + b"\n")
