"""Which dead letters are selected, and what is changed in their envelopes. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from sls_hec_forwarder.spool.dead_letter import DeadLetter
from sls_hec_forwarder.wire.envelope import contents, identity, with_key

#: Keys of an envelope by which letters can be selected, and which can be changed.
KEYS: Final = ("index", "sourcetype", "source", "host")


@dataclass(frozen=True)
class Selection:
    """A letter is selected if it matches each field that is not empty, by any one of the field's values.

    `envelope`: allowed values by envelope key; "" matches envelopes without that key. `codes` may hold None,
    for answers without a code. `since` and `until` (exclusive) are unix seconds of the first refusal. `files`
    are globs of file names. `below`: refused fewer times than that.
    """

    reasons: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    codes: tuple[int | None, ...] = ()
    shards: tuple[int, ...] = ()
    ids: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    envelope: tuple[tuple[str, tuple[str, ...]], ...] = ()
    since: float | None = None
    until: float | None = None
    below: int | None = None

    def takes_file(self, name: str) -> bool:
        return not self.files or any(fnmatchcase(name, pattern) for pattern in self.files)

    def takes(self, letter: DeadLetter) -> bool:
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.statuses or letter.status in self.statuses)
            and (not self.codes or letter.code in self.codes)
            and (not self.shards or letter.shard in self.shards)
            and (self.since is None or letter.time >= self.since)
            and (self.until is None or letter.time < self.until)
            and (self.below is None or letter.refusals < self.below)
            and (not self.ids or identity(letter.envelope) in self.ids)
            and (not self.envelope or self._takes_envelope(letter.envelope))
        )

    def _takes_envelope(self, envelope: bytes) -> bool:
        found = contents(envelope)
        return all(found.get(key, "") in values for key, values in self.envelope)


class CannotSend(ValueError):
    """This envelope cannot be changed, or cannot be part of a batch."""


def edited(envelope: bytes, edits: Mapping[str, str]) -> bytes:
    """The envelope with the keys in `edits` set to new values. Raises CannotSend."""
    # A line feed or an empty envelope would shift the numbers by which HEC names the events of a batch.
    if not envelope.strip() or b"\n" in envelope:
        raise CannotSend("it is empty, or holds a line feed")
    try:
        for key, value in edits.items():
            envelope = with_key(envelope, key, value)
    except ValueError:
        raise CannotSend("it is no JSON object, so nothing in it can be changed") from None
    return envelope
