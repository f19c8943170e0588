"""`run` when something fails that it cannot foresee: it ends, or goes on, as it would have otherwise."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import TIMEOUT, World, ended

RUN = [sys.executable, "-m", "sls_hec_forwarder.cli", "run"]

#: Runs `run` with one method that raises; says which threads are left behind it.
BROKEN = """
import importlib, os, sys, threading
from sls_hec_forwarder.cli import main
from sls_hec_forwarder.process import allocator
os.environ.update({**allocator.MALLOC, **allocator.PYPY_GC})

def fail(*args):
    raise RuntimeError("a defect")

module, name, method = sys.argv[1:]
setattr(getattr(importlib.import_module(f"sls_hec_forwarder.{module}"), name), method, fail)
try:
    main(["run"])
finally:
    main_thread = threading.main_thread()
    print(*sorted(thread.name for thread in threading.enumerate() if thread is not main_thread))
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def wait_indexed(world: World, process: subprocess.Popen[str], events: int) -> None:
    deadline = time.monotonic() + TIMEOUT
    while world.hec.store.total < events:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def start_broken(world: World, *method: str) -> subprocess.Popen[str]:
    world.settings["RELAY_METRICS"] = str(free_port())
    return subprocess.Popen(
        [sys.executable, "-c", BROKEN, *method],
        env=world.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "method",
    [
        ("hec.send.sender", "Sender", "start"),
        ("hec.send.worker", "Worker", "start"),
        ("service", "Service", "_status"),
        ("sls.group.consumer", "Consumer", "start"),
        ("sls.group.heartbeat", "Heartbeat", "start"),
        ("sls.group.watch", "Watch", "start"),
    ],
    ids=".".join,
)
def test_a_defect_at_any_step_ends_it_and_all_that_had_begun(world: World, method: tuple[str, ...]) -> None:
    with ended(start_broken(world, *method)) as process:
        out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert err.count("CRITICAL sls_hec_forwarder: unexpected error") == 1
    assert out.split() == []


@pytest.mark.parametrize(
    "method",
    [
        ("sls.group.consumer", "Consumer", "stop"),
        ("delivery.outbox", "Outbox", "close"),
        ("hec.send.sender", "Sender", "stop"),
        ("metrics", "Metrics", "close"),
    ],
    ids=".".join,
)
def test_a_defect_at_any_step_of_the_end_leaves_out_no_other_step(
    world: World, method: tuple[str, ...]
) -> None:
    world.sls.load("proj", "store", logs=10)
    with ended(start_broken(world, *method)) as process:
        wait_indexed(world, process, 10)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert err.count("CRITICAL sls_hec_forwarder: unexpected error") == 1
    own = {"sls.group.consumer": "sls", "hec.send.sender": "hec", "metrics": "metrics"}.get(method[0], "")
    assert {name.partition("-")[0] for name in out.split()} <= {own}


class Unwritable:
    """Standard error that takes nothing."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        if kind == "full pipe":
            self._reader, self.descriptor = os.pipe()
            os.set_blocking(self.descriptor, False)
            with contextlib.suppress(BlockingIOError):
                while os.write(self.descriptor, b"x" * 4096):
                    pass
            os.set_blocking(self.descriptor, True)
        elif kind == "closed pipe":
            reader, self.descriptor = os.pipe()
            os.close(reader)
        else:
            self.descriptor = os.open("/dev/full", os.O_WRONLY)

    def command(self, *command: str) -> list[str]:
        if self._kind == "closed":
            return ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
        return [*command]

    def close(self) -> None:
        os.close(self.descriptor)
        if self._kind == "full pipe":
            os.close(self._reader)


@pytest.fixture(params=["full disk", "full pipe", "closed pipe", "closed"])
def unwritable(request: pytest.FixtureRequest) -> Any:
    stderr = Unwritable(request.param)
    yield stderr
    stderr.close()


def test_nobody_takes_what_is_said_and_it_goes_on(world: World, unwritable: Unwritable) -> None:
    world.sls.load("proj", "store", logs=10)
    world.settings["RELAY_LOG_LEVEL"] = "debug"
    with ended(
        subprocess.Popen(
            unwritable.command(*RUN),
            env=world.environ(),
            stdout=subprocess.DEVNULL,
            stderr=unwritable.descriptor,
            text=True,
        )
    ) as process:
        wait_indexed(world, process, 10)
        process.send_signal(signal.SIGHUP)
        world.sls.load("proj", "store", logs=10, seed=2)
        wait_indexed(world, process, 20)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0


@pytest.mark.parametrize(
    ("changes", "status"), [({"HEC_TOKEN": ""}, 2), ({"RELAY_METRICS": "unix:/no/place"}, 1)]
)
def test_nobody_takes_what_is_said_and_it_fails_as_it_would(
    world: World, unwritable: Unwritable, changes: dict[str, str], status: int
) -> None:
    world.settings.update(changes)
    done = subprocess.run(
        unwritable.command(*RUN),
        env=world.environ(),
        stdout=subprocess.PIPE,
        stderr=unwritable.descriptor,
        timeout=TIMEOUT,
    )
    assert (done.returncode, done.stdout) == (status, b"")


def test_neither_the_log_file_nor_standard_error_can_be_written(world: World, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.symlink_to("/dev/full")
    world.settings["RELAY_LOG_FILE"] = str(log)
    world.sls.load("proj", "store", logs=10)
    with (
        open("/dev/full", "w") as full,
        ended(subprocess.Popen(RUN, env=world.environ(), stdout=full, stderr=full, text=True)) as process,
    ):
        wait_indexed(world, process, 10)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0
