"""Builds the wheel and the source archive of a package: of the same files come the same bytes.

    packages.py SOURCE LICENSE FOLDER

SOURCE is the folder of pyproject.toml and stays as it is; LICENSE is a file that goes along. Everything gets
the time of SOURCE_DATE_EPOCH (unix seconds, required), and mode 755 if it can be run, else 644, whatever the
umask and the files in SOURCE say. Needs setuptools.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from repack import repack
from setuptools import build_meta  # type: ignore[import-untyped]


def build(source: Path, licence: Path, folder: Path, epoch: int) -> None:
    """Writes both into `folder`, under the names that their version gives them."""
    folder = folder.resolve()
    with tempfile.TemporaryDirectory() as work:
        tree = Path(work, "tree")
        shutil.copytree(source, tree)
        shutil.copy(licence, tree / "LICENSE")
        for path in [tree, *tree.rglob("*")]:
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        os.chdir(tree)
        build_meta.build_wheel(str(folder))
        repack(folder / build_meta.build_sdist(str(folder)), epoch)


if __name__ == "__main__":
    os.umask(0o022)
    source, licence, folder = map(Path, sys.argv[1:])
    build(source, licence, folder, int(os.environ["SOURCE_DATE_EPOCH"]))
