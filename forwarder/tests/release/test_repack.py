"""Archives of the same content become the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "release" / "repack.py"
FILES = {"./b/run": b"#!/bin/sh\n", "./a": b"text", "./b": None}


def pack(file: Path, names: Iterable[str], **about: int) -> None:
    with tarfile.open(file, "w:gz" if file.suffix == ".gz" else "w") as archive:
        for name in names:
            content = FILES[name]
            member = tarfile.TarInfo(name)
            for key, value in {"mode": 0o700 if name != "./a" else 0o600, **about}.items():
                setattr(member, key, value)
            if content is None:
                member.type = tarfile.DIRTYPE
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content or b""))


def repack(*files: Path, epoch: int = 1_790_000_000) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    subprocess.run([sys.executable, PROGRAM, *files], env=environment, check=True, timeout=60)


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_order_times_and_owners_leave_no_trace(tmp_path: Path, suffix: str) -> None:
    one, other = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
    pack(one, FILES, mtime=1, uid=1)
    pack(other, reversed(FILES), mtime=2, uid=2)
    assert one.read_bytes() != other.read_bytes()
    repack(one, other)
    assert one.read_bytes() == other.read_bytes()


def test_content_is_kept_and_modes_are_those_that_everybody_can_use(tmp_path: Path) -> None:
    file = tmp_path / "some.tar"
    pack(file, FILES, uid=1000, mtime=1)
    repack(file)
    with tarfile.open(file) as archive:
        found = {each.name: (each.mode, each.mtime, each.uid) for each in archive}
        contents = {each.name: archive.extractfile(each) for each in archive if each.isreg()}
        assert {name: each.read() for name, each in contents.items() if each} == {
            name: content for name, content in FILES.items() if content is not None
        }
    assert found == {
        "./a": (0o644, 1_790_000_000, 0),
        "./b": (0o755, 1_790_000_000, 0),
        "./b/run": (0o755, 1_790_000_000, 0),
    }


def collection(file: Path, order: list[str]) -> None:
    """As ansible-galaxy packs one, whose list of files is in `order`."""
    files = json.dumps({"files": [{"name": name} for name in order], "format": 1}).encode()
    manifest = json.dumps(
        {"file_manifest_file": {"chksum_sha256": hashlib.sha256(files).hexdigest()}}
    ).encode()
    with tarfile.open(file, "w:gz") as archive:
        for name, content in [
            ("MANIFEST.json", manifest),
            ("FILES.json", files),
            *((each, b"") for each in order),
        ]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_a_collection_lists_its_files_in_order_and_has_the_hash_of_the_list(tmp_path: Path) -> None:
    one, other = tmp_path / "one.tar.gz", tmp_path / "other.tar.gz"
    collection(one, ["README.md", "AUTHORS"])
    collection(other, ["AUTHORS", "README.md"])
    repack(one, other)
    assert one.read_bytes() == other.read_bytes()
    with tarfile.open(one) as archive:
        assert archive.getnames() == ["MANIFEST.json", "FILES.json", "AUTHORS", "README.md"]
        listed, manifest = archive.extractfile("FILES.json"), archive.extractfile("MANIFEST.json")
        assert listed is not None
        assert manifest is not None
        said = json.load(manifest)["file_manifest_file"]["chksum_sha256"]
        assert hashlib.sha256(listed.read()).hexdigest() == said


def test_what_cannot_be_packed_alike_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "some.tar"
    with tarfile.open(file, "w") as archive:
        device = tarfile.TarInfo("pipe")
        device.type = tarfile.FIFOTYPE
        archive.addfile(device)
    with pytest.raises(subprocess.CalledProcessError):
        repack(file)
