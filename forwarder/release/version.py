"""The version that a release has: the one in forwarder/pyproject.toml. Whatever else names one must agree.

    version.py ROOT [TAG...]

prints it. ROOT is the project's folder, the TAGs are those of the commit that is released. Where something
disagrees, or CHANGELOG.md says nothing of this version, there is a line for each on standard error, and the
status is 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

SOURCE = "forwarder/pyproject.toml"
#: Files that repeat the version, with the line that does.
REPEATED = {
    "forwarder/standins/pyproject.toml": re.compile(r'^version = "(.+?)"', re.MULTILINE),
    "galaxy.yml": re.compile(r"^version: *[\"']?([^\s\"']+)", re.MULTILINE),
}
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def version(root: Path) -> str:
    """The version of the project in `root`. Raises ValueError where there is none."""
    found = re.search(r'^version = "(.+?)"', (root / SOURCE).read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise ValueError(f"{SOURCE} has no version")
    return found[1]


def problems(root: Path, tags: Sequence[str]) -> Iterator[str]:
    """What speaks against a release of `root`, each a sentence. Only tags such as v1.2.3 count."""
    released = version(root)
    for name, line in REPEATED.items():
        found = line.search((root / name).read_text(encoding="utf-8"))
        if not found or found[1] != released:
            other = found[1] if found else "nothing"
            yield f"{name} says version {other}, {SOURCE} {released}: make them equal"
    tagged = [tag for tag in tags if re.match(r"v\d", tag)]
    for tag in tagged:
        if tag != f"v{released}":
            yield f"this commit is tagged {tag}, {SOURCE} says {released}: move the tag or change the version"
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.search(rf"^## \[?{re.escape(released)}\]?(?= |$).*$", changes, re.MULTILINE)
    if not heading:
        yield f"CHANGELOG.md has no section for {released}: begin one, '## {released} - unreleased'"
    elif tagged and not _DATE.search(heading[0]):
        yield f"CHANGELOG.md has no date for {released}, which is tagged: '## {released} - YYYY-MM-DD'"


def main(arguments: Sequence[str]) -> int:
    """As said above."""
    root, *tags = arguments
    found = list(problems(Path(root), tags))
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    if not found:
        print(version(Path(root)))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
