"""The dead letters of a file that nobody else has in hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sls_hec_forwarder.spool.dead_letter import DeadLetter
from sls_hec_forwarder.spool.files import read_regular
from sls_hec_forwarder.spool.gzip_members import parts


def read(path: Path) -> Iterator[DeadLetter]:
    """The dead letters of one file; what is no member is passed over. Raises OSError; ValueError."""
    for part in parts(read_regular(path)):
        for line in (part.content or b"").splitlines():
            yield DeadLetter.from_line(line)
