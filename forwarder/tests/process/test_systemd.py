"""What systemd would receive, on a real datagram socket."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sls_hec_forwarder.process.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A socket as systemd binds it, and what NOTIFY_SOCKET says then."""
    name = f"@relay-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:] if name.startswith("@") else name)
        listener.settimeout(10)
        yield name, listener


def test_the_life_of_a_service(systemd: tuple[str, socket.socket]) -> None:
    name, listener = systemd
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready("reads\n2 shards")
    notifier.status("lag 3 s")
    notifier.watchdog()
    notifier.stopping()
    received = [listener.recv(4096) for _ in range(4)]
    assert received == [b"READY=1\nSTATUS=reads 2 shards", b"STATUS=lag 3 s", b"WATCHDOG=1", b"STOPPING=1"]
    notifier.close()


def test_a_reload_says_when_it_began(systemd: tuple[str, socket.socket]) -> None:
    name, listener = systemd
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.reloading()
    first, second = listener.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    assert (
        before
        <= int(second.partition("MONOTONIC_USEC=")[2])
        <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    )
    notifier.close()


def test_nothing_happens_without_systemd() -> None:
    notifier = Notifier({})
    notifier.ready("x")
    notifier.watchdog()
    notifier.close()


def test_a_systemd_that_is_gone_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    with caplog.at_level(logging.WARNING):
        notifier.ready()
        notifier.watchdog()
    assert len(caplog.records) == 1
    notifier.close()


def test_the_words_of_others_can_be_sent_whatever_they_are(systemd: tuple[str, socket.socket]) -> None:
    """Else READY=1 would be lost with them, or the relay end."""
    name, listener = systemd
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready("no answer from \ud800\0x")
    assert listener.recv(4096) == b"READY=1\nSTATUS=no answer from \\ud800\\x00x"
    notifier.ready("\u5feb" * 1_000_000)
    assert listener.recv(65536).startswith(b"READY=1\nSTATUS=\xe5\xbf\xab")
    notifier.close()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_time_between_signs_of_life(environ: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environ).watchdog_interval == seconds
