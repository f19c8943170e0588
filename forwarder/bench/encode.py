"""How fast pulls become HEC envelopes: `python bench/encode.py [--seconds 5] [kind ...]`.

MB are 10^6 bytes: raw is the LogGroupList as decompressed, out is what is POSTed before gzip. Seconds are CPU
seconds of this process. "mean" is over all rounds after a warm-up, "best" is the best round, which is what
other load on the machine disturbs least. "peak" is the resident memory, of it "idle" before the first round,
with the input in it; every kind has a process of its own. Run it on both runtimes.
"""

from __future__ import annotations

import argparse
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from functools import partial
from typing import Any, Callable

from sls_hec_forwarder.wire.encoder import Encoder
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


def measure(kind: str, seconds: float) -> None:
    """Print the line of one kind."""
    make, rules = KINDS[kind]
    data, encoder = make(), Encoder(rules)
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
    out = sum(len(chunk.body) for chunk in encoded.chunks)
    mean = sum(rounds) / len(rounds)
    print(
        f"{kind:<24}{len(data) / 1e6:>6.1f}{len(data) / encoded.events:>8.0f}{len(data) / 1e6 / mean:>8.0f}"
        f"{len(data) / 1e6 / min(rounds):>8.0f}{out / 1e6 / mean:>8.0f}{out / 1e6 / min(rounds):>8.0f}"
        f"{idle:>8.0f}{_peak():>8.0f}"
    )


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000  # kilobytes on Linux


def _run_each(kinds: Iterable[str], seconds: float) -> None:
    print(f"{platform.python_implementation()} {platform.python_version()}")
    print(f"{'':<24}{'raw':>6}{'raw':>8}{'raw MB/s':>16}{'out MB/s':>16}{'memory MB':>16}")
    print(
        f"{'':<24}{'MB':>6}{'B/log':>8}" + f"{'mean':>8}{'best':>8}" * 2 + f"{'idle':>8}{'peak':>8}",
        flush=True,
    )
    for kind in kinds:
        subprocess.run([sys.executable, __file__, "--one", "--seconds", str(seconds), kind], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=5, help="CPU time of each kind (default %(default)s)"
    )
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("kinds", nargs="*", metavar="kind", help=f"of: {'; '.join(KINDS)}".replace("%", "%%"))
    args = parser.parse_args()
    unknown = set(args.kinds) - set(KINDS)
    if unknown:
        parser.error(f"unknown kinds: {', '.join(sorted(unknown))}")
    if args.one:
        measure(args.kinds[0], args.seconds)
    else:
        _run_each(args.kinds or KINDS, args.seconds)


if __name__ == "__main__":
    main()
