"""The benchmark of the stand-in runs; what it measures is not judged here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[3] / "bench" / "sls_standin.py"


def test_bench() -> None:
    run = subprocess.run(
        [sys.executable, BENCH, "--size", "2", "--seconds", "0.3"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (run.returncode, run.stderr) == (0, "")
    rows = [line for line in run.stdout.splitlines() if " x1" in line]
    assert len(rows) == 3
    assert all(float(number) >= 0 for line in rows for number in line.split()[-6:])
