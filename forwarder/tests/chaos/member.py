"""One relay of a run, whatever process it is at the time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from pathlib import Path
from typing import Callable

from ..e2e.relay_process import RelayProcess

REFUSED = 2  # exit status of a relay that may not start as things are, such as without a folder for its spool


class Relay:
    """One member of the group by its name, whatever process is it at the time."""

    def __init__(
        self, name: str, python: str, folder: Path, environ: Callable[[], dict[str, str]], defects: list[str]
    ) -> None:
        self.name = name
        self.process: RelayProcess | None = None
        self.peak = 0
        self.taken = False  # by a trouble that wants it for itself
        self._lock = threading.Lock()  # the watcher starts it again too
        self._python = python
        self._folder = folder
        self._environ = environ
        self._defects = defects

    def start(self) -> None:
        with self._lock:
            self._start()

    def _start(self) -> None:
        self.end()
        self.process = RelayProcess(self._python, self._environ(), self._folder).start()

    def running(self) -> RelayProcess:
        assert self.process is not None
        return self.process

    def stop(self, timeout: float = 60.0) -> None:
        """In good order, and no later than it may take."""
        if self.running().returncode == REFUSED:
            return  # at its start; the watcher has not looked since
        try:
            status = self.running().stop(timeout)
        except subprocess.TimeoutExpired:
            self._defects.append(f"{self.name} did not end within {timeout:g} s of SIGTERM")
            return
        if status != 0:
            self._defects.append(f"{self.name} ended with {status} on SIGTERM")

    def end(self) -> None:
        """Whatever it does; nothing of it is left."""
        if self.process is not None:
            self.process.__exit__(None, None, None)

    def look(self) -> None:
        """Note its memory; where it refused to start, start it again, as systemd does."""
        with self._lock:
            process = self.process
            if process is not None and process.process is not None and process.returncode == REFUSED:
                self._start()
        if process is None or process.process is None:
            return
        with contextlib.suppress(OSError, IndexError):  # ended meanwhile
            self.peak = max(self.peak, process.rss())


def threads_and_sockets(pid: int) -> tuple[int, int]:
    """Of a running process."""
    sockets = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            sockets += os.readlink(entry).startswith("socket:")
    return len(list(Path(f"/proc/{pid}/task").iterdir())), sockets
