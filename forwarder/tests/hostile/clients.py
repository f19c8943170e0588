"""Runs the rows that concern single calls, several at a time, and cuts answers at every byte."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from sls_hec_forwarder.process.allocator import MALLOC, PYPY_GC

from .client_calls import WIDTH
from .front import Exchange, Front, Gone, Shot
from .table import CUT, Row

#: Each exchange may last so long (seconds): its deadline, and one more for the machine.
ALLOWED = 2.0
#: The metadata service's: of the token, or of everything.
METADATA_ALLOWED = 8.0
_PATIENCE = 60.0


class ClientProcess:
    """`client_calls.py` on one interpreter; use as a context manager. `ask` is thread-safe."""

    def __init__(self, python: str, given: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [python, "-m", "tests.hostile.client_calls", json.dumps(given)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, **MALLOC, **PYPY_GC},  # as every command of the relay has it
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lock = threading.Lock()
        self._number = 0
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> ClientProcess:
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._reader.join(10)
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            with self._lock:
                answers = self._answers.pop(told["id"])
            answers.put(told)

    def ask(self, call: str) -> dict[str, Any]:
        """The outcome. Raises queue.Empty when there is none: the process or a thread of it has ended."""
        answers: queue.Queue[dict[str, Any]] = queue.Queue()
        with self._lock:
            self._number += 1
            self._answers[self._number] = answers
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"id": self._number, "call": call}) + "\n")
            self._process.stdin.flush()
        return answers.get(timeout=_PATIENCE)

    @property
    def threads(self) -> int:
        return int(self.ask("threads")["result"])

    @property
    def peak(self) -> int:
        return peak_memory(self._process.pid)


def peak_memory(pid: int) -> int:
    """Bytes resident at most since the process began, or since `forget_peak`."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has ended")


def run_row(process: ClientProcess, front: Front, row: Row) -> list[str]:
    """What is wrong."""
    shot = front.plan(Shot(row.call, row.misbehave, row.wants))
    try:
        found = process.ask(row.call)
    except queue.Empty:
        return ["no outcome: the client hangs, or its process has ended"]
    wrong = []
    if not shot.over.wait(_PATIENCE):
        return ["the call did not come, or its exchange did not end"]
    if shot.problem:
        wrong.append(shot.problem)
    if "defect" in found:
        wrong.append(f"{found['defect']}, which no caller expects: {found['text']}")
    allowed = METADATA_ALLOWED if row.end == "metadata" else ALLOWED
    if shot.seconds > allowed:
        wrong.append(f"the exchange lasted {shot.seconds:.1f} s")
    return wrong


def cut_at(length: int) -> Any:
    def misbehave(exchange: Exchange) -> None:
        exchange.send(exchange.real().wire()[:length])
        raise Gone

    return misbehave


def run_cuts(process: ClientProcess, front: Front, call: str) -> list[str]:
    """`call` with its answer cut at every byte; an answer that is cut is never taken for one."""
    size: list[int] = []

    def whole(exchange: Exchange) -> None:
        answer = exchange.real().wire(close=True)
        size.append(len(answer))
        exchange.send(answer)

    shot = front.plan(Shot(call, whole))
    found = process.ask(call)
    if "defect" in found or not shot.over.wait(_PATIENCE):
        return [f"not cut at all, and yet: {found}"]
    wrong = []
    for length in range(size[0] - len("Connection: close\r\n")):
        shot = front.plan(Shot(call, cut_at(length)))
        found = process.ask(call)
        if "defect" in found:
            wrong.append(f"cut after {length} bytes: {found['defect']}: {found['text']}")
        elif "result" in found and not _says_so(call, found["result"]):
            wrong.append(f"cut after {length} bytes: taken for an answer: {found['result']}")
        if not shot.over.wait(_PATIENCE):
            wrong.append(f"cut after {length} bytes: the exchange did not end")
    return wrong[:5]


def _says_so(call: str, result: str) -> bool:
    """The collectors' client has a result for what is no answer as well."""
    return call == "event" and "(HTTP " not in result


__all__ = ["CUT", "WIDTH", "ClientProcess", "peak_memory", "run_cuts", "run_row"]
