"""Signals at any moment of the relay's life, singly and in bursts."""

from __future__ import annotations

import itertools
import signal
import time
from pathlib import Path

from .relay_process import RelayProcess
from .site import Site, wait_until

BOTH = (signal.SIGHUP, signal.SIGTERM)


def burst(relay: RelayProcess, *numbers: signal.Signals, signals: int = 300) -> None:
    """Signals in turn, microseconds apart."""
    for number in itertools.islice(itertools.cycle(numbers), signals):
        relay.signal(number)
        until = time.perf_counter() + 20e-6
        while time.perf_counter() < until:
            pass


def started_anew(relay: RelayProcess) -> bool:
    """It is being loaded with its memory management tuned, which is the longest part of the start."""
    return b"MALLOC_ARENA_MAX=" in Path(f"/proc/{relay.pid}/environ").read_bytes()


def listens(relay: RelayProcess) -> bool:
    """A handler for SIGHUP is there."""
    return bool(int(status(relay, "SigCgt"), 16) >> (signal.SIGHUP - 1) & 1)


def status(relay: RelayProcess, name: str) -> str:
    lines = Path(f"/proc/{relay.pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


def test_bursts_of_signals_hang_nothing_and_lose_nothing(site: Site, python: str) -> None:
    site.load(logs=4_000)
    relay = site.relay(python, "relay-1")
    wait_until(lambda: listens(relay), "the relay to answer signals")
    burst(relay, signal.SIGHUP)
    relay.wait_ready()
    for _ in range(20):
        burst(relay, signal.SIGHUP)
        time.sleep(0.01)
    site.load(logs=1_000, seed=2)
    site.wait_indexed(5_000)
    deadline = time.monotonic() + 60
    while relay.returncode is None and time.monotonic() < deadline:  # while it runs, stops and ends
        burst(relay, *BOTH)
    assert relay.returncode == 0, relay.log()
    result = site.compare()
    assert result.exact, str(result)


def test_a_relay_that_cannot_join_is_stopped_by_a_burst(site: Site, python: str) -> None:
    relay = site.relay(python, "relay-1", SLS_PROJECT="no-such-project")
    wait_until(lambda: "cannot" in relay.log() or "trying again" in relay.log(), "the relay to fail to join")
    burst(relay, *BOTH)
    wait_until(lambda: relay.returncode is not None, "the relay to end")
    assert relay.returncode == 0, relay.log()


def test_asked_to_stop_while_it_is_loaded_it_ends_before_it_joins(site: Site, python: str) -> None:
    relay = site.relay(python, "relay-1")
    wait_until(lambda: started_anew(relay), "the relay to start anew")
    burst(relay, *BOTH)
    wait_until(lambda: relay.returncode is not None, "the relay to end")
    assert relay.returncode == 0, relay.log()
    assert not site.holders()


def test_asked_to_reload_while_it_is_loaded_it_goes_on(site: Site, python: str) -> None:
    relay = site.relay(python, "relay-1")
    wait_until(lambda: started_anew(relay), "the relay to start anew")
    burst(relay, signal.SIGHUP)
    relay.wait_ready()
    assert relay.stop() == 0


def test_only_the_main_thread_lets_signals_in(site: Site, python: str) -> None:
    """A signal in another thread would interrupt what it does, and there is nothing there to answer it."""
    relay = site.relay(python, "relay-1").wait_ready()
    threads = [each for each in Path(f"/proc/{relay.pid}/task").iterdir() if each.name != str(relay.pid)]
    masks = [
        int(line.split()[1], 16)
        for each in threads
        for line in (each / "status").read_text().splitlines()
        if line.startswith("SigBlk:")
    ]
    assert len(masks) > 5
    assert all(mask >> (number - 1) & 1 for mask in masks for number in BOTH)
