"""A file of dead letters while it is replayed: at every moment it holds all that was not accepted."""

from __future__ import annotations

import dataclasses
import gzip
import multiprocessing
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sls_hec_forwarder.spool.dead_letter import DeadLetter
from sls_hec_forwarder.spool.files import files
from sls_hec_forwarder.spool.locked_file import PART, SpoolFile, SpoolFileError
from sls_hec_forwarder.spool.spool import Spool

from .letters import read

MIB = 1 << 20


def letter(number: int) -> DeadLetter:
    envelope = b'{"event":"%d","fields":{"sls_id":"0|c|%d"}}' % (number, number)
    return DeadLetter(1_700_000_000.125 + number, "refused", 400, 6, "Invalid data", "https://a", 3, envelope)


def made(folder: Path, count: int) -> Path:
    spool = Spool(folder, MIB, "relay")
    for number in range(count):
        spool.append(letter(number))
    (path,) = files(folder)
    return path


def names(path: Path) -> list[int]:
    return [int(each.time - 1_700_000_000) for each in read(path)]


def test_what_is_removed_and_replaced_is_so_after_a_commit(tmp_path: Path) -> None:
    path = made(tmp_path, 6)
    again = dataclasses.replace(letter(4), code=7, refusals=2, again=1_700_000_100.0, tried={"index": "a"})
    with SpoolFile(path) as file:
        assert file.numbers() == list(range(6))
        assert file.letter(3) == letter(3)
        file.reserve()
        file.remove(0)
        file.remove(3)
        file.replace(4, again)
        assert names(path) == list(range(6))
        file.commit()
        assert list(read(path)) == [letter(1), letter(2), again, letter(5)]
        file.remove(5)
        file.commit()
        file.remove(1)  # never committed
    assert list(read(path)) == [letter(1), letter(2), again]
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert len(gzip.decompress(path.read_bytes()).splitlines()) == 3


def test_an_empty_file_is_gone(tmp_path: Path) -> None:
    path = made(tmp_path, 2)
    with SpoolFile(path) as file:
        file.reserve()
        for number in file.numbers():
            file.remove(number)
        file.commit()
        assert not path.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_relay_writes_elsewhere_meanwhile_and_nobody_else_replays(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MIB, "relay")
    spool.append(letter(0))
    spool.append(letter(1))
    (path,) = files(tmp_path)
    with SpoolFile(path) as file:
        spool.append(letter(2))
        file.reserve()
        file.remove(0)
        file.commit()
        # The file that has the name now is locked like the one before.
        with pytest.raises(SpoolFileError, match="in use"), SpoolFile(path, patience=0.1):
            pass
        spool.append(letter(3))
        assert names(path) == [1]
    spool.append(letter(4))
    assert sorted(number for each in files(tmp_path) for number in names(each)) == [1, 2, 3, 4]
    with SpoolFile(path) as file:
        file.reserve()
        file.remove(0)
        file.commit()
    spool.append(letter(5))
    assert not path.exists()


def test_the_relay_goes_on_in_a_file_that_was_replayed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MIB, "relay")
    for number in range(3):
        spool.append(letter(number))
    (path,) = files(tmp_path)
    with SpoolFile(path) as file:
        file.reserve()
        file.remove(1)
        file.commit()
    spool.append(letter(3))
    assert files(tmp_path) == [path]
    assert names(path) == [0, 2, 3]


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), SpoolFile(tmp_path / "none.jsonl.gz"):
        pass


def test_what_cannot_be_read_stays(tmp_path: Path) -> None:
    path = made(tmp_path, 3)
    whole = path.read_bytes()
    foreign = gzip.compress(b'{"a":1}\n', mtime=0)
    half = len(whole) // 2
    broken = whole[:half] + b"\xff" * 5 + whole[half + 5 :]
    path.write_bytes(foreign + broken + whole + whole[:20])
    with SpoolFile(path) as file:
        assert 5 < file.unreadable < len(foreign) + len(whole)
        assert len(file.numbers()) == 5
        file.reserve()
        for number in file.numbers():
            file.remove(number)
        file.commit()
        left = file.unreadable
    # A torn end was never taken for saved.
    assert path.stat().st_size == left
    assert path.read_bytes().startswith(foreign)


def test_many_lines_in_one_member_are_letters_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "by-hand.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(letter(number).to_line() + b"\n" for number in range(4))))
    with SpoolFile(path) as file:
        file.reserve()
        file.remove(2)
        file.commit()
    assert names(path) == [0, 1, 3]


def test_mode_and_owner_stay(tmp_path: Path) -> None:
    path = made(tmp_path, 2)
    path.chmod(0o640)
    before = path.stat()
    if os.geteuid() == 0:
        os.chown(path, 12345, 12346)
        before = path.stat()
    with SpoolFile(path) as file:
        file.reserve()
        file.remove(0)
        file.commit()
    after = path.stat()
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)


def test_no_room_is_found_out_before_anything_is_sent(tmp_path: Path) -> None:
    """The limit on file sizes stands in for the disk."""
    path = made(tmp_path, 2)
    code = f"""
import resource, signal
from pathlib import Path
from sls_hec_forwarder.spool.locked_file import SpoolFile, SpoolFileError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.RLIM_INFINITY))
with SpoolFile(Path({str(path)!r})) as file:
    try:
        file.reserve()
    except SpoolFileError as error:
        print(error)
"""
    said = subprocess.check_output([sys.executable, "-c", code], text=True, timeout=120)
    assert said == f"{path}{PART}: File too large\n"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert names(path) == [0, 1]


def test_what_a_killed_replay_left_beside_the_file_is_of_no_account(tmp_path: Path) -> None:
    path = made(tmp_path, 3)
    path.with_name(path.name + PART).write_bytes(b"garbage" * 10_000)
    assert files(tmp_path) == [path]
    with SpoolFile(path) as file:
        file.reserve()
        file.remove(0)
        file.commit()
    assert names(path) == [1, 2]
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def _replay_all(path: Path) -> None:
    with SpoolFile(path) as file:
        file.reserve()
        for number in file.numbers():
            file.remove(number)
            file.commit()


def test_killed_between_any_two_steps_nothing_is_lost(tmp_path: Path) -> None:
    """A process is killed again and again while it removes letter by letter; the last ones stay."""
    path = made(tmp_path, 400)
    context = multiprocessing.get_context("fork")
    before = names(path)
    kills = 0
    while path.exists():
        worker = context.Process(target=_replay_all, args=(path,))
        worker.start()
        worker.join(0.02 + 0.003 * kills)
        worker.kill()
        worker.join()
        if not path.exists():
            break
        kills += 1
        now = names(path)
        assert now == before[len(before) - len(now) :]
        before = now
    assert kills > 0
    assert [each.name for each in tmp_path.iterdir() if not each.name.endswith(PART)] == []
