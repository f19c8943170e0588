"""Files and folders as they should be, and what is said about the difference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sls_hec_forwarder_files import Change

OWNER = (os.getuid(), os.getgid())


def change(*, dry: bool = False) -> Change:
    return Change(dry, OWNER)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_new_file_has_its_text_and_mode(tmp_path: Path) -> None:
    work, path = change(), tmp_path / "folder" / "file"
    work.folder(str(path.parent), 0o700)
    work.file(str(path), "text\n", 0o400)
    assert (path.read_text(), mode(path), mode(path.parent)) == ("text\n", 0o400, 0o700)
    assert work.changed == [str(path.parent), str(path)]
    assert os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("text", ["text\n", "no end of line", "with\r\nboth\n", "ü", ""])
def test_what_is_right_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    change().file(str(path), text, 0o644)
    before, again = path.stat(), change()
    again.file(str(path), text, 0o644)
    assert (again.changed, again.diff) == ([], [])
    assert path.stat() == before


def test_a_difference_is_shown_and_corrected(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old\n")
    work = change()
    work.file(str(path), "new\n", 0o644)
    assert path.read_text() == "new\n"
    assert [(each["before"], each["after"]) for each in work.diff] == [("old\n", "new\n")]


def test_a_wrong_mode_is_corrected(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("text")
    path.chmod(0o666)
    work = change()
    work.file(str(path), "text", 0o600)
    assert mode(path) == 0o600
    assert work.changed == [str(path)]


def test_other_files_go_and_folders_stay(tmp_path: Path) -> None:
    wanted, other = tmp_path / "wanted", tmp_path / "other"
    wanted.write_text("")
    other.write_text("")
    (tmp_path / "folder").mkdir()
    work = change()
    work.only(str(tmp_path), {str(wanted)})
    assert sorted(os.listdir(tmp_path)) == ["folder", "wanted"]
    assert work.changed == [str(other)]


def test_in_check_mode_everything_is_said_and_nothing_done(tmp_path: Path) -> None:
    old, other, new = tmp_path / "old", tmp_path / "other", tmp_path / "folder" / "new"
    old.write_text("old")
    other.write_text("")
    work = change(dry=True)
    work.folder(str(new.parent), 0o755)
    work.only(str(new.parent), set())
    work.only(str(tmp_path), {str(old)})
    work.file(str(old), "new", 0o644)
    work.file(str(new), "new", 0o644)
    assert work.changed == [str(new.parent), str(other), str(old), str(new)]
    assert sorted(os.listdir(tmp_path)) == ["old", "other"]
    assert old.read_text() == "old"


def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError, match="file"):
        change().file(str(tmp_path / "file"), "text", 0o644)
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("kind", ["link", "fifo", "device"])
def test_what_is_no_plain_file_is_neither_read_nor_changed(tmp_path: Path, kind: str) -> None:
    victim, path = tmp_path / "victim", tmp_path / "file"
    victim.write_text("theirs")
    victim.chmod(0o600)
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(OSError, match=r"symbolic links|no plain file"):
        change().file(str(path), "text\n", 0o644)
    assert (victim.read_text(), mode(victim)) == ("theirs", 0o600)
