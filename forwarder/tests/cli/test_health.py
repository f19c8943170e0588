"""`health` asks a running instance; whoever cannot be asked is not healthy."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sls_hec_standins.hec import DEMO_TOKEN

from .conftest import TIMEOUT, World, ended


@pytest.fixture
def unix(world: World, tmp_path: Path) -> str:
    world.settings["RELAY_METRICS"] = f"unix:{tmp_path / 'metrics.sock'}"
    return str(tmp_path / "metrics.sock")


def until(world: World, status: str) -> tuple[int, dict[str, Any]]:
    """Ask until the instance says so; the exit status and the report then."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        done = world.run("health", "--json")
        report: dict[str, Any] = json.loads(done.stdout)
        assert DEMO_TOKEN not in done.stdout
        if report["status"] == status and (status != "ok" or report["ready"]):
            return done.returncode, report
        assert time.monotonic() < deadline, report
        time.sleep(0.2)


def test_an_instance_that_is_well_and_then_has_a_disabled_token(world: World, unix: str) -> None:
    with ended(world.start("run")):
        code, report = until(world, "ok")
        assert (code, report["conditions"]) == (0, [])
        assert world.run("health").stdout.startswith("ok: ready, ")
        world.hec.tokens.change("demo", disabled=True)
        world.sls.load("proj", "store", logs=10)
        code, report = until(world, "critical")
        assert (code, report["ready"]) == (1, False)
        assert report["conditions"][0]["name"] == "collector_holding"
        assert "Token disabled" in report["conditions"][0]["text"]
        assert "CRITICAL collector_holding" in world.run("health").stdout
        assert world.run("health", "--fail-on", "never").returncode == 0


def test_nobody_answers(world: World, unix: str) -> None:
    done = world.run("health", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["status"], report["ready"]) == (1, "unknown", False)
    assert "is the instance running?" in report["problem"]


def test_it_is_asked_though_another_setting_is_wrong_by_now(world: World, unix: str, tmp_path: Path) -> None:
    world.settings["RELAY_SPOOL_DIR"] = str(tmp_path / "spool")
    with ended(world.start("run")):
        until(world, "ok")
        (tmp_path / "spool").write_text("no folder")
        assert world.run("health").returncode == 0


def test_a_wrong_address_is_told(world: World) -> None:
    world.settings["RELAY_METRICS"] = "elsewhere"
    done = world.run("health")
    assert done.returncode == 2
    assert done.stderr.startswith("RELAY_METRICS: expected")


def test_metrics_are_off(world: World) -> None:
    done = world.run("health")
    assert done.returncode == 1
    assert "RELAY_METRICS is off" in done.stderr


def test_who_answers_is_no_relay(world: World, unix: str) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(unix)
        server.listen()

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(65536)
                client.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\n[[[[")

        thread = threading.Thread(target=answer)
        thread.start()
        done = world.run("health")
        thread.join(10)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
