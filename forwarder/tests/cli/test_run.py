"""`run`: how it starts, on each runtime, and how it says that it cannot."""

from __future__ import annotations

import json
import platform
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sls_hec_forwarder.process.allocator import MALLOC, PYPY_GC
from sls_hec_forwarder.spool.files import files

from ..spool.letters import read
from .conftest import TIMEOUT, World, ended

CONSOLE_SCRIPT = [str(Path(sys.executable).with_name("sls-hec-forwarder"))]
AS_MODULE = [sys.executable, "-m", "sls_hec_forwarder.cli"]


def first_line(process: subprocess.Popen[str]) -> str:
    """The first line on standard error."""
    assert process.stderr is not None
    assert select.select([process.stderr], [], [], TIMEOUT)[0], "nothing was said"
    return process.stderr.readline()


def test_logs_arrive_and_a_signal_ends_it(world: World) -> None:
    world.sls.load("proj", "store", logs=500)
    with ended(world.start("run")) as process:
        assert " INFO cli.run: sls-hec-forwarder " in first_line(process)
        deadline = time.monotonic() + TIMEOUT
        while world.hec.store.total < 500:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    assert world.settings["SLS_AK_KEY"] not in err


def letters(folder: Path) -> int:
    return sum(1 for path in files(folder) for _ in read(path))


def dropped(log: Path) -> bool:
    return log.exists() and "they are DROPPED" in log.read_text()


@pytest.mark.parametrize("full", ["hold", "drop"])
def test_refused_events_become_dead_letters(world: World, tmp_path: Path, full: str) -> None:
    """Saved, or given up where the settings want that and there is no place for them."""
    log = tmp_path / "log"
    world.hec.tokens.change("demo", indexes=["main"])
    world.settings.update(HEC_INDEX="secret", RELAY_SPOOL_FULL=full, RELAY_LOG_FILE=str(log))
    if full == "hold":
        world.settings["RELAY_SPOOL_DIR"] = str(tmp_path / "spool")
    world.sls.load("proj", "store", logs=20)
    with ended(world.start("run")) as process:
        deadline = time.monotonic() + TIMEOUT
        while letters(tmp_path / "spool") < 20 if full == "hold" else not dropped(log):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    assert world.hec.store.total == 0


def test_the_first_line_names_what_is_set_without_secrets(world: World) -> None:
    world.settings.update(RELAY_LOG_FORMAT="json", HEC_GZIP="1")
    with ended(world.start("run")) as process:
        line = json.loads(first_line(process))
    assert line["project"] == "proj"
    assert line["consumer"] == "relay-1"
    assert " SLS_AK_KEY=*** " in line["message"]
    assert " HEC_GZIP=1" in line["message"]
    assert "HEC_BATCH_BYTES" not in line["message"]


def environ_of(process: subprocess.Popen[str]) -> dict[str, str]:
    """The environment that the process was started with, or started itself anew with."""
    pairs = Path(f"/proc/{process.pid}/environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


@pytest.mark.parametrize("command", [CONSOLE_SCRIPT, AS_MODULE], ids=["script", "module"])
def test_memory_is_given_back_early(world: World, command: list[str]) -> None:
    """The environment says so, which is where glibc and PyPy look; the process keeps its id."""
    process = subprocess.Popen(
        [*command, "run"],
        env=world.environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with ended(process):
        first_line(process)
        environ = environ_of(process)
    tuned = {name: value for name, value in environ.items() if name in {**MALLOC, **PYPY_GC}}
    assert tuned == ({**MALLOC, **PYPY_GC} if platform.python_implementation() == "PyPy" else MALLOC)


def test_memory_management_that_is_set_stays(world: World) -> None:
    world.settings.update(PYPY_GC_MAJOR_COLLECT="1.5", MALLOC_ARENA_MAX="4")
    with ended(world.start("run")) as process:
        first_line(process)
        environ = environ_of(process)
    assert environ["PYPY_GC_MAJOR_COLLECT"] == "1.5"
    assert environ["MALLOC_ARENA_MAX"] == "4"


def test_all_wrong_settings_at_once(world: World) -> None:
    world.settings.update(SLS_ENDPONT="x", HEC_TOKEN="", HEC_GZIP="11", SLS_AK_KEY="")
    done = world.run("run")
    assert done.returncode == 2
    assert done.stdout == ""
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        "SLS_ENDPONT",
        "HEC_TOKEN",
        "HEC_GZIP",
        "SLS_AK_KEY",
    ]


def test_wrong_settings_are_told_before_anything_heavy_is_loaded() -> None:
    script = """
import json, sys
from sls_hec_forwarder.cli import main
assert main(["run"]) == 2
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env={}, capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & {"aliyun", "requests", "urllib3", "prometheus_client", "ssl", "http", "google"}


def test_a_metrics_port_that_is_taken(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        world.settings["RELAY_METRICS"] = str(taken.getsockname()[1])
        done = world.run("run")
    assert done.returncode == 1
    assert "CRITICAL cli.run: RELAY_METRICS: cannot listen on " in done.stderr
    assert "Traceback" not in done.stderr


def test_help_and_version() -> None:
    help_text = subprocess.run(
        [*AS_MODULE, "--help"], capture_output=True, text=True, timeout=TIMEOUT, check=True
    ).stdout
    assert "exit status:" in help_text
    assert all(command in help_text for command in ("run", "check", "status"))
    version = subprocess.run(
        [*CONSOLE_SCRIPT, "--version"], capture_output=True, text=True, timeout=TIMEOUT, check=True
    ).stdout
    assert version.startswith("sls-hec-forwarder ")
    assert platform.python_implementation() in version


@pytest.mark.parametrize("arguments", [[], ["fly"], ["status", "--interval", "-1"], ["run", "--json"]])
def test_wrong_arguments(arguments: list[str]) -> None:
    done = subprocess.run([*AS_MODULE, *arguments], capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 2
    assert "usage:" in done.stderr
