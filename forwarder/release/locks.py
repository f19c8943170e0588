"""Locked requirements: what they pin, and what a refresh changed.

    locks.py BEFORE AFTER FILE...

Prints, for each FILE, what differs between the copy in the folder BEFORE and that in the folder AFTER.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_ENTRY = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;]+)( ; (?P<marker>.*?))?"
    r"(?P<hashes>( --hash=sha256:[0-9a-f]{64})+)$"
)


@dataclass(frozen=True)
class Pin:
    """One locked distribution, the marker of the systems that it is for (or ""), and SHA-256 of its files."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def pins(text: str) -> list[Pin]:
    """Of a file that `uv pip compile --generate-hashes` wrote. A line without hashes raises ValueError."""
    found = []
    for line in re.sub(r" *\\\n *", " ", text).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        entry = _ENTRY.match(line)
        if entry is None:
            raise ValueError(f"this locks nothing by hash: {line[:200]}")
        hashes = tuple(re.findall(r"[0-9a-f]{64}", entry["hashes"]))
        found.append(Pin(normalised(entry["name"]), entry["version"], entry["marker"] or "", hashes))
    return found


def normalised(name: str) -> str:
    """As PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def versions(path: Path) -> dict[str, str]:
    """What a lock of Python or Node pins, all versions of one name in one text; nothing without a file."""
    found: dict[str, list[str]] = {}
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        for name, entry in json.loads(text)["packages"].items():
            if name:
                found.setdefault(name.rpartition("node_modules/")[2], []).append(entry["version"])
    else:
        for pin in pins(text):
            found.setdefault(pin.name, []).append(pin.version)
    return {name: ", ".join(sorted(set(each))) for name, each in sorted(found.items())}


def changes(before: dict[str, str], after: dict[str, str]) -> Iterable[str]:
    """A line for each name that came, went or moved."""
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield f"{name} {old or 'not there'} -> {new or 'gone'}"


def main() -> None:
    before, after, *files = sys.argv[1:]
    changed = False
    for file in files:
        for line in changes(versions(Path(before, file)), versions(Path(after, file))):
            changed = True
            print(f"{file}: {line}")
    if not changed:
        print("nothing changed")


if __name__ == "__main__":
    main()
