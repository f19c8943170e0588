"""Events that a collector refuses for good, kept on disk: one JSON line each, gzip members appended to files.

An append is on the disk when it returns, so a checkpoint may pass the event. Whoever replays takes a file's
lock (flock) while it reads and removes or replaces it; an append that finds a file locked or gone begins
another one. Nobody appends to the file of an earlier process, so only the end of a file can be torn, and a
torn end was never taken for saved.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import math
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Final, Protocol

from sls_hec_forwarder.errors import RelayError
from sls_hec_forwarder.spool.files import (
    SUFFIX,
    Unusable,
    create_regular,
    files,
    open_regular,
    read_regular,
    sync_folder,
    write_all,
)
from sls_hec_forwarder.spool.gzip_members import pack, parts
from sls_hec_forwarder.untrusted import iso_time, parse_json, whole_number
from sls_hec_forwarder.wire.envelope import identity

FILE_BYTES: Final = 4 * 1024 * 1024
# So old (seconds) what is known of the folder's size may be, where others write and replay too.
_SIZE_AGE: Final = 15.0
#: Longest line (bytes): that of no log of SLS comes near. Longest of the texts in it, but for the envelope.
LONGEST_LINE: Final = 32 * 1024 * 1024
_LONGEST_TEXT: Final = 65_536
#: An event that was refused more often than that was not.
_MOST_REFUSALS: Final = 10**9


class SpoolFull(RelayError):
    """The dead letter was not saved; nothing of it is left behind."""


@dataclass(frozen=True)
class DeadLetter:
    """A refused event: when (seconds since the epoch), why, by whom, and the envelope as it was first sent.

    When it was sent again and refused again, `refusals` counts, `again` is the time of the latest one, which
    `reason` to `endpoint` are of, and `tried` are the keys of the envelope that were changed for it.
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
        """Its line as an object."""
        return {
            "time": moment(self.time),
            "reason": self.reason,
            "status": self.status,
            "code": self.code,
            "text": self.text,
            "endpoint": self.endpoint,
            "shard": self.shard,
            "refusals": self.refusals,
            "again": None if self.again is None else moment(self.again),
            "tried": dict(self.tried),
            "id": identity(self.envelope),
            "envelope": self.envelope.decode("utf-8", "surrogateescape"),
        }

    def to_line(self) -> bytes:
        """One line of JSON, without its end."""
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
                time=iso_time(fields["time"]),
                reason=_text(fields["reason"]),
                status=whole_number(fields["status"]),
                code=None if code is None else whole_number(code),
                text=_text(fields["text"]),
                endpoint=_text(fields["endpoint"]),
                shard=whole_number(fields["shard"]),
                envelope=fields["envelope"].encode("utf-8", "surrogateescape"),
                refusals=whole_number(fields.get("refusals", 1), high=_MOST_REFUSALS),
                again=None if again is None else iso_time(again),
                tried={_text(key): _text(value) for key, value in fields.get("tried", {}).items()},
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"not a dead letter: {error!r:.200}") from None


def moment(seconds: float) -> str:
    """Such as 2026-01-31T08:00:00.123Z."""
    found = datetime.fromtimestamp(seconds, timezone.utc)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise TypeError("a text is another thing, or too long")
    return value


class Letterbox(Protocol):
    """Takes dead letters."""

    def append(self, letter: DeadLetter) -> None:
        """Checkpoints may pass the event when this returns. Raises SpoolFull."""


class Spool:
    """Where dead letters go: files named after `name` in `folder`, together at most `max_bytes`.

    The bound counts all dead letters in the folder, those of other instances included. Thread-safe.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        name: str,
        *,
        file_bytes: int = FILE_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        #: Bytes that the folder may hold.
        self.max_bytes = max_bytes
        self._file_bytes = file_bytes
        self._clock = clock
        started = datetime.fromtimestamp(clock(), timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        self._prefix = f"{name}-{started}-{os.getpid()}"
        self._numbers = itertools.count(1)
        self._path: Path | None = None
        self._lock = threading.Lock()
        self._used: int | None = None
        self._measured = -math.inf

    def append(self, letter: DeadLetter) -> None:
        """Save one; it survives a power cut from now on. Raises SpoolFull, also for a disk that is full."""
        member = pack_letter(letter)
        with self._lock:
            try:
                used = self.size()
                if used + len(member) > self.max_bytes:
                    raise SpoolFull(f"{self._folder} holds {self.max_bytes} bytes of dead letters")
                self._write(member)
                self._remember(used + len(member))
            except OSError as error:
                raise SpoolFull(f"{self._folder}: {error.strerror or error}") from error

    def size(self) -> int:
        """Bytes of all dead letters in the folder."""
        total = 0
        for path in files(self._folder):
            with contextlib.suppress(FileNotFoundError):  # replayed meanwhile
                total += path.lstat().st_size
        return total

    @property
    def used(self) -> int | None:
        """As `size`, but cheap: seconds old at times. None when the folder cannot be read."""
        if abs(self._clock() - self._measured) > _SIZE_AGE:
            try:
                self._remember(self.size())
            except OSError:
                self._remember(None)
        return self._used

    def _remember(self, used: int | None) -> None:
        self._used, self._measured = used, self._clock()

    def _write(self, member: bytes) -> None:
        descriptor = self._current() if self._path else None
        if descriptor is None:
            descriptor = self._begin()
        try:
            before = os.fstat(descriptor).st_size
            try:
                write_all(descriptor, member)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, before)
                raise
        finally:
            os.close(descriptor)

    def _current(self) -> int | None:
        """The file in use, open and locked; None when it is full, being replayed, or gone."""
        assert self._path is not None
        try:
            descriptor = open_regular(self._path, os.O_WRONLY | os.O_APPEND)
        except (FileNotFoundError, PermissionError, Unusable):  # replayed meanwhile, perhaps by another user
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        found = os.fstat(descriptor)
        if not found.st_nlink or found.st_size >= self._file_bytes:
            os.close(descriptor)
            return None
        return descriptor

    def _begin(self) -> int:
        self._make_folder()
        while True:
            self._path = self._folder / f"{self._prefix}-{next(self._numbers):06d}{SUFFIX}"
            try:
                descriptor = create_regular(self._path, os.O_WRONLY | os.O_APPEND)
            except FileExistsError:
                continue  # in a container, a restart within a second has the same process id
            break
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _make_folder(self) -> None:
        """The names of new folders are to be on the disk, too."""
        new = [folder for folder in (self._folder, *self._folder.parents) if not folder.exists()]
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in new:
            sync_folder(folder.parent)


def read(path: Path) -> Iterator[DeadLetter]:
    """The dead letters of one file; what is no member is passed over. Raises OSError; ValueError."""
    for part in parts(read_regular(path)):
        for line in (part.content or b"").splitlines():
            yield DeadLetter.from_line(line)


def pack_letter(letter: DeadLetter) -> bytes:
    """What is appended to a file for one letter."""
    return pack(letter.to_line() + b"\n")
