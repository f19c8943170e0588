"""How fast the generator of the SLS stand-in makes logs: `python bench/generator.py [--size MB]`.

MB are 10^6 bytes of serialized LogGroups; seconds are CPU seconds of this process. Run it on both runtimes.
"""

from __future__ import annotations

import argparse
import platform
import time
from typing import Any

from sls_hec_standins.sls import wire
from sls_hec_standins.sls.generator import Generator
from sls_hec_standins.sls.products import PRODUCTS

_WARM_UP = 20_000_000  # bytes, for the JIT compiler and the templates


def measure(name: str, size: float, **options: Any) -> None:
    generator = Generator(1, **options)
    sample = wire.write_log_group_list(generator.groups(size=4_000_000))
    for _ in generator.groups(size=_WARM_UP):
        pass
    logs, made, start = generator.made_logs, generator.made_bytes, time.process_time()
    for _ in generator.groups(size=size):
        pass
    seconds = time.process_time() - start
    logs, made = generator.made_logs - logs, generator.made_bytes - made
    ratios = [len(sample) / len(wire.compress(sample, kind)) for kind in ("lz4", "zstd")]
    print(
        f"{name:<24}{made / 1e6 / seconds:>8.0f}{logs / seconds:>10.0f}{made / logs:>8.0f}"
        f"{ratios[0]:>7.1f}{ratios[1]:>7.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=float, default=100, help="MB to make per line (default %(default)s)")
    size = parser.parse_args().size * 1e6
    print(f"{platform.python_implementation()} {platform.python_version()}")
    print(f"{'':<24}{'MB/s':>8}{'logs/s':>10}{'B/log':>8}{'lz4':>7}{'zstd':>7}")
    for product in PRODUCTS:
        measure(product, size, mix={product: 1})
    measure("all", size)
    measure("all, 1 % nasty", size, nasty=0.01)
    measure("all, 0.1 % large", size, large=0.001)


if __name__ == "__main__":
    main()
