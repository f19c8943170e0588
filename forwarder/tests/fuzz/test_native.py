"""The native encoder touches no memory but its own, whatever bytes it is given."""

from __future__ import annotations

from pathlib import Path

from .native import fuzz


def test_under_the_sanitizers(tmp_path: Path) -> None:
    run = fuzz(tmp_path, seconds=4, seed=1)
    assert (run.returncode, run.stderr) == (0, "")
    assert int(run.stdout.split()[0]) >= 200
