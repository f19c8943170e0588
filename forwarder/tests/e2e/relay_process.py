"""The relay as its users run it: a process with an environment, watched through its notify socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType


def interpreters() -> list[str]:
    """The Pythons that programs under test run on; `scripts/test` names CPython and PyPy."""
    named = os.environ.get("RELAY_TEST_PYTHONS", "")
    if not named:
        raise AssertionError("RELAY_TEST_PYTHONS must name the interpreters to test, separated by ':'")
    return named.split(":")


class RelayProcess:
    """`sls-hec-forwarder run` on a given interpreter; use as a context manager.

    `environ` holds the relay's settings. Standard error goes to `log_path`. `program` is what follows the
    interpreter.
    """

    def __init__(
        self,
        python: str,
        environ: dict[str, str],
        folder: Path,
        *,
        program: Sequence[str] = ("-m", "sls_hec_forwarder.cli", "run"),
    ) -> None:
        self._program = program
        self._python = python
        self._environ = environ
        folder.mkdir(parents=True, exist_ok=True)
        self.log_path = folder / f"{environ['SLS_CONSUMER']}.log"
        # A socket's path has at most 107 bytes, which a test's folder may exceed.
        self._socket_folder = tempfile.TemporaryDirectory(prefix="relay-")
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(os.path.join(self._socket_folder.name, "notify"))
        self._notify.settimeout(0.2)
        self._ready = threading.Event()
        self._closing = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> RelayProcess:
        self._listener.start()
        environ = {
            **{key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ},
            "NOTIFY_SOCKET": self._notify.getsockname(),
            **self._environ,
        }
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self._python, *self._program],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def wait_ready(self, timeout: float = 60.0) -> RelayProcess:
        """Wait for READY=1."""
        if not self._ready.wait(timeout):
            raise AssertionError(f"the relay did not become ready:\n{self.log()}")
        return self

    @property
    def ready(self) -> bool:
        return self._ready.is_set()

    def _listen(self) -> None:
        """Reads what systemd would read: the queue of the socket is short."""
        while not self._closing.is_set():
            try:
                message = self._notify.recv(65536)
            except socket.timeout:
                continue
            if b"READY=1" in message.split(b"\n"):
                self._ready.set()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        assert self.process is not None
        return self.process.poll()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def rss(self) -> int:
        """Resident memory in bytes."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        """CPU time the process has used, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """As power loss does: no chance to save anything."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self, timeout: float = 60.0) -> int:
        """SIGTERM, and its exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout)

    def __enter__(self) -> RelayProcess:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self._closing.set()
        self._listener.join(5)
        self._notify.close()
        self._socket_folder.cleanup()
