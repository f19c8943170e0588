"""How fast pulls become HEC envelopes: `python bench/encode.py [--seconds 5] [kind ...]`.

MB are 10^6 bytes: raw is the LogGroupList as decompressed, out is what is POSTed before gzip. For each
encoder, "mean" is MB raw per CPU second over all rounds after a warm-up, "best" that of the best round, which
is what other load on the machine disturbs least. "peak" is the resident memory in MB, of it "idle" before
the first round, with the input in it; every kind and encoder has its own process. Run it on both runtimes.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Callable, NamedTuple

from sls_hec_forwarder.wire import choice
from sls_hec_forwarder.wire.rules import Rules
from sls_hec_standins.sls import wire
from sls_hec_standins.sls.generator import Generator
from sls_hec_standins.sls.products import PRODUCTS

_SIZE = 8_000_000  # bytes of a full pull
_BATCH = 1_000_000
_PLAIN = Rules("sls:project/logstore")
_UNFOLD = Rules("sls:project/logstore", unfold=(("actiontrail_audit_event", "event"),))


def fixed(groups: int = 200, logs: int = 50, filling: str = "value", nanoseconds: int | None = None) -> bytes:
    """20 fields a log, about 800 bytes, the same for ever: the yardstick between versions."""
    names = [f"field_name_{number:02}" for number in range(20)]
    filling = (filling * 20)[:14]
    return wire.write_log_group_list(
        wire.write_log_group(
            [
                (
                    1_700_000_000 + group,
                    nanoseconds,
                    [(name, f"{group:04}-{log:04}-{filling}") for name in names],
                )
                for log in range(logs)
            ],
            "audit_log",
            "10.0.0.1",
            [("__hostname__", "web-1"), ("__pack_id__", f"ABCDEF-{group:X}")],
        )
        for group in range(groups)
    )


def generated(**options: Any) -> bytes:
    """Audit logs as of products of Alibaba Cloud."""
    return wire.write_log_group_list(Generator(1, **options).groups(size=_SIZE))


KINDS: dict[str, tuple[Callable[[], bytes], Rules]] = {
    "fixed": (fixed, _PLAIN),
    "fixed, no identity": (fixed, Rules("sls:project/logstore", identity=False)),
    "fixed, nanoseconds": (partial(fixed, nanoseconds=123_456_789), _PLAIN),
    "fixed, 1 log a group": (partial(fixed, groups=10_000, logs=1), _PLAIN),
    "fixed, Chinese": (partial(fixed, filling="日志"), _PLAIN),
    "fixed, quotes": (partial(fixed, filling='"a"\\'), _PLAIN),
    **{product: (partial(generated, mix={product: 1}), _PLAIN) for product in PRODUCTS},
    "actiontrail, unfolded": (partial(generated, mix={"actiontrail": 1}), _UNFOLD),
    "all": (generated, _UNFOLD),
    "all, 1 % nasty": (partial(generated, nasty=0.01), _UNFOLD),
    "all, 0.1 % large": (partial(generated, large=0.001), _UNFOLD),
}


class Measured(NamedTuple):
    """MB, or MB raw per CPU second, and bytes."""

    raw: float
    log: float
    out: float
    mean: float
    best: float
    idle: float
    peak: float


def measure(kind: str, name: str, seconds: float) -> Measured:
    """One kind with one encoder."""
    make, rules = KINDS[kind]
    data, encoder = make(), choice.encoder(choice.Choice(name), rules)
    idle = _peak()
    rounds: list[float] = []
    ends = time.process_time() + 1.5 * seconds
    warm = ends - seconds
    while True:
        started = time.process_time()
        encoded = encoder.encode(data, shard=1, first_cursor=1_447_329_401_102_130_904, max_bytes=_BATCH)
        ended = time.process_time()
        if started >= warm or ended >= ends:
            rounds.append(ended - started)
        if ended >= ends:
            break
    raw = len(data) / 1e6
    return Measured(
        raw=raw,
        log=len(data) / encoded.events,
        out=sum(len(chunk.body) for chunk in encoded.chunks) / 1e6,
        mean=raw * len(rounds) / sum(rounds),
        best=raw / min(rounds),
        idle=idle,
        peak=_peak(),
    )


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000  # kilobytes on Linux


def _run_each(kinds: Iterable[str], names: Sequence[str], seconds: float) -> None:
    print(f"{platform.python_implementation()} {platform.python_version()}")
    print(f"{'':<24}{'raw':>6}{'raw':>7}{'out':>6}" + "".join(f"{name:>28}" for name in names))
    print(
        f"{'':<24}{'MB':>6}{'B/log':>7}{'MB':>6}"
        + f"{'mean':>7}{'best':>7}{'idle':>7}{'peak':>7}" * len(names),
        flush=True,
    )
    for kind in kinds:
        columns = ""
        for name in names:
            command = [sys.executable, __file__, "--one", name, "--seconds", str(seconds), kind]
            run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            of = Measured(*json.loads(run.stdout))
            columns = columns or f"{of.raw:>6.1f}{of.log:>7.0f}{of.out:>6.1f}"
            columns += f"{of.mean:>7.0f}{of.best:>7.0f}{of.idle:>7.0f}{of.peak:>7.0f}"
        print(f"{kind:<24}{columns}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=5, help="CPU time of each kind (default %(default)s)"
    )
    parser.add_argument(
        "--encoder",
        action="append",
        choices=(choice.PYTHON, choice.NATIVE),
        help="may be given twice (default: those that are installed)",
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("kinds", nargs="*", metavar="kind", help=f"of: {'; '.join(KINDS)}".replace("%", "%%"))
    args = parser.parse_args()
    unknown = set(args.kinds) - set(KINDS)
    if unknown:
        parser.error(f"unknown kinds: {', '.join(sorted(unknown))}")
    if args.one:
        print(json.dumps(measure(args.kinds[0], args.one, args.seconds)))
    else:
        names = args.encoder or list(dict.fromkeys((choice.PYTHON, choice.choose(choice.AUTO).name)))
        _run_each(args.kinds or KINDS, names, args.seconds)


if __name__ == "__main__":
    main()
