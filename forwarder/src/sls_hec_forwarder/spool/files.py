"""The files in a folder of dead letters. Other users may put things there: only regular files are touched.

A link could lead elsewhere, opening a FIFO could block, and opening a device could do anything.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

SUFFIX: Final = ".jsonl.gz"
#: Largest file (bytes) that is read; the relay starts a new file long before that.
LARGEST_FILE: Final = 64 * 1024 * 1024
_SAFELY: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Unusable(OSError):
    """Named like a file of dead letters but not to be touched; `strerror` says why and what to do."""


def files(folder: Path) -> list[Path]:
    """The files of a spool, oldest first by their names; none if the folder does not exist."""
    return [path for path, regular in _entries(folder) if regular]


def strangers(folder: Path) -> list[Unusable]:
    """Everything that is named like such a file but is not a regular file."""
    return [_stranger(path) for path, regular in _entries(folder) if not regular]


def _entries(folder: Path) -> list[tuple[Path, bool]]:
    try:
        with os.scandir(folder) as entries:
            found = [
                (folder / entry.name, entry.is_file(follow_symlinks=False))
                for entry in entries
                if entry.name.endswith(SUFFIX)
            ]
    except FileNotFoundError:
        return []
    return sorted(found)


def open_regular(path: Path, flags: int) -> int:
    """Like os.open for an existing file, without following links. Raises OSError; Unusable for no file."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise _stranger(path)
    try:
        descriptor = os.open(path, flags | _SAFELY)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # it was replaced by something else just now
            raise _stranger(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _stranger(path)
    return descriptor


def create_regular(path: Path, flags: int) -> int:
    """A new file that only its owner can read. Raises OSError; FileExistsError if the name is taken."""
    return os.open(path, flags | os.O_CREAT | os.O_EXCL | _SAFELY, 0o600)


def read_regular(path: Path) -> bytes:
    """The whole content. Raises OSError; Unusable when it is no regular file, or too large."""
    descriptor = open_regular(path, os.O_RDONLY)
    try:
        return content(descriptor, path)
    finally:
        os.close(descriptor)


def content(descriptor: int, path: Path) -> bytes:
    """The whole content of an open file. Raises OSError; Unusable when it is too large."""
    if os.fstat(descriptor).st_size > LARGEST_FILE:
        text = (
            f"larger than {LARGEST_FILE} bytes, so the relay did not write it; it is left alone: take it away"
        )
        raise Unusable(errno.EFBIG, text, str(path))
    pieces, left = [], LARGEST_FILE
    while left and (piece := os.read(descriptor, min(left, 1 << 20))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _stranger(path: Path) -> Unusable:
    return Unusable(
        errno.EINVAL,
        "a link or no regular file; it is not opened: find out who made it, and remove it",
        str(path),
    )


def write_all(descriptor: int, data: bytes) -> None:
    """Like os.write, but writes everything."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Sync a folder: until then a new name in it is not safe on the disk (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
