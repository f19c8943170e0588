"""Hours of steady load: does memory stay, does everything arrive? `python bench/soak.py --python pypy3`.

Logs come at a steady rate. Every `--round` minutes the load pauses until everything has arrived: each log has
to be indexed, once, and those of one shard are compared field by field. Then both stand-ins forget them, so
that their own memory stays bounded. `--outage-at` and `--outage-seconds` take HEC away for a while; the round
then lasts until what has piled up is delivered.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import sys
import time
import urllib.request
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from rig import STORE, Program, Rig, admin, every, runtime, wait_until

GROUP = "soak"
_SAMPLE = 10.0  # seconds between looks
_PATIENCE = 900.0  # seconds that all of a round may take to arrive once the load pauses


class Sample(NamedTuple):
    """One look at the relay. MB of memory; logs that SLS holds and HEC has not; seconds of lag."""

    minute: float
    rss: float
    threads: int
    files: int
    cpu: float
    owned: int
    behind: int
    lag: float
    in_flight: float


class Totals:
    """What the rounds found, in logs."""

    def __init__(self) -> None:
        self.rounds = 0
        self.logs = 0
        self.missing = 0
        self.duplicates = 0
        self.compared = 0
        self.mismatches = 0


class Soak:
    def __init__(self, rig: Rig, python: str, rate: float, settings: Mapping[str, str]) -> None:
        self._rig = rig
        self._rate = rate
        self.totals = Totals()
        self.samples: list[Sample] = []
        self._metrics = free_port()
        # The comparison has the texts of fields as they are.
        own = {"RELAY_UNFOLD": "{}", "RELAY_METRICS": str(self._metrics)}
        self.relay = rig.relay(python, GROUP, **own, **settings)
        wait_until(lambda: rig.owned(GROUP) == rig.shards, "the relay to hold the shards", 60)
        self._started = time.monotonic()

    def begin_round(self) -> None:
        self._rig.load(rate=self._rate, seed=self.totals.rounds, nasty=0.01)

    def end_round(self) -> None:
        """Let all arrive, count and compare, and make both stand-ins forget it."""
        rig, totals = self._rig, self.totals
        admin(f"{rig.sls_admin}/loads", method="DELETE")
        try:
            wait_until(lambda: self._behind() == 0, "everything to be indexed", _PATIENCE)
        except TimeoutError as problem:
            print(problem)
        shard = totals.rounds % rig.shards
        truth = f"{rig.sls_admin}/truth?{urlencode({**STORE, 'shard': shard})}"
        compared = admin(f"{rig.hec_admin}/compare?{urlencode({'truth': truth, 'check_time': 'true'})}", {})
        totals.missing += self._behind()
        totals.duplicates += rig.indexed()["duplicates"]
        totals.compared += compared["expected"]
        totals.mismatches += compared["mismatches"]
        totals.logs = rig.received()[0]
        totals.rounds += 1
        admin(f"{rig.sls_admin}/shards/expire", STORE)
        rig.forget_indexed()

    def _behind(self) -> int:
        """Logs of this round that are not indexed: every identity is a log, so equal counts mean all."""
        return self._rig.received()[0] - self.totals.logs - self._rig.indexed()["identities"]

    def look(self) -> Sample:
        relay, metrics = self.relay, self._scrape()
        sample = Sample(
            minute=(time.monotonic() - self._started) / 60,
            rss=relay.rss,
            threads=relay.threads,
            files=relay.open_files,
            cpu=relay.cpu,
            owned=self._rig.owned(GROUP),
            behind=self._behind(),
            lag=max(metrics.get("sls_hec_shard_lag_seconds", [0.0])),
            in_flight=sum(metrics.get("sls_hec_bytes_in_flight", [])) / 1e6,
        )
        self.samples.append(sample)
        return sample

    def _scrape(self) -> dict[str, list[float]]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self._metrics}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        values: dict[str, list[float]] = {}
        for line in text.splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                values.setdefault(name.partition("{")[0], []).append(float(value))
        return values


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def run(soak: Soak, rig: Rig, args: argparse.Namespace) -> int:
    """The whole time; the fewest shards that the relay held while HEC was away."""
    start = time.monotonic()
    outage_from = start + args.outage_at * 60 if args.outage_at else float("inf")
    outage_to, is_out = outage_from + args.outage_seconds, False
    round_end, next_row, least_owned = start + args.round * 60, start, rig.shards
    print(
        f"{'min':>6}{'RSS MB':>8}{'threads':>8}{'files':>6}{'CPU %':>7}{'shards':>7}"
        f"{'behind':>9}{'lag s':>7}{'in flight MB':>13}{'missing':>8}{'dupl.':>6}"
    )
    soak.begin_round()
    shown_cpu, shown_at = soak.relay.cpu, start
    for now in every(_SAMPLE, start + args.minutes * 60):
        if not is_out and outage_from <= now < outage_to:
            is_out = True
            admin(f"{rig.hec_admin}/faults", {"kind": "refuse"})
            print(f"HEC refuses connections from here, {args.outage_seconds:g} s")
        elif is_out and now >= outage_to:
            is_out = False
            admin(f"{rig.hec_admin}/faults", method="DELETE")
            print("HEC is back")
        sample = soak.look()
        if is_out:
            least_owned = min(least_owned, sample.owned)
        if now >= next_row:
            next_row = now + args.row
            share = (sample.cpu - shown_cpu) / max(0.1, time.monotonic() - shown_at) * 100
            shown_cpu, shown_at = sample.cpu, time.monotonic()
            print(
                f"{sample.minute:>6.1f}{sample.rss:>8.0f}{sample.threads:>8}{sample.files:>6}{share:>7.1f}"
                f"{sample.owned:>7}{sample.behind:>9,}{sample.lag:>7.1f}{sample.in_flight:>13.1f}"
                f"{soak.totals.missing:>8}{soak.totals.duplicates:>6}",
                flush=True,
            )
        # While much is piled up the round goes on: a pause is no place to catch up.
        if now >= round_end and not is_out and sample.behind < 10 * args.rate:
            soak.end_round()
            soak.begin_round()
            round_end = time.monotonic() + args.round * 60
    if is_out:
        admin(f"{rig.hec_admin}/faults", method="DELETE")
    soak.end_round()
    return least_owned


def verdict(soak: Soak, relay: Program, least_owned: int, has_outage: bool) -> bool:
    """Print what came of it; whether all is well."""
    last = soak.samples[-1].minute
    early = [each for each in soak.samples if 4 <= each.minute <= 6] or soak.samples[:1]
    late = [each for each in soak.samples if each.minute >= last - 2]
    totals = soak.totals
    print(f"\n{'':22}{'minute 5':>10}{'the end':>10}{'most':>10}   (medians of two minutes)")
    for name, field in (("RSS MB", "rss"), ("threads", "threads"), ("open files", "files")):
        columns = [[getattr(each, field) for each in each_part] for each_part in (early, late, soak.samples)]
        first, end, most = statistics.median(columns[0]), statistics.median(columns[1]), max(columns[2])
        print(f"{name:22}{first:>10.0f}{end:>10.0f}{most:>10.0f}")
    print(f"peak RSS by the kernel: {relay.peak_rss:.0f} MB")
    print(
        f"{totals.logs:,} logs in {totals.rounds} rounds: {totals.missing} missing, "
        f"{totals.duplicates} twice; {totals.compared:,} compared field by field: {totals.mismatches} differ"
    )
    if has_outage:
        print(f"shards held while HEC was away, at least: {least_owned}")
    status = relay.end()
    print(f"exit status of the relay: {status}")
    return not (totals.missing or totals.mismatches or status)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--python", default=sys.executable, help="interpreter of the relay; default %(default)s")
    add("--standin-python", default=sys.executable, help="interpreter of the stand-ins; default %(default)s")
    add("--minutes", type=float, default=60, help="default %(default)s")
    add("--rate", type=float, default=2000, help="logs a second, of about 1200 bytes; default %(default)s")
    add("--shards", type=int, default=8, help="default %(default)s")
    add("--round", type=float, default=5, help="minutes; default %(default)s")
    add("--row", type=float, default=60, help="seconds between rows of the table; default %(default)s")
    add("--outage-at", type=float, default=0, metavar="M", help="minute in which HEC goes away")
    add("--outage-seconds", type=float, default=600, metavar="S", help="default %(default)s")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the relay; repeatable")
    add("--folder", default="", help="where the relay's log is kept")
    args = parser.parse_args()
    print(f"{runtime(args.python)}, {os.cpu_count()} CPUs, {args.shards} shards, {args.rate:g} logs/s")
    keep = ["--keep", "1000"]
    with Rig(shards=args.shards, hec=keep, folder=args.folder, python=args.standin_python) as rig:
        soak = Soak(rig, args.python, args.rate, dict(each.split("=", 1) for each in args.set))
        least_owned = run(soak, rig, args)
        well = verdict(soak, soak.relay, least_owned, bool(args.outage_at))
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
