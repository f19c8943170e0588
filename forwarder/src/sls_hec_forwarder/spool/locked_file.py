"""One locked file of a spool, from which dead letters are removed as they are accepted.

Whatever happens, the file always holds every letter that was not accepted: a new version is written beside
it, synced, and renamed over it in one step. Disk space for it is reserved before anything is sent, because a
letter that cannot be removed would be sent again by the next replay.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sls_hec_forwarder.errors import RelayError
from sls_hec_forwarder.spool.dead_letter import DeadLetter, pack_letter
from sls_hec_forwarder.spool.files import (
    content,
    create_regular,
    open_regular,
    sync_folder,
    write_all,
)
from sls_hec_forwarder.spool.gzip_members import pack, parts

#: Suffix of the version being written. The spool does not count such a file.
PART: Final = ".part"
# The relay holds the lock only while it appends.
_LOCK_PATIENCE: Final = 5.0
_LOCK_PAUSE: Final = 0.02
# The fewest bytes of a dead letter, with all texts empty; and how many lines may be shorter.
_SHORTEST_LINE: Final = 100
_FEW_LINES: Final = 1000
# How much a letter may grow when it is refused again for another reason.
_GROWTH: Final = 512


class SpoolFileError(RelayError):
    """The replay of this file cannot start or cannot go on."""


class SpoolFile:
    """The letters of a file by their number in it; use as a context manager, which locks the file.

    Entering raises SpoolFileError if it is in use or cannot be read, FileNotFoundError if it is gone.
    """

    def __init__(self, path: Path, *, patience: float = _LOCK_PATIENCE) -> None:
        self.path = path
        #: Bytes that are no dead letters. They stay in the file.
        self.unreadable = 0
        self._patience = patience
        self._new = path.with_name(path.name + PART)
        self._descriptor = -1
        self._next = -1
        self._members: dict[int, bytes] = {}
        self._letters: set[int] = set()
        self._changed = False

    def __enter__(self) -> SpoolFile:
        self._descriptor = _locked(self.path, self._patience)
        try:
            self._load()
        except OSError as error:
            self.__exit__()
            raise _error(self.path, error) from error
        return self

    def __exit__(self, *exc: object) -> None:
        """Unlock. Changes that were not committed are dropped."""
        self._discard()
        os.close(self._descriptor)
        self._descriptor = -1

    def _discard(self) -> None:
        """Remove the next version, which is not needed."""
        if self._next >= 0:
            with contextlib.suppress(FileNotFoundError):
                self._new.unlink()
            os.close(self._next)
            self._next = -1

    def _load(self) -> None:
        for member, letter in records(content(self._descriptor, self.path)):
            number = len(self._members)
            self._members[number] = member
            if letter is None:
                self.unreadable += len(member)
            else:
                self._letters.add(number)

    def numbers(self) -> list[int]:
        """The numbers of the letters still in the file, in order."""
        return sorted(self._letters)

    def letter(self, number: int) -> DeadLetter:
        ((_, found),) = records(self._members[number])
        assert found is not None
        return found

    def remove(self, number: int) -> None:
        """Take out an accepted letter. Takes effect with the next commit."""
        del self._members[number]
        self._letters.discard(number)
        self._changed = True

    def replace(self, number: int, letter: DeadLetter) -> None:
        """Update a letter that was refused again. Takes effect with the next commit."""
        self._members[number] = pack_letter(letter)
        self._changed = True

    def reserve(self) -> None:
        """Reserve disk space for a commit; call it before anything is sent. Raises SpoolFileError."""
        try:
            self._reserve()
        except OSError as error:
            raise _error(self._new, error) from error

    def commit(self) -> None:
        """Write all changes to the disk. Raises SpoolFileError."""
        if self._changed:
            try:
                self._commit()
            except OSError as error:
                raise _error(self.path, error) from error
            self._changed = False

    def _commit(self) -> None:
        if not self._members:
            self._discard()
            self.path.unlink()
            sync_folder(self.path.parent)
            return
        data = b"".join(self._members[number] for number in sorted(self._members))
        write_all(self._next, data)
        os.ftruncate(self._next, len(data))
        os.fsync(self._next)
        self._new.rename(self.path)
        os.close(self._descriptor)
        self._descriptor, self._next = self._next, -1
        sync_folder(self.path.parent)
        self._reserve()

    def _reserve(self) -> None:
        """Create the next version, locked before it gets its name, with room for all letters that stay."""
        # The holder of a file's lock owns the part file beside it; a killed replay may have left one.
        with contextlib.suppress(FileNotFoundError):
            self._new.unlink()
        self._next = create_regular(self._new, os.O_RDWR)
        fcntl.flock(self._next, fcntl.LOCK_EX)
        mine = os.fstat(self._descriptor)
        os.fchmod(self._next, mine.st_mode & 0o777)
        if os.fstat(self._next).st_uid != mine.st_uid:
            os.fchown(self._next, mine.st_uid, mine.st_gid)  # root replays a file of the relay's user
        size = sum(map(len, self._members.values())) + _GROWTH * len(self._letters)
        if size:
            # CPython raises an error; PyPy returns its number, as posix_fallocate(3) does.
            error: int | None = os.posix_fallocate(self._next, 0, size)  # type: ignore[func-returns-value]
            if error:
                raise OSError(error, os.strerror(error))


def records(data: bytes) -> Iterator[tuple[bytes, DeadLetter | None]]:
    """Each dead letter with its bytes in the file; anything else with None. A torn end is left out."""
    for part in parts(data):
        raw = data[part.start : part.end]
        if part.content is None:
            if not part.torn:
                yield raw, None
            continue
        if _too_many_lines(part.content):
            yield raw, None
            continue
        lines = part.content.splitlines()
        for line in lines:
            letter: DeadLetter | None
            try:
                letter = DeadLetter.from_line(line)
            except ValueError:
                letter = None
            # Somebody may have packed many lines into one member.
            yield raw if len(lines) == 1 else pack(line + b"\n"), letter


def _too_many_lines(content: bytes) -> bool:
    """Whether there are more lines than dead letters could be. Each tiny line would cost far more memory."""
    ends = content.count(b"\n") + content.count(b"\r")
    return ends > _FEW_LINES + len(content) // _SHORTEST_LINE


def _error(path: Path, error: OSError) -> SpoolFileError:
    return SpoolFileError(f"{path}: {error.strerror or error}")


def _locked(path: Path, patience: float) -> int:
    """A descriptor of the file that has this name now, locked."""
    deadline = time.monotonic() + patience
    while True:
        try:
            descriptor = open_regular(path, os.O_RDWR)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _error(path, error) from error
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise SpoolFileError(f"{path}: in use, by another replay perhaps") from None
                time.sleep(_LOCK_PAUSE)
                continue
            if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                stack.pop_all()
                return descriptor
