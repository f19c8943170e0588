"""Runs the rows that concern a whole relay: as many at a time as concern different calls, then a check.

A round that goes wrong is repeated row by row, each with a relay of its own, so that the row at fault is
named; what does not happen again there is told as of the rows together.
"""

from __future__ import annotations

import http.client
import json
import socket
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sls_hec_standins.hec.compare import Comparison

from ..e2e.relay_process import RelayProcess
from . import front
from .clients import peak_memory
from .front import Shot
from .table import Row
from .world import SHARDS, World

#: Rows of one call that may run at a time.
AT_ONCE = {front.PULL: 4, front.EVENT: 4, front.ACK: 2, front.SAVE: 2}
#: Seconds that the relay may keep an exchange open: its deadline (1), and one more for the machine.
ALLOWED = 2.0
#: The same of the metadata service, whose deadline `fast_relay` sets to 1.5 s.
METADATA_ALLOWED = 2.5
PEAK = 300_000_000
PATIENCE = 45.0
#: Rounds that go wrong are repeated row by row, up to so many rows.
REPEATED = 40
_PROGRAM = Path(__file__).with_name("fast_relay.py")


def rounds(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Every row once, in its order, with as many of each call together as may be."""
    left: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        left[row.call].append(row)
    while any(left.values()):
        together = []
        for call, waiting in left.items():
            count = AT_ONCE.get(call, 1)
            together += waiting[:count]
            del waiting[:count]
        yield together


class Relay:
    """A running relay, and what is looked at after each round."""

    def __init__(self, world: World, process: RelayProcess, metrics: str) -> None:
        self._world = world
        self._process = process
        self._metrics = metrics
        self._read = 0  # of the log
        #: Bytes resident at most in the last round.
        self.peak = 0
        self.threads = 0

    def settle(self) -> None:
        """Once everything has begun: how many threads that takes."""
        self._world.load(200)
        self._wait(lambda: self._world.indexed >= self._world.loaded, "the first events")
        self._wait(lambda: not self._conditions(), "good health")
        before, since = self._count(), time.monotonic()
        while time.monotonic() - since < 2.0:
            time.sleep(0.1)
            if (now := self._count()) != before:
                before, since = now, time.monotonic()
        self.threads = before

    def run(self, rows: Sequence[Row]) -> list[str]:
        """What is wrong after `rows` and after everything behaves again."""
        world = self._world
        shots = [(row, world.front.plan(Shot(row.call, row.misbehave, row.wants))) for row in rows]
        until = time.monotonic() + PATIENCE
        while not all(shot.over.is_set() for _, shot in shots) and time.monotonic() < until:
            if self._process.returncode is not None:
                break
            world.load(40)
            time.sleep(0.1)
        world.front.forget()
        wrong = []
        for row, shot in shots:
            wrong += [f"{row}: {each}" for each in _of_shot(row, shot)]
        wrong += self._after()
        return wrong

    def _after(self) -> list[str]:
        wrong = []
        if self._process.returncode is None:
            try:
                self._wait(lambda: self._world.indexed >= self._world.loaded, "every event to arrive")
                self._wait(lambda: self._count() == self.threads, "the threads of before")
                self._wait(self._is_well, "good health")
            except AssertionError as error:
                wrong.append(str(error))
        if self._process.returncode is not None:
            return [f"the relay has ended with status {self._process.returncode}: {self._new_log()[-1500:]}"]
        if (peak := peak_memory(self._process.pid)) > PEAK:
            wrong.append(f"{peak // 1_000_000} MB resident")
        self.peak = peak
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")  # the peak begins anew
        log = self._new_log()
        if "Traceback" in log:
            wrong.append(f"a traceback in the log: {log[log.index('Traceback') :][:1500]}")
        if not all(line.isprintable() for line in log.replace("\t", " ").split("\n")):
            wrong.append("a log line that no terminal should get")
        return wrong

    def _new_log(self) -> str:
        log = self._process.log()
        new, self._read = log[self._read :], len(log)
        return new

    def _wait(self, true: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + PATIENCE
        while not true():
            if self._process.returncode is not None:
                raise AssertionError(f"the relay ended with status {self._process.returncode}")
            if time.monotonic() > until:
                raise AssertionError(f"waited {PATIENCE:g} s in vain for {what}: {self._state()}")
            time.sleep(0.05)

    def _is_well(self) -> bool:
        """A collector that was given up shows that it is well by taking an event."""
        if not self._conditions():
            return True
        if self._world.indexed >= self._world.loaded:
            self._world.load(10)
        time.sleep(0.1)
        return False

    def _state(self) -> str:
        return (
            f"{self._world.indexed} of {self._world.loaded} events, {self._count()} threads where there were "
            f"{self.threads}, {self._conditions()}"
        )

    def _count(self) -> int:
        return len(list(Path(f"/proc/{self._process.pid}/task").iterdir()))

    def _conditions(self) -> list[str]:
        report = _ask(self._metrics)
        if report is None:
            return ["no answer"]
        held = len(report.get("shards", {}).get("held", []))
        found = [f"{each['name']} {each['subject']}: {each['text']}" for each in report["conditions"]]
        return found if held == SHARDS else [*found, f"{held} shards held"]


def _ask(path: str) -> dict[str, Any] | None:
    connection = http.client.HTTPConnection("localhost", timeout=5)
    try:
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(5)
        connection.sock.connect(path)
        connection.request("GET", "/healthz")
        report: dict[str, Any] = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return report


def _of_shot(row: Row, shot: Shot) -> Iterator[str]:
    if not shot.fired:
        yield "the call did not come"
    elif not shot.over.is_set():
        yield "its exchange did not end"
    if shot.problem:
        yield shot.problem
    if shot.seconds > (METADATA_ALLOWED if row.end == "metadata" else ALLOWED):
        yield f"the exchange lasted {shot.seconds:.1f} s"


@contextmanager
def relay(world: World, python: str, name: str) -> Iterator[Relay]:
    """A relay that has settled; it must end in good order."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as short:
        metrics = f"{short}/metrics"
        environ = world.environ(f"unix:{metrics}", world.folder / "spool")
        program = (str(_PROGRAM), "run")
        with RelayProcess(python, environ, world.folder / name, program=program) as process:
            running = Relay(world, process.wait_ready(), metrics)
            running.settle()
            yield running
            if process.returncode is None and process.stop() != 0:
                raise AssertionError(f"the relay did not stop in good order:\n{process.log()[-2000:]}")


class Results:
    """What was wrong, by row, and with which rows together."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.wrong: dict[str, list[str]] = {}
        self.peak = 0
        self.comparison = Comparison()

    def table(self) -> str:
        """How many rows there were by end and family, and how many went wrong."""
        counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        for row in self.rows:
            found = counts[row.end, row.family]
            found[0] += 1
            found[1] += str(row) in self.wrong
        lines = [f"{'end':<10}{'family':<10}{'rows':>6}{'wrong':>7}"]
        lines += [
            f"{end:<10}{family:<10}{total:>6}{wrong:>7}"
            for (end, family), (total, wrong) in sorted(counts.items())
        ]
        total = sum(each[0] for each in counts.values())
        lines.append(f"{'all':<20}{total:>6}{sum(each[1] for each in counts.values()):>7}")
        return "\n".join(lines)

    def __str__(self) -> str:
        wrong = [f"WRONG {name}: {each}" for name, found in self.wrong.items() for each in found]
        return "\n".join([self.table(), f"peak memory {self.peak // 1_000_000} MB", *wrong])


def run(world: World, python: str, rows: Sequence[Row], say: Callable[[str], None]) -> Results:
    results = Results()
    results.rows = list(rows)
    left = list(rounds(rows))
    suspects: list[tuple[list[Row], list[str]]] = []
    number = 0
    while left:
        number += 1
        with relay(world, python, f"relay-{number}") as running:
            while left:
                together = left.pop(0)
                began = time.monotonic()
                wrong = running.run(together)
                took = time.monotonic() - began
                say(f"{len(together)} rows: {took:.1f} s, {running.peak // 1_000_000} MB, {wrong or 'well'}")
                results.peak = max(results.peak, running.peak)
                if wrong:
                    suspects.append((together, wrong))
                    break  # the next round begins with a relay that is well
    repeated = 0
    for together, wrong in suspects:
        found_one = False
        for row in together:
            if repeated >= REPEATED:
                break
            repeated += 1
            with relay(world, python, f"alone-{repeated}") as running:
                alone = running.run([row])
            say(f"alone: {row}: {alone or 'well'}")
            if alone:
                found_one = True
                results.wrong[str(row)] = alone
        if not found_one:
            results.wrong[f"{len(together)} rows together, the first of them {together[0]}"] = wrong
    results.comparison = world.compare()
    return results
