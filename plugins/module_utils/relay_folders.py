"""Lets root work safely on folders of the service's user: it follows no symbolic link.

Each part of a path is opened relative to the folder before it, and never through a link. So root changes only
what it has checked, even if somebody exchanges a part of the path meanwhile.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterable

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: Counting stops at this depth and at this number of entries.
DEEPEST = 32
MOST = 10_000


class Refused(Exception):
    """It is not safe for root to work there; the message says why, and what to do."""


def own_folder(path: str, owner: tuple[int, int], *, root: int = 0, dry: bool = False) -> bool:
    """Makes `path` a folder of `owner` (user id, group id) with mode 0700; returns whether anything changed.

    Missing parent folders are made and belong to `root`. Raises Refused if a parent is a link or another user
    may write to it, and if `path` is neither a folder of `owner` nor an empty folder of `root`. Raises
    OSError if the system refuses.
    """
    names = _names(path)
    at = os.open("/", _FOLDER)
    try:
        for count, name in enumerate(names[:-1], start=1):
            here = "/" + "/".join(names[:count])
            below = _opened(at, name, here, make=0o755, dry=dry)
            if below is None:
                return True
            os.close(at)
            at = below
            _expect_roots(os.fstat(at), here, root)
        folder = _opened(at, names[-1], path, make=0o700, dry=dry)
    finally:
        os.close(at)
    if folder is None:
        return True
    try:
        return _given(folder, path, owner, root, dry)
    finally:
        os.close(folder)


def count_left(path: str, leave_out: Iterable[str] = ()) -> int:
    """The number of entries below `path` that are not folders; 0 only if there is none. Stops at about MOST.

    A folder that is too deep counts as an entry. `leave_out` names entries of `path` itself to ignore.
    """
    names = _names(path)
    at = os.open("/", _FOLDER)
    for count, name in enumerate(names, start=1):
        try:
            below = _opened(at, name, "/" + "/".join(names[:count]))
        finally:
            os.close(at)
        if below is None:
            return 0
        at = below
    return _count(at, frozenset(leave_out))


def _count(top: int, leave_out: frozenset[str]) -> int:
    """Counts the entries below the open folder `top`, and closes it."""
    found = 0
    folders = [top]
    waiting = [_entries(top, leave_out)]
    try:
        while waiting and found < MOST:
            if not waiting[-1]:
                waiting.pop()
                os.close(folders.pop())
                continue
            name, is_folder = waiting[-1].pop()
            below = None
            if is_folder and len(folders) < DEEPEST:
                with contextlib.suppress(OSError):  # removed or replaced meanwhile: it counts
                    below = os.open(name, _FOLDER, dir_fd=folders[-1])
            if below is None:
                found += 1
            else:
                folders.append(below)
                waiting.append(_entries(below))
    finally:
        for each in folders:
            os.close(each)
    return found


def _entries(folder: int, leave_out: frozenset[str] = frozenset()) -> list[tuple[str, bool]]:
    with os.scandir(folder) as entries:
        wanted = (each for each in entries if each.name not in leave_out)
        return [(each.name, each.is_dir(follow_symlinks=False)) for each in itertools.islice(wanted, MOST)]


def _names(path: str) -> list[str]:
    if not path.startswith("/") or os.path.normpath(path) != path or path == "/":
        raise Refused(
            f"{path} is not the plain absolute path of a folder; write it without .., // and a / at the end"
        )
    return path[1:].split("/")


def _opened(at: int, name: str, path: str, make: int | None = None, dry: bool = False) -> int | None:
    """Opens the folder `name` in `at`. If it is missing: makes it with mode `make`, or returns None."""
    try:
        return os.open(name, _FOLDER, dir_fd=at)
    except FileNotFoundError:
        if make is None or dry:
            return None
    except NotADirectoryError:
        found = os.stat(name, dir_fd=at, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            raise Refused(
                f"{path} is a symbolic link, which root does not follow; name the folder itself"
            ) from None
        raise Refused(f"{path} is there and is no folder; name another one") from None
    with contextlib.suppress(FileExistsError):  # made by somebody else meanwhile; it is checked below
        os.mkdir(name, make, dir_fd=at)
    below = _opened(at, name, path)
    if below is None:
        raise Refused(
            f"{path} vanished while it was made; another program works there, so name another folder"
        )
    return below


def _expect_roots(found: os.stat_result, path: str, root: int) -> None:
    if found.st_uid not in (0, root):
        raise Refused(
            f"{path} belongs to user {found.st_uid}, who could put a link in place of what lies in it; "
            f"name a folder elsewhere, or: chown root:root {path}"
        )
    if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and found.st_gid not in (0, root)):
        raise Refused(
            f"{path} is open to others than root, who could put a link in place of what lies in it; "
            f"name a folder elsewhere, or: chmod go-w {path}"
        )


def _given(folder: int, path: str, owner: tuple[int, int], root: int, dry: bool) -> bool:
    found = os.fstat(folder)
    if found.st_uid not in (owner[0], 0, root):
        raise Refused(f"{path} belongs to user {found.st_uid}; name a folder that nobody else uses")
    if found.st_uid != owner[0] and os.listdir(folder) not in ([], ["lost+found"]):
        raise Refused(
            f"{path} belongs to root and is not empty: it would be given away with all that lies in it; "
            "name a folder that nobody else uses"
        )
    if (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (*owner, 0o700):
        return False
    if not dry:
        os.fchown(folder, *owner)
        os.fchmod(folder, 0o700)
    return True
