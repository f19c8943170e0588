"""The page of each role is what its argument specs say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from role_readmes import readme  # noqa: E402


@pytest.mark.parametrize("role", sorted(path.parent.name for path in ROOT.glob("roles/*/tasks")))
def test_it_is_up_to_date(role: str) -> None:
    folder = ROOT / "roles" / role
    assert (folder / "README.md").read_text(encoding="utf-8") == readme(folder), "run scripts/role_readmes.py"
