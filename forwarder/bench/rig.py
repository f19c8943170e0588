"""What benchmarks share: both stand-ins and the programs under test, each a process of its own.

So the CPU time and memory of a program are its own. MB and GB are 10^6 and 10^9 bytes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable

from sls_hec_standins.hec import DEMO_TOKEN

PROJECT, LOGSTORE = "audit-project", "audit-logs"
STORE = {"project": PROJECT, "logstore": LOGSTORE}
KEY_ID, KEY_SECRET = "access-key-id", "access-key-secret"

_TICKS = os.sysconf("SC_CLK_TCK")
_ADMIN_TIMEOUT = 900.0  # seconds; loads and comparisons are answered when they are done
_END_TIMEOUT = 60.0


class Program:
    """A process and what the kernel knows of it."""

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], log: Path, *, says: bool = False
    ) -> None:
        """`says`: its standard output is to be read, instead of going to `log` like its errors."""
        inherited = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ
        }
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(
                command,
                env={**inherited, **environ},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if says else errors,
                stderr=errors,
            )
        self._proc = Path(f"/proc/{self.process.pid}")

    @property
    def cpu(self) -> float:
        """CPU seconds used, user and system (proc(5), fields 14 and 15)."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def rss(self) -> float:
        """Resident memory in MB."""
        return self._status("VmRSS") * 1024 / 1e6

    @property
    def peak_rss(self) -> float:
        """The most resident memory so far in MB."""
        return self._status("VmHWM") * 1024 / 1e6

    @property
    def threads(self) -> int:
        return self._status("Threads")

    @property
    def open_files(self) -> int:
        return len(os.listdir(self._proc / "fd"))

    def _status(self, name: str) -> int:
        for line in (self._proc / "status").read_text().splitlines():
            key, _, value = line.partition(":")
            if key == name:
                return int(value.split()[0])
        raise LookupError(f"{name} of process {self.process.pid}")

    def end(self) -> int:
        """SIGTERM, then patience; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(_END_TIMEOUT)
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()


class Rig:
    """Use as a context manager: the stand-ins run, with one logstore; all that was started ends with it.

    `sls` and `hec` are more options of the stand-ins, which run on `python`. Logs of the programs are in
    `folder`, which stays if it was given.
    """

    def __init__(
        self,
        *,
        shards: int = 8,
        sls: Sequence[str] = (),
        hec: Sequence[str] = (),
        folder: str = "",
        python: str = sys.executable,
    ) -> None:
        self._options = {
            "sls": [f"--create={PROJECT}/{LOGSTORE}:{shards}", f"--access-key={KEY_ID}:{KEY_SECRET}", *sls],
            "hec": list(hec),
        }
        self.shards = shards
        self._python = python
        self._stack = ExitStack()
        self.folder = Path(folder or self._stack.enter_context(tempfile.TemporaryDirectory()))

    def __enter__(self) -> Rig:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that all ends with us
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as starting:
            starting.push(self._stack)
            self.sls_url, self.sls_admin, self.sls = self._standin("sls")
            self.hec_url, self.hec_admin, self.hec = self._standin("hec")
            starting.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _standin(self, name: str) -> tuple[str, str, Program]:
        options = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *self._options[name]]
        command = [self._python, "-m", f"sls_hec_standins.{name}.cli", *options]
        program = Program(command, {}, self.folder / f"{name}-standin.log", says=True)
        self._stack.callback(program.end)
        assert program.process.stdout is not None
        # "<name>-standin ready: <name> URL admin URL"
        words = program.process.stdout.readline().decode().split()
        if words[1:2] != ["ready:"]:
            raise RuntimeError(f"{' '.join(command)} did not start")
        return words[3], words[5], program

    # The programs under test.

    def relay(self, python: str, group: str, **settings: str) -> Program:
        """`sls-hec-forwarder run` with only endpoints and credentials set, and `settings`."""
        environ = {**self._sls_environ(group), "HEC_ENDPOINTS": self.hec_url, **settings}
        return self._start([python, "-m", "sls_hec_forwarder.cli", "run"], environ)

    def guide(self, python: str, group: str) -> Program:
        """The guide's sample."""
        host, _, port = self.hec_url.partition("//")[2].partition(":")
        environ = {**self._sls_environ(group), "HEC_HOST": host, "HEC_PORT": port, "HEC_HTTPS": "false"}
        return self._start([python, str(Path(__file__).with_name("sample_guide.py"))], environ)

    def _sls_environ(self, group: str) -> dict[str, str]:
        return {
            "http_proxy": self.sls_url,
            "no_proxy": "127.0.0.1",
            "SLS_ENDPOINT": "http://sls.test",
            "SLS_AK_ID": KEY_ID,
            "SLS_AK_KEY": KEY_SECRET,
            "SLS_PROJECT": PROJECT,
            "SLS_LOGSTORE": LOGSTORE,
            "SLS_CG": group,
            "HEC_TOKEN": DEMO_TOKEN,
        }

    def _start(self, command: Sequence[str], environ: Mapping[str, str]) -> Program:
        program = Program(command, environ, self.folder / f"{environ['SLS_CG']}.log")
        self._stack.callback(program.end)
        return program

    # What the stand-ins know.

    def received(self) -> tuple[int, int]:
        """Logs, and bytes of them, that SLS got so far."""
        shards = self._logstore()["shards"]
        return sum(each["received_logs"] for each in shards), sum(each["received_bytes"] for each in shards)

    def owned(self, group: str) -> int:
        """Shards that somebody holds."""
        groups = self._logstore()["groups"]
        shards = groups[group]["shards"].values() if group in groups else ()
        return sum(1 for each in shards if each["holder"])

    def _logstore(self) -> Any:
        return admin(f"{self.sls_admin}/state")["projects"][PROJECT]["logstores"][LOGSTORE]

    def indexed(self) -> dict[str, int]:
        """Totals of the HEC stand-in: events, identities, duplicates, bytes."""
        state: dict[str, int] = admin(f"{self.hec_admin}/state")
        return state

    def load(self, **plan: Any) -> None:
        admin(f"{self.sls_admin}/loads", {**STORE, **plan})

    def forget_indexed(self) -> None:
        admin(f"{self.hec_admin}/events", method="DELETE")


def admin(url: str, obj: Any = None, method: str = "") -> Any:
    """Ask an admin API: POST if there is an object, else GET, unless said otherwise."""
    data = None if obj is None else json.dumps(obj).encode()
    request = urllib.request.Request(url, data, method=method or ("POST" if data else "GET"))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_ADMIN_TIMEOUT) as answer:
        return json.load(answer)


def wait_until(true: Callable[[], bool], what: str, patience: float) -> None:
    """Look often until it is so; TimeoutError after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience:g} s in vain for {what}")
        time.sleep(0.1)


def runtime(python: str) -> str:
    """Such as "PyPy 3.9.16 (7.3.11)"."""
    code = (
        "import platform as p, sys; v = getattr(sys, 'pypy_version_info', None);"
        "print(p.python_implementation(), p.python_version(), *(['(%d.%d.%d)' % v[:3]] if v else []))"
    )
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def every(seconds: float, until: float) -> Iterator[float]:
    """Yield at a steady beat until the monotonic time `until`; what is yielded is the time."""
    beat = time.monotonic()
    while beat < until:
        yield beat
        beat += seconds
        time.sleep(max(0.0, beat - time.monotonic()))
