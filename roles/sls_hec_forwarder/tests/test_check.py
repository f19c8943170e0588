"""The check before a roll-out reads secrets: whatever it starts leaves no core dump."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MODULES = Path(__file__).parents[3] / "plugins" / "modules"


def test_what_it_starts_dumps_nothing() -> None:
    program = (
        "import subprocess; from sls_hec_forwarder_check import no_core_dumps; no_core_dumps();"
        "subprocess.run(['/bin/cat', '/proc/self/coredump_filter', '/proc/self/limits'], check=True)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=MODULES, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert lines[0] == "00000000"
    assert "Max core file size 0 0 bytes" in lines
