"""Chaos for as long as you like: `python -m tests.chaos --minutes 30`, in the folder forwarder.

Prints what it does, the table, and ends with 0 if nothing was wrong. RELAY_TEST_PYTHONS names the
interpreters of the relays, as for the tests; without it they run on this one.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

from .run import PACE, RATE, run


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a program's output


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--runs", type=int, default=1, help="so many seeds, one after another")
    parser.add_argument("--rate", type=float, default=RATE, help="logs a second")
    parser.add_argument("--pace", type=float, default=PACE, help="seconds between two troubles")
    parser.add_argument("--keep", type=Path, help="folder for the logs of the relays; made anew")
    parser.add_argument("--quiet", action="store_true", help="tables only")
    given = parser.parse_args()
    os.environ.setdefault("RELAY_TEST_PYTHONS", sys.executable)
    failed = []
    for seed in range(given.seed, given.seed + given.runs):
        say(f"python -m tests.chaos --seed {seed} --minutes {given.minutes:g}")
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            place = Path(folder) if given.keep is None else given.keep / str(seed)
            place.mkdir(parents=True, exist_ok=given.keep is None)
            telling = (lambda _: None) if given.quiet else say
            verdict = run(place, seed, given.minutes * 60, pace=given.pace, rate=given.rate, say=telling)
        say(f"\n{verdict}\n")
        failed += [seed] * bool(verdict.wrong)
    say(f"{given.runs} runs, {len(failed)} failed" + f": seeds {failed}" * bool(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
