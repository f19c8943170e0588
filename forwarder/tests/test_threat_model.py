"""The threat model names tests that exist, and everything of the roles that runs as root."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
#: In a row: file and name of a test.
NAMED = re.compile(r"`([\w./-]+)::([^`]+)`")


def tables() -> dict[str, list[list[str]]]:
    """The rows of each table by its heading, without their own head."""
    found = {}
    for section in PAGE.split("\n## ")[1:]:
        rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
        found[section.splitlines()[0]] = rows[2:]
    return found


def exists(file: str, name: str) -> bool:
    path = ROOT / file
    if not path.is_file():
        return False
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return re.search(rf"^def {re.escape(name)}\(", text, re.MULTILINE) is not None
    return re.search(rf"^ *- name: {re.escape(name)}$", text, re.MULTILINE) is not None


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(PAGE)
    assert len(named) > 40
    assert [f"{file}::{name}" for file, name in named if not exists(file, name)] == []
    assert not exists("forwarder/tests/test_threat_model.py", "test_that_is_not_there")
    assert not exists("forwarder/tests/nowhere.py", "test_every_test_that_is_named_exists")


def test_every_threat_names_a_test() -> None:
    checked = 0
    for heading, rows in tables().items():
        if heading != "What runs as root on a relay":
            assert [row[1] for row in rows if not NAMED.search(row[-1])] == [], heading
            checked += len(rows)
    assert checked > 25


def test_everything_of_the_roles_that_runs_as_root_is_listed() -> None:
    listed = " ".join(row[0] + row[2] for row in tables()["What runs as root on a relay"])
    parts = [
        *ROOT.glob("plugins/modules/sls_hec_*"),
        *ROOT.glob("plugins/module_utils/*"),
        *ROOT.glob("roles/sls_hec_*/templates/*"),
        *ROOT.glob("roles/sls_hec_*/files/build-wheelhouse"),
    ]
    assert len(parts) > 10
    assert [path.name for path in parts if path.is_file() and f"`{path.name}`" not in listed] == []
