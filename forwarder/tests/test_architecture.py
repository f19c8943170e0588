"""The page on the architecture names every file of the relay, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import sls_hec_forwarder

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
SOURCE = Path(sls_hec_forwarder.__file__).parent


def named() -> set[str]:
    """Paths of files: each part of the page begins with the folders of what it names."""
    files = PAGE.read_text(encoding="utf-8").split("\n## Files of the relay\n")[1].split("\n## ")[0]
    found, folder = set(), ""
    for line in files.splitlines():
        opening = re.match(r"`((?:\w+/)+)`(:| has one file)", line)
        if opening:
            folder = opening[1]
        for each in re.findall(r"`([\w/]+\.py)`", line):
            found.add(each if "/" in each or each == "service.py" else folder + each)
    return found


def test_every_file_is_on_the_map() -> None:
    there = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if path.name[0] != "_"}
    top = {"errors.py", "untrusted.py", "times.py", "sls/observer.py", "hec/observer.py"}  # named as layers
    assert named() == there - top
