"""Standard error that never raises: on a full disk or a broken pipe, lines are lost.

Python's own raises at each write, and makes the exit status 120 if its buffer cannot be flushed at the end.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any

_NUMBER = 2
#: How long (seconds) to wait for a full pipe; after that, nothing waits until it has space again.
_PATIENCE = 1.0
#: Bytes that a pipe with free space accepts without blocking: PIPE_BUF on Linux, see pipe(7).
_CHUNK = 4096


def make_harmless() -> None:
    """Replace `sys.stderr`, unless it was already replaced."""
    if sys.stderr is None:
        # It was closed. Keep its number occupied, or C libraries would write their messages into another
        # file.
        while os.open(os.devnull, os.O_RDWR) < _NUMBER:
            pass
        os.set_inheritable(_NUMBER, True)
    elif sys.stderr is not sys.__stderr__:
        return
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(_Forgiving(_NUMBER)),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )


class _Forgiving(io.FileIO):
    """Drops what cannot be written, and reports how much as soon as it can write again."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._lost = 0

    def write(self, data: Any, /) -> int:
        length = memoryview(data).nbytes
        if self._lost and self._put(b"\n(%d bytes of messages could not be written here)\n" % self._lost):
            self._lost = 0
        if self._lost or not self._put(data):
            self._lost += length
        return length

    def _put(self, data: Any) -> bool:
        left = memoryview(data)
        try:
            while left:
                if not select.select([], [_NUMBER], [], 0.0 if self._lost else _PATIENCE)[1]:
                    return False
                written = super().write(left[:_CHUNK])
                if not written:
                    return False
                left = left[written:]
        except OSError:
            return False
        return True
