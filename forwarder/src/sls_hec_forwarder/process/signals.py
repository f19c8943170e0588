"""Signals that the main thread waits for.

A handler can run between any two steps of the main thread, even while that thread holds a lock that the
handler needs, which would be a deadlock. So handlers do nothing. The signals are blocked in every thread from
the first line of `run` on, and unblocked only while `Signals.wait` waits; the interpreter then writes the
number of each into a socket (docs.python.org/3/library/signal.html#signal.set_wakeup_fd).

`sigtimedwait` would need neither handlers nor a socket, but PyPy does not have it.
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
from types import FrameType

#: The signals that `run` handles.
NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def block() -> None:
    """Block the signals. Threads and programs that are started later inherit this."""
    signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)


class Signals:
    """Use as a context manager, in the main thread, before any other thread is started.

    The signals stay blocked after the end: a late one must not change how the process ends.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)

    def __enter__(self) -> Signals:
        block()
        # If the socket is full, it already contains the signal.
        signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        for number in NUMBERS:
            signal.signal(number, _noted)
        return self

    def wait(self, longest: float) -> set[int]:
        """The signals since the last call; waits up to `longest` seconds for one."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, NUMBERS)
        try:
            select.select([self._receiver], [], [], longest)
        finally:
            block()
        with contextlib.suppress(BlockingIOError):
            return set(self._receiver.recv(4096))
        return set()

    def __exit__(self, *error: object) -> None:
        signal.set_wakeup_fd(-1)
        self._receiver.close()
        self._sender.close()


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Does nothing, but without a handler the interpreter would not write to the socket."""
