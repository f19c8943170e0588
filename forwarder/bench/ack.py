"""What acknowledgement costs the whole relay: `python bench/ack.py --python python3 --python pypy3`.

The relay reads one logstore from its start, by turns for a token without acknowledgement and for one
whose acknowledgements take `--latency` seconds; the collector only counts lines. Time goes from the first
event to the last one accepted, so that the wait for the last acknowledgements is not in it.
"""

from __future__ import annotations

import argparse
import os
import sys

from rig import STORE, Rig, admin, runtime
from side_by_side import Row, measure

from sls_hec_standins.hec import DEMO_TOKEN


def run(python: str, acked: bool, args: argparse.Namespace) -> Row:
    """One turn."""
    hec = ["--count-only"]
    if acked:
        hec += ["--token", f"{DEMO_TOKEN},use_ack", "--ack-latency", str(args.latency)]
    sls = ["--pull-cache", "4096"]
    with Rig(shards=args.shards, sls=sls, hec=hec, folder=args.folder) as rig:
        rig.load(megabytes=args.megabytes, seed=1)
        admin(f"{rig.sls_admin}/pulls", {**STORE, "compression": "lz4", "count": 1000})
        settings = {"RELAY_BYTES_IN_FLIGHT": args.in_flight} if args.in_flight else {}
        return measure(rig, "ack" if acked else "no ack", python, rig.relay(python, "relay", **settings))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--python", action="append", help="interpreter of the relay; repeatable")
    add("--megabytes", type=float, default=500, help="raw data; default %(default)s")
    add("--latency", type=float, default=2.0, help="seconds to an acknowledgement; default %(default)s")
    add("--turns", type=int, default=2, help="default %(default)s")
    add("--shards", type=int, default=8, help="default %(default)s")
    add("--in-flight", default="", help="RELAY_BYTES_IN_FLIGHT, such as 64M")
    add("--folder", default="", help="where logs of the programs are kept")
    args = parser.parse_args()
    pythons = args.python or [sys.executable]
    print(
        f"{', '.join(map(runtime, pythons))}; {os.cpu_count()} CPUs; {args.shards} shards; {args.latency:g} s"
    )
    print(f"{'':9}{'':8}{'raw MB':>8}{'seconds':>9}{'MB/s':>7}{'CPU s/GB':>10}{'peak RSS':>10}", flush=True)
    for python in pythons:
        seconds = {"no ack": 0.0, "ack": 0.0}
        for _ in range(args.turns):
            for acked in (False, True):
                row = run(python, acked, args)
                seconds[row.program] += row.seconds
                print(
                    f"{row.python:9}{row.program:8}{row.raw:>8.0f}{row.seconds:>9.1f}"
                    f"{row.raw / row.seconds:>7.1f}{row.cpu_per_gb:>10.1f}{row.peak_rss:>10.0f}",
                    flush=True,
                )
        print(f"throughput with acknowledgement: {seconds['no ack'] / seconds['ack']:.0%} of that without")


if __name__ == "__main__":
    main()
