"""One answer of PullLogs, still compressed.

Unpacking is a separate step because a decompressed list is large: the caller limits how many exist at a time,
while any number of shards may wait for the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import lz4.block
import zstd

from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.errors import CorruptPull, TooLarge
from sls_hec_forwarder.sls.api.zstd_frame import content_size
from sls_hec_forwarder.untrusted import whole_number

#: Largest pull (bytes), on the wire and decompressed. A log group has 5 MB at most, and the largest pulls
#: seen so far had about 10 MB.
MOST_BYTES = 32 * 1024 * 1024
#: Largest factor by which an lz4 block can grow when decompressed (LZ4 block format, "match length").
_LZ4_RATIO = 255
#: Largest compressed form (bytes) of an empty body: a zstd frame with a checksum.
_EMPTY_BODY = 16


@dataclass(frozen=True)
class PullAnswer:
    """What one pull brought. Immutable; `unpack` does the work."""

    shard: int
    #: The cursor that was pulled, and the one to pull next.
    cursor: str
    next_cursor: str
    #: Number of log groups in the body, after the server's filter if there is one.
    groups: int
    #: Position of the first log group; None when unknown, as with a query, which regroups logs.
    first_cursor: int | None
    #: Receive time (unix seconds) at this place of the shard; None if SLS did not report it.
    cursor_time: int | None
    #: Whether it reached the present end of the shard.
    caught_up: bool
    compression: str
    raw_bytes: int
    body: bytes
    #: Whether a query or a processor on the server chose which logs came.
    filtered: bool = False

    @property
    def wire_bytes(self) -> int:
        return len(self.body)

    @property
    def missing(self) -> int:
        """Number of log groups that the answer skips without containing them; 0 when that is not known.

        It is not known with a query or a processor, as the server then leaves out what does not match.
        """
        steps = cursors.distance(self.cursor, self.next_cursor)
        return 0 if self.filtered or steps is None else max(0, steps - self.groups)

    @property
    def first_position(self) -> int:
        """Position of the first log group that came, or else of the next; only where `missing` is known."""
        return cursors.decode(self.next_cursor) - self.groups

    def check(self) -> None:
        """Raises CorruptPull when the headers contradict each other or the body.

        Such an answer must not move the cursor: what it skips has not been read.
        """
        problem = self._contradiction()
        if problem:
            raise CorruptPull(
                f"the answer at cursor {self.cursor} contradicts itself: {problem} (x-log-count "
                f"{self.groups}, x-log-bodyrawsize {self.raw_bytes}, body of {len(self.body)} bytes, "
                f"next cursor {self.next_cursor})"
            )

    def _contradiction(self) -> str:
        if self.groups < 0 or self.raw_bytes < 0:
            return "a negative size"
        if self.groups and not self.raw_bytes:
            return "log groups, but no body"
        if not self.raw_bytes and len(self.body) > _EMPTY_BODY * bool(self.compression):
            return "a body, but no size"
        if self.groups and self.next_cursor == self.cursor:
            return "log groups, but the next cursor equals the requested one"
        steps = cursors.distance(self.cursor, self.next_cursor)
        if steps is None:
            # It would later be taken for an expired cursor, and the shard read again or the rest skipped.
            return "the next cursor is not a cursor" if cursors.is_plain(self.cursor) else ""
        if steps < 0:
            return "the next cursor is before the requested one"
        if self.filtered:
            return ""
        if steps < self.groups:
            return "more log groups than fit before the next cursor"
        if self.first_cursor is not None and self.first_cursor != self.first_position:
            return f"the last log group read is at {self.first_cursor + self.groups - 1}"
        return ""

    def unpack(self) -> bytes:
        """Return the LogGroupList. Raises CorruptPull when the body does not decode to its announced size.

        No more is allocated than the announced size, which may not exceed MOST_BYTES.
        """
        if not self.raw_bytes:
            return b""
        if self.raw_bytes > MOST_BYTES:
            raise TooLarge(f"a body of {self.raw_bytes} bytes; at most {MOST_BYTES} are accepted")
        try:
            raw = self._decompress()
        # Each codec has its own exception classes, and a corrupt size raises MemoryError.
        except Exception as problem:
            raise CorruptPull(f"{self.compression} body does not decode: {problem}") from problem
        if len(raw) != self.raw_bytes:
            raise CorruptPull(f"body has {len(raw)} bytes, but its header says {self.raw_bytes}")
        return raw

    def _decompress(self) -> bytes:
        if not self.compression:
            return self.body
        if self.compression == "lz4":
            if self.raw_bytes > _LZ4_RATIO * len(self.body):
                raise ValueError(f"{len(self.body)} bytes cannot hold {self.raw_bytes}")
            return bytes(lz4.block.decompress(self.body, uncompressed_size=self.raw_bytes))
        if self.compression == "zstd":
            size = content_size(self.body)
            if size != self.raw_bytes:
                raise ValueError(f"a zstd frame of {size} bytes, but the header says {self.raw_bytes}")
            return bytes(zstd.decompress(self.body))
        raise ValueError("unknown compression")


def first_cursor(headers: Mapping[str, str], cursor: str, next_cursor: str, groups: int) -> int | None:
    """Position of the first of `groups` log groups, from the headers of the answer to a pull without a query.

    `x-log-read-last-cursor` is the decimal position of the last log group. Without it, the first position is
    that of `cursor`, but only if there are exactly `groups` positions up to `next_cursor`; else None.
    """
    if not groups:
        return None
    last = headers.get("x-log-read-last-cursor", "")
    if last.isdigit():
        return whole_number(last) - groups + 1
    if cursors.distance(cursor, next_cursor) == groups:
        return cursors.decode(cursor)
    return None
