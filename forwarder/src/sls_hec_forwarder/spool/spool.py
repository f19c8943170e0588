"""Where dead letters are kept: a folder of files, to which gzip members are appended.

An append is on the disk when it returns, so a checkpoint may pass the event. Whoever replays takes a file's
lock (flock) while it reads and removes or replaces it; an append that finds a file locked or gone begins
another one. Nobody appends to the file of an earlier process, so only the end of a file can be torn, and a
torn end was never taken for saved.
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
# So old (seconds) what is known of the folder's size may be, where others write and replay too.
_SIZE_AGE: Final = 15.0


class SpoolFull(RelayError):
    """The dead letter was not saved; nothing of it is left behind."""


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
        started = iso_basic(clock())
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
