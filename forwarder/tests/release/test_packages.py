"""The wheel and the source archive are the same bytes, whoever builds them where."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

FORWARDER = Path(__file__).parents[2]
PROGRAM = FORWARDER / "release" / "packages.py"
PARTS = ("pyproject.toml", "MANIFEST.in", "README.md", "requirements", "src")


def source(folder: Path, *, backwards: bool) -> Path:
    """A copy of the package; `backwards` its files are made in another order, with other modes and times."""
    folder.mkdir()
    files = [
        path
        for part in PARTS
        for path in sorted([FORWARDER / part, *FORWARDER.joinpath(part).rglob("*")], reverse=backwards)
        if path.is_file() and not {"__pycache__", "build"} & set(path.parts) and "egg-info" not in str(path)
    ]
    for path in files:
        copy = folder / path.relative_to(FORWARDER)
        copy.parent.mkdir(mode=0o700 if backwards else 0o755, parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        copy.chmod(0o600 if backwards else 0o664)
        os.utime(copy, (1_600_000_000 if backwards else 1_700_000_000,) * 2)
    return folder


def build(tree: Path, out: Path, umask: int) -> dict[str, bytes]:
    out.mkdir()
    done = subprocess.run(
        [sys.executable, PROGRAM, tree, FORWARDER.parent / "LICENSE", out],
        env={**os.environ, "SOURCE_DATE_EPOCH": "1790000000"},
        umask=umask,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def test_two_builds_are_equal(tmp_path: Path) -> None:
    one = build(source(tmp_path / "one", backwards=False), tmp_path / "out-1", 0o022)
    other = build(source(tmp_path / "elsewhere", backwards=True), tmp_path / "out-2", 0o077)
    assert [Path(name).suffix for name in one] == [".whl", ".gz"]
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []
