"""One version for all that is released, and a release only where everything agrees on it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = ROOT / "forwarder" / "release" / "version.py"
FILES = ("forwarder/pyproject.toml", "forwarder/standins/pyproject.toml", "CHANGELOG.md", "galaxy.yml")


class Tree:
    """A copy of the files that name the version, as 1.2.3 which is being released."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in FILES:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        for name in FILES[:2]:
            self.change(name, r'(?m)^version = ".*?"', 'version = "1.2.3"')
        self.change("galaxy.yml", r"(?m)^version: \S+", "version: 1.2.3")
        self.change("CHANGELOG.md", r"(?m)^## .*$", "## 1.2.3 - unreleased")

    def change(self, name: str, pattern: str, text: str) -> None:
        file = self.folder / name
        changed, times = re.subn(pattern, text, file.read_text(encoding="utf-8"), count=1)
        assert times == 1
        file.write_text(changed, encoding="utf-8")

    def asked(self, *tags: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, PROGRAM, self.folder, *tags], capture_output=True, text=True, timeout=60
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_this_project_agrees_with_itself() -> None:
    done = subprocess.run([sys.executable, PROGRAM, ROOT], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_version_is_printed(tree: Tree) -> None:
    assert tree.asked() == (0, "1.2.3\n", "")


def test_a_package_with_another_version_is_refused(tree: Tree) -> None:
    tree.change("forwarder/standins/pyproject.toml", r'(?m)^version = ".*"', 'version = "1.2.2"')
    status, printed, said = tree.asked()
    assert (status, printed) == (1, "")
    assert "forwarder/standins/pyproject.toml says version 1.2.2" in said


@pytest.mark.parametrize("line", ["version: 1.2.2  # of the relay", 'version: "1.2.2"'])
def test_a_collection_with_another_version_is_refused(tree: Tree, line: str) -> None:
    (tree.folder / "galaxy.yml").write_text(f"name: appliance\n{line}\n")
    assert "galaxy.yml says version 1.2.2" in tree.asked()[2]


def test_a_collection_of_the_same_version_is_not(tree: Tree) -> None:
    (tree.folder / "galaxy.yml").write_text("name: appliance\nversion: 1.2.3  # of the relay\n")
    assert tree.asked() == (0, "1.2.3\n", "")


@pytest.mark.parametrize("heading", ["## Unreleased", "## 1.2.30 - unreleased", "## 1x2.3", "## 0.1.2.3"])
def test_a_version_of_which_the_changelog_says_nothing_is_refused(tree: Tree, heading: str) -> None:
    tree.change("CHANGELOG.md", r"(?m)^## 1\.2\.3.*$", heading)
    status, _, said = tree.asked()
    assert status == 1
    assert "CHANGELOG.md has no section for 1.2.3" in said


def test_a_tag_of_another_version_is_refused(tree: Tree) -> None:
    tree.change("CHANGELOG.md", r"(?m)^## 1\.2\.3.*$", "## 1.2.3 - 2026-11-28")
    status, _, said = tree.asked("reviewed", "v1.2.4")
    assert status == 1
    assert said.count("error: ") == 1
    assert "tagged v1.2.4" in said


def test_what_is_tagged_has_a_date(tree: Tree) -> None:
    assert "no date for 1.2.3" in tree.asked("v1.2.3")[2]
    tree.change("CHANGELOG.md", r"(?m)^## 1\.2\.3.*$", "## [1.2.3] - 2026-11-28")
    assert tree.asked("v1.2.3", "reviewed") == (0, "1.2.3\n", "")
