"""What a refresh of the locks lists, and that it refreshes all of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
LOCKS = ROOT / "forwarder" / "release" / "locks.py"
HASH = " \\\n    --hash=sha256:" + "0" * 64 + "\n"


def listed(before: Path, after: Path, *files: str) -> list[str]:
    return subprocess.run(
        [sys.executable, LOCKS, before, after, *files], capture_output=True, text=True, check=True, timeout=60
    ).stdout.splitlines()


def test_what_came_went_and_moved_is_listed(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    (before / "a.txt").write_text(
        f"# locked\nold==1{HASH}same==1{HASH}Moved_It==1 ; python_version < '3.10'{HASH}"
    )
    (after / "a.txt").write_text(
        f"new==3{HASH}same==1{HASH}moved-it==1 ; python_version < '3.10'{HASH}moved-it==2{HASH}"
    )
    node = {
        "packages": {
            "": {},
            "node_modules/x": {"version": "1.0"},
            "node_modules/x/node_modules/y": {"version": "2"},
        }
    }
    (before / "package-lock.json").write_text(json.dumps(node))
    node["packages"]["node_modules/x"]["version"] = "1.1"
    (after / "package-lock.json").write_text(json.dumps(node))
    assert listed(before, after, "a.txt", "package-lock.json") == [
        "a.txt: moved-it 1 -> 1, 2",
        "a.txt: new not there -> 3",
        "a.txt: old 1 -> gone",
        "package-lock.json: x 1.0 -> 1.1",
    ]
    assert listed(before, before, "a.txt", "package-lock.json") == ["nothing changed"]


def test_the_command_refreshes_every_lock() -> None:
    command = (ROOT / "scripts" / "lock").read_text()
    tracked = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split()
    locks = {path for path in tracked if path.endswith("package-lock.json")}
    locks |= {
        path for path in tracked if path.endswith(".txt") and "--hash=sha256:" in (ROOT / path).read_text()
    }
    (block,) = re.findall(r"(?s)^files=\((.*?)\)", command, re.MULTILINE)
    expanded = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {' '.join(block.split())}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split()
    assert set(expanded) == locks
    for path in locks - {"forwarder/standins/tests/sdks/node/package-lock.json"}:
        assert re.search(rf"^lock 3\.\d+ {re.escape(path[: -len('.txt')])}( |$)", command, re.MULTILINE), path
