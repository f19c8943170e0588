"""The benchmark runs; what it measures is not judged here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench" / "encode.py"


def test_encode() -> None:
    run = subprocess.run(
        [sys.executable, BENCH, "--seconds", "0.01", "fixed", "actiontrail, unfolded"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    lines = run.stdout.splitlines()
    assert lines[1].split() == ["raw", "raw", "out", "python", "native"]
    assert [line.split()[0] for line in lines[3:]] == ["fixed", "actiontrail,"]
    assert run.stderr == ""
