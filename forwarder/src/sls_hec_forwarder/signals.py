"""Signals as something to wait for.

A handler runs between any two steps of the main thread, even while that thread holds the lock of the event
that the handler would set: it would wait for itself for ever. So handlers do nothing; the interpreter writes
each signal's number into a socket (docs.python.org/3/library/signal.html#signal.set_wakeup_fd).
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
from types import FrameType, TracebackType


class Signals:
    """Use as a context manager, in the main thread. From its end on the signals are ignored."""

    def __init__(self, *numbers: signal.Signals) -> None:
        self._numbers = numbers
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)

    def __enter__(self) -> Signals:
        # A full socket has what there is to know.
        signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        for number in self._numbers:
            signal.signal(number, _noted)
        return self

    def wait(self, longest: float) -> set[int]:
        """The signals since the last call; waits up to `longest` seconds for one."""
        select.select([self._receiver], [], [], longest)
        with contextlib.suppress(BlockingIOError):
            return set(self._receiver.recv(4096))
        return set()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The interpreter takes handlers away before it ends; a signal then must not change how it ends.
        for number in self._numbers:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        self._receiver.close()
        self._sender.close()


def _noted(_number: int, _frame: FrameType | None) -> None:
    pass
