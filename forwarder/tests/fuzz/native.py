"""The native encoder under AddressSanitizer and UndefinedBehaviorSanitizer, on pulls changed at random.

In the folder forwarder/, with what the tests need, and gcc: `python -m tests.fuzz.native --seconds 3600`.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from sls_hec_standins.sls import wire
from sls_hec_standins.sls.generator import Generator

from ..wire.bytes_of import Maker

NATIVE = Path(__file__).parents[2] / "native"
SOURCES = NATIVE / "src" / "sls_hec_native"
_FLAGS = (
    *("-std=c99", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-omit-frame-pointer"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
)


def fuzz(folder: Path, seconds: int, seed: int) -> subprocess.CompletedProcess[str]:
    """Build it and let it run; its files go to `folder`. Prints how many pulls it encoded, or what is bad."""
    program = folder / "fuzz"
    subprocess.run(
        [
            "gcc",
            *_FLAGS,
            "-I",
            SOURCES,
            "-o",
            program,
            NATIVE / "fuzz" / "fuzz.c",
            SOURCES / "sls_hec_encode.c",
        ],
        check=True,
        timeout=300,
    )
    makers = [Maker(random.Random(seed + each)) for each in range(40)]
    pulls = [each.group_list() for each in makers] + [each.damaged_group_list() for each in makers]
    for each in range(4):
        groups = Generator(seed + each, nasty=0.3, logs_per_group=3).groups(logs=6)
        pulls.append(wire.write_log_group_list(groups))
    paths = [folder / f"pull-{number}" for number in range(len(pulls))]
    for path, pull in zip(paths, pulls):
        path.write_bytes(pull)
    return subprocess.run(
        [program, str(seconds), str(seed), *paths], capture_output=True, text=True, timeout=seconds + 120
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = fuzz(Path(folder), args.seconds, args.seed)
    sys.stdout.write(f"seed {args.seed}: {run.stdout}{run.stderr}")
    return run.returncode


if __name__ == "__main__":
    raise SystemExit(main())
