"""A host without room is refused, by the file system that lacks it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import sls_hec_forwarder_room as room


@pytest.fixture
def disks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the mounted file systems, each with its free megabytes and inodes."""

    def mount(**mounted: tuple[int, int]) -> None:
        table = {"/" + name.removeprefix("root"): free for name, free in mounted.items()}

        def statvfs(path: str) -> os.statvfs_result:
            megabytes, inodes = table[path]
            return os.statvfs_result((4096, room.MB, 0, megabytes, megabytes, 10**6, inodes, inodes, 0, 255))

        monkeypatch.setattr(os, "statvfs", statvfs)
        monkeypatch.setattr(os.path, "ismount", table.__contains__)

    return mount


def test_folders_of_one_file_system_need_their_room_together(disks: Callable[..., None]) -> None:
    disks(root=(100, 10**6), var=(50, 10**6))
    assert room.shortages({"/opt/relay": 60, "/etc": 40, "/var": 50}) == []
    (problem,) = room.shortages({"/opt/relay": 60, "/etc": 41, "/var": 50})
    assert problem == (
        "No space left on /: 100 MB are free, and 101 MB are needed (41 MB in /etc, 60 MB in /opt/relay)"
    )


def test_each_file_system_that_is_short_is_told(disks: Callable[..., None]) -> None:
    disks(root=(1, 10**6), var=(0, 10**6))
    told = room.shortages({"/opt": 2, "/var/lib": 1})
    assert [line.split(":")[0] for line in told] == ["No space left on /", "No space left on /var"]


def test_inodes_run_out_too_where_their_number_is_fixed(disks: Callable[..., None]) -> None:
    disks(root=(1000, 10))
    assert "10 inodes are free" in room.shortages({"/opt": 2})[0]


def test_a_folder_that_is_not_there_counts_where_it_would_be_made(tmp_path: Path) -> None:
    assert room.file_system(str(tmp_path / "a" / "b")) == room.file_system(str(tmp_path))
    (tmp_path / "link").symlink_to("/proc")
    assert room.file_system(str(tmp_path / "link" / "nowhere")) == "/proc"
