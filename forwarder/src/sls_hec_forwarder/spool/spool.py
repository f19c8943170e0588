"""Where dead letters are kept: a folder of files to which gzip members are appended.

When an append returns, the letter is on the disk, so a checkpoint may pass the event. A replay holds a file's
lock (flock) while it reads, removes or replaces it; an append that finds its file locked or gone starts a new
one. No process appends to a file of an earlier one, so only the end of a file can be torn, and a letter in a
torn end was never reported as saved.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import math
import os
import threading
import time
from pathlib import Path
from typing import Callable, Final, Protocol

from sls_hec_forwarder.errors import RelayError
from sls_hec_forwarder.spool.dead_letter import DeadLetter, pack_letter
from sls_hec_forwarder.spool.files import (
    SUFFIX,
    Unusable,
    create_regular,
    files,
    open_regular,
    sync_folder,
    write_all,
)
from sls_hec_forwarder.times import iso_basic

FILE_BYTES: Final = 4 * 1024 * 1024
# Longest time (seconds) to trust the measured size of the folder, as others write and replay there too.
_SIZE_AGE: Final = 15.0


class SpoolFull(RelayError):
    """The dead letter was not saved, and no part of it was left in the file."""


class Letterbox(Protocol):
    """Takes dead letters."""

    def append(self, letter: DeadLetter) -> None:
        """Save it: when this returns, checkpoints may pass the event. Raises SpoolFull."""


class Spool:
    """Where dead letters go: files named after `name` in `folder`, together at most `max_bytes`.

    All dead letters in the folder count, also those of other instances. Thread-safe.
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
        started = iso_basic(clock())
        self._prefix = f"{name}-{started}-{os.getpid()}"
        self._numbers = itertools.count(1)
        self._path: Path | None = None
        self._lock = threading.Lock()
        self._used: int | None = None
        self._measured = -math.inf

    def append(self, letter: DeadLetter) -> None:
        """Save one so that it survives a power cut. Raises SpoolFull, also when the disk is full or fails."""
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
            with contextlib.suppress(FileNotFoundError):  # replayed in the meantime
                total += path.lstat().st_size
        return total

    @property
    def used(self) -> int | None:
        """As `size`, but cheap: it may be some seconds old. None when the folder cannot be read."""
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
        """The current file, open and locked; None when it is full, being replayed, or gone."""
        assert self._path is not None
        try:
            descriptor = open_regular(self._path, os.O_WRONLY | os.O_APPEND)
        except (FileNotFoundError, PermissionError, Unusable):  # replayed by now, perhaps by another user
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
                continue  # in a container, a restart within the same second has the same process id
            break
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _make_folder(self) -> None:
        """Create the folder, and sync its parents so that the new names are on the disk too."""
        new = [folder for folder in (self._folder, *self._folder.parents) if not folder.exists()]
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in new:
            sync_folder(folder.parent)
