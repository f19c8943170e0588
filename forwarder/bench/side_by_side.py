"""The relay beside the guide's sample: `python bench/side_by_side.py --python python3 --python pypy3`.

Both read the same logstore, each from its start by a consumer group of its own, one after the other, and send
to a collector that only counts lines. The sample is slow: it gets the first part of the data, and when it is
through, the rest is loaded for the relay. CPU time is that of the whole process from its start, user and
system; "warm" leaves the first half of the events out.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import NamedTuple

from rig import STORE, Program, Rig, admin, runtime


class Row(NamedTuple):
    """What a program took. MB of raw LogGroups as SLS holds them; CPU in seconds."""

    program: str
    python: str
    raw: float
    events: int
    cpu: float
    warm_raw: float
    warm_cpu: float
    seconds: float
    peak_rss: float
    rss: float

    @property
    def cpu_per_gb(self) -> float:
        return self.cpu / self.raw * 1000

    @property
    def warm_cpu_per_gb(self) -> float:
        return self.warm_cpu / self.warm_raw * 1000


def measure(rig: Rig, name: str, python: str, program: Program) -> Row:
    """Watch `program` until it has delivered everything there is, and end it."""
    events, size = rig.received()
    raw_per_event = size / events / 1e6
    first: tuple[float, float] | None = None  # time and CPU at the first event, idle waits left out
    half: tuple[int, float] | None = None
    done = 0
    while done < events:
        time.sleep(0.1)
        if program.process.poll() is not None:
            raise RuntimeError(f"{name} on {python} ended; see {rig.folder}")
        done, now, cpu = rig.indexed()["events"], time.monotonic(), program.cpu
        if first is None and done:
            first = now, cpu
        if half is None and done >= events / 2:
            half = done, cpu
    assert first is not None
    assert half is not None
    row = Row(
        program=name,
        python=runtime(python).partition(" ")[0],
        raw=done * raw_per_event,
        events=done,
        cpu=cpu,
        warm_raw=(done - half[0]) * raw_per_event,
        warm_cpu=cpu - half[1],
        seconds=now - first[0],
        peak_rss=program.peak_rss,
        rss=program.rss,
    )
    program.end()
    rig.forget_indexed()
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--python", action="append", help="interpreter to run both on; repeatable")
    add("--megabytes", type=float, default=1000, help="raw data for the relay; default %(default)s")
    add("--guide-megabytes", type=float, default=60, help="for the sample; default %(default)s")
    add("--shards", type=int, default=8, help="default %(default)s")
    add("--mix", default="", help="products of the logs, such as waf=2,k8s; default: all")
    add("--folder", default="", help="where logs of the programs are kept")
    args = parser.parse_args()
    pythons = args.python or [sys.executable]
    sls = ["--pull-cache", "4096"]
    with Rig(shards=args.shards, sls=sls, hec=["--count-only"], folder=args.folder) as rig:
        print(f"{', '.join(map(runtime, pythons))}; {os.cpu_count()} CPUs; {args.shards} shards")
        print(
            f"{'':8}{'':9}{'raw MB':>8}{'events':>11}{'events/s':>10}{'CPU s':>8}{'CPU s/GB':>10}"
            f"{'MB/CPU s':>10}{'warm s/GB':>11}{'warm MB/s':>11}{'peak RSS':>10}{'RSS':>6}",
            flush=True,
        )
        rows: list[Row] = []
        mix = {"mix": args.mix} if args.mix else {}
        for name, start, megabytes in (
            ("guide", rig.guide, args.guide_megabytes),
            ("relay", rig.relay, args.megabytes - args.guide_megabytes),
        ):
            rig.load(megabytes=megabytes, seed=len(rows), **mix)
            admin(f"{rig.sls_admin}/pulls", {**STORE, "compression": "lz4", "count": 1000})
            for python in pythons:
                row = measure(rig, name, python, start(python, f"{name}-{len(rows)}"))
                rows.append(row)
                print(
                    f"{row.program:8}{row.python:9}{row.raw:>8.0f}{row.events:>11,}"
                    f"{row.events / row.seconds:>10,.0f}{row.cpu:>8.1f}"
                    f"{row.cpu_per_gb:>10.1f}{1000 / row.cpu_per_gb:>10.1f}"
                    f"{row.warm_cpu_per_gb:>11.1f}{1000 / row.warm_cpu_per_gb:>11.1f}"
                    f"{row.peak_rss:>10.0f}{row.rss:>6.0f}",
                    flush=True,
                )
    for guide, relay in zip(rows[: len(pythons)], rows[len(pythons) :]):
        print(
            f"{relay.python}: the relay takes {guide.cpu_per_gb / relay.cpu_per_gb:.1f} times less CPU "
            f"per GB, {guide.warm_cpu_per_gb / relay.warm_cpu_per_gb:.1f} times less once both are warm"
        )


if __name__ == "__main__":
    main()
