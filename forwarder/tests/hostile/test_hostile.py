"""Every end of the relay misbehaves in every way of the table; see docs/hostile-ends.md."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ..e2e.relay_process import interpreters
from . import clients, rounds
from .table import CUT, Row, client_rows, relay_rows
from .world import World


@pytest.fixture(params=interpreters(), ids=lambda path: "pypy" if "pypy" in path else "cpython")
def python(request: pytest.FixtureRequest) -> str:
    path: str = request.param
    return path


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def test_the_table_is_long_and_no_row_stands_in_it_twice() -> None:
    found = [str(row) for row in [*relay_rows(), *client_rows()]]
    assert len(found) >= 150
    assert len(set(found)) == len(found)
    assert {row.end for row in relay_rows()} == {"SLS", "HEC", "proxy", "metadata"}


def test_no_end_harms_a_relay_or_takes_an_event(tmp_path: Path, python: str) -> None:
    with World(tmp_path) as world:
        results = rounds.run(world, python, relay_rows(), say)
        strangers = world.front.strangers
        refused = [*(tmp_path / "spool").rglob("*.gz")]
    say(f"{results}")
    assert not results.wrong, f"\n{results}"
    assert not strangers, "a redirect was followed"
    assert not refused, "an event was refused because of an answer"
    assert results.comparison.complete, str(results.comparison)


def test_no_end_harms_a_single_call(tmp_path: Path, python: str) -> None:
    """Each call is made while its end misbehaves; an answer that is cut is never taken for one."""
    by_call: dict[str, list[Row]] = defaultdict(list)
    for row in client_rows():
        by_call[row.call].append(row)
    results = rounds.Results()
    results.rows = client_rows()
    with World(tmp_path) as world:
        world.load(200)
        cursor = "MTAwMA=="
        with clients.ClientProcess(python, world.given(cursor)) as process:
            process.ask("create group")

            def work(call: str) -> None:
                began = time.monotonic()
                for row in by_call.get(call, []):
                    wrong = clients.run_row(process, world.front, row)
                    if wrong:
                        results.wrong[str(row)] = wrong
                if call in CUT:
                    wrong = clients.run_cuts(process, world.front, call)
                    if wrong:
                        results.wrong[f"{call} cut at every byte"] = wrong

                say(f"{call}: {time.monotonic() - began:.1f} s")

            calls = list(dict.fromkeys([*CUT, *by_call]))
            with ThreadPoolExecutor(len(calls)) as pool:
                list(pool.map(work, calls))
            results.peak = process.peak
            threads = process.threads
        strangers = world.front.strangers
    say(f"{results}")
    assert not results.wrong, f"\n{results}"
    assert results.peak < rounds.PEAK
    assert threads <= clients.WIDTH + 2, "a call left a thread behind"
    assert not strangers, "a redirect was followed"
