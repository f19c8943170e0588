"""The pages that are made from code say what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("page", ["health", "metrics", "settings"])
def test_the_page_is_made_from_the_code(page: str) -> None:
    program = f"forwarder/release/{page}_md.py"
    made = subprocess.run(
        [sys.executable, program], cwd=ROOT, capture_output=True, check=True, timeout=60
    ).stdout.decode()
    assert (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8") == made, (
        f"run: python {program} > docs/{page}.md"
    )
