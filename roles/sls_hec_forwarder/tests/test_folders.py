"""Folders that root makes for the service's user, in trees that the user has prepared to lead root astray."""

from __future__ import annotations

import ctypes
import os
import re
import threading
from pathlib import Path

import pytest
from ansible_collections.sls_hec.appliance.plugins.module_utils import relay_folders
from ansible_collections.sls_hec.appliance.plugins.module_utils.relay_folders import (
    Refused,
    count_left,
    own_folder,
)

#: Root gives folders to somebody else; any other user can only give them to itself.
ROOT = os.getuid()
SERVICE = (65534, 65534) if ROOT == 0 else (os.getuid(), os.getgid())

#: Of renameat2(2).
AT_FDCWD, RENAME_EXCHANGE = -100, 2


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose way from / no link lies on, and nobody but root or this user may write to."""
    names = tmp_path.resolve().parts[1:]
    expect = relay_folders._expect_roots

    def below_top(found: os.stat_result, path: str, root: int) -> None:
        if path.count("/") > len(names):  # /tmp is everybody's
            expect(found, path, root)

    monkeypatch.setattr(relay_folders, "_expect_roots", below_top)
    return tmp_path.resolve()


def made(path: Path | str, *, dry: bool = False) -> bool:
    return own_folder(str(path), SERVICE, root=ROOT, dry=dry)


def state(path: Path) -> tuple[int, int, int]:
    found = path.lstat()
    return found.st_uid, found.st_gid, found.st_mode


def test_a_folder_is_made_for_the_user_and_those_above_it_for_root(top: Path) -> None:
    assert made(top / "a" / "b" / "spool")
    assert state(top / "a" / "b" / "spool") == (*SERVICE, 0o040700)
    assert state(top / "a")[0] == state(top / "a" / "b")[0] == ROOT
    assert state(top / "a")[2] & 0o022 == 0
    assert not made(top / "a" / "b" / "spool")


def test_an_empty_folder_of_roots_is_given_and_one_in_use_is_not(top: Path) -> None:
    (top / "empty" / "lost+found").mkdir(parents=True)
    assert made(top / "empty")
    if SERVICE[0] != ROOT:
        (top / "used").mkdir()
        (top / "used" / "file").write_text("")
        before = state(top / "used")
        with pytest.raises(Refused, match="is not empty"):
            made(top / "used")
        assert state(top / "used") == before


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("kind", ["link", "dangling", "file", "fifo", "hard link"])
def test_what_is_no_folder_is_refused_at_each_level(top: Path, level: int, kind: str) -> None:
    victim = top / "victim"
    victim.mkdir(mode=0o755)
    (victim / "secret").write_text("s")
    before = (state(victim), sorted(os.listdir(victim)), state(victim / "secret"))
    names = ["a", "b", "spool"]
    at = top.joinpath(*names[:level])
    at.parent.mkdir(parents=True, exist_ok=True)
    if kind == "link":
        at.symlink_to(victim)
    elif kind == "dangling":
        at.symlink_to(victim / "new")
    elif kind == "file":
        at.write_text("")
    elif kind == "fifo":
        os.mkfifo(at)
    else:
        os.link(victim / "secret", at)
    with pytest.raises(Refused, match=re.escape(str(at))):
        made(top.joinpath(*names))
    assert (state(victim), sorted(os.listdir(victim)), state(victim / "secret")) == before


@pytest.mark.parametrize(("mode", "fix"), [(0o777, "chmod go-w"), (0o1777, "chmod go-w")])
def test_a_parent_that_others_may_write_to_is_refused(top: Path, mode: int, fix: str) -> None:
    (top / "open").mkdir()
    (top / "open").chmod(mode)
    with pytest.raises(Refused, match=fix):
        made(top / "open" / "spool")
    assert os.listdir(top / "open") == []


def test_a_parent_of_the_user_is_refused(top: Path) -> None:
    assert made(top / "spool")
    with pytest.raises(Refused, match="chown root:root"):
        own_folder(str(top / "spool" / "nested"), SERVICE, root=0)
    assert os.listdir(top / "spool") == []


@pytest.mark.parametrize("path", ["spool", "/", "/a/../b", "/a//b", "/a/", "/a/./b", ""])
def test_only_plain_absolute_paths(path: str) -> None:
    with pytest.raises(Refused, match="plain absolute path"):
        made(path)


def test_in_check_mode_nothing_is_made(top: Path) -> None:
    assert made(top / "a" / "spool", dry=True)
    assert os.listdir(top) == []


def test_whatever_is_exchanged_meanwhile_root_changes_no_other_folder(top: Path) -> None:
    """Somebody exchanges a parent for a link, again and again, while root works."""
    victim, parent, link = top / "victim", top / "parent", top / "link"
    victim.mkdir(mode=0o755)
    parent.mkdir()
    link.symlink_to(victim)
    before = state(victim)
    exchange = ctypes.CDLL(None, use_errno=True).renameat2
    stop = threading.Event()

    def keep_exchanging() -> None:
        while not stop.is_set():
            assert exchange(AT_FDCWD, bytes(parent), AT_FDCWD, bytes(link), RENAME_EXCHANGE) == 0

    def outcome(path: Path) -> object:
        try:
            return made(path)
        except Refused as refused:
            return type(refused)

    thread = threading.Thread(target=keep_exchanging)
    thread.start()
    try:
        outcomes = {outcome(parent / f"spool{number}") for number in range(500)}
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()
    assert state(victim) == before
    assert os.listdir(victim) == []
    assert outcomes == {True, Refused}


def test_everything_that_is_no_folder_is_left_and_no_link_is_followed(top: Path) -> None:
    victim = top / "victim"
    victim.mkdir()
    for number in range(20):
        (victim / str(number)).write_text("")
    state_folder = top / "state"
    (state_folder / "empty" / "deeper").mkdir(parents=True)
    assert count_left(str(state_folder)) == 0
    (state_folder / "empty" / "link").symlink_to(victim)
    os.mkfifo(state_folder / "empty" / "fifo")
    (state_folder / ".hidden").write_text("")
    (state_folder / "applied.json").write_text("")
    (state_folder / "empty" / "applied.json").write_text("")
    assert count_left(str(state_folder), ["applied.json"]) == 4
    assert count_left(str(top / "nowhere")) == 0


@pytest.mark.parametrize("level", [1, 2])
def test_a_link_on_the_way_to_what_is_counted_is_refused(top: Path, level: int) -> None:
    (top / "real" / "a").mkdir(parents=True)
    (top / ("link" if level == 1 else "real/link")).symlink_to(top / "real")
    with pytest.raises(Refused, match="symbolic link"):
        count_left(str(top / ("link/a" if level == 1 else "real/link/a")))


def test_a_tree_without_end_is_not_counted_to_its_end(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = top / "deep"
    for _ in range(relay_folders.DEEPEST + 5):
        at = at / "d"
    at.mkdir(parents=True)
    assert count_left(str(top / "deep")) == 1
    monkeypatch.setattr(relay_folders, "MOST", 5)
    (top / "wide").mkdir()
    for number in range(20):
        (top / "wide" / str(number)).write_text("")
    assert count_left(str(top / "wide")) == 5


def test_no_descriptor_is_left_open(top: Path) -> None:
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "link").symlink_to(top)
    before = len(os.listdir("/proc/self/fd"))
    count_left(str(top))
    made(top / "spool")
    for path in (top / "a" / "link" / "spool", top / "a" / "link"):
        with pytest.raises(Refused):
            made(path)
        with pytest.raises(Refused):
            count_left(str(path))
    assert len(os.listdir("/proc/self/fd")) == before
