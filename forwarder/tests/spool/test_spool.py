"""The spool of dead letters: what is saved stays, and nothing half-saved is read."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sls_hec_forwarder.spool.dead_letter import DeadLetter
from sls_hec_forwarder.spool.files import files
from sls_hec_forwarder.spool.spool import Spool, SpoolFull

from .letters import read

MIB = 1 << 20


def letter(number: int = 0, envelope: bytes | None = None) -> DeadLetter:
    body = envelope or b'{"event":"%d","fields":{"sls_id":"0|c|%d"}}' % (number, number)
    return DeadLetter(1_700_000_000.125, "refused", 400, 6, "Invalid data", "https://idx:8088", 3, body)


def everything(folder: Path) -> list[DeadLetter]:
    return [each for path in files(folder) for each in read(path)]


@given(
    time=st.integers(0, 4_000_000_000_000).map(lambda ms: ms / 1000),
    code=st.none() | st.integers(0, 30),
    text=st.text(),
    envelope=st.binary() | st.text().map(lambda text: text.encode("utf-8", "replace")),
)
def test_a_line_gives_back_what_it_was_made_of(
    time: float, code: int | None, text: str, envelope: bytes
) -> None:
    made = DeadLetter(time, "refused", 400, code, text, "https://idx:8088", 3, envelope)
    line = made.to_line()
    assert b"\n" not in line
    found = DeadLetter.from_line(line)
    assert abs(found.time - time) < 0.001
    assert found.envelope == envelope
    assert (found.code, found.text) == (code, text)


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"1", b'{"time":1}', b"\xff", b"\xc2\x81"])
def test_what_is_no_dead_letter(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not a dead letter: "):
        DeadLetter.from_line(line)


def test_appended_and_read_by_any_gzip(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "new" / "spool", MIB, "host-1")
    for number in range(5):
        spool.append(letter(number))
    (path,) = files(tmp_path / "new" / "spool")
    assert path.name.startswith("host-1-")
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(read(path)) == [letter(number) for number in range(5)]
    lines = gzip.decompress(path.read_bytes()).splitlines()
    assert len(lines) == 5
    assert b'"id":"0|c|4"' in lines[4]


def test_files_are_rotated_by_size_and_a_new_process_begins_its_own(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10 * MIB, "a", file_bytes=500)
    for number in range(20):
        spool.append(letter(number))
    assert 3 < len(files(tmp_path)) < 20
    before = len(files(tmp_path))
    Spool(tmp_path, 10 * MIB, "b").append(letter(20))
    assert len(files(tmp_path)) == before + 1
    assert len(everything(tmp_path)) == 21


def test_the_bound_counts_the_whole_folder(tmp_path: Path) -> None:
    (tmp_path / "other-instance.jsonl.gz").write_bytes(b"x" * 900)
    spool = Spool(tmp_path, 1000, "a")
    with pytest.raises(SpoolFull, match="holds 1000 bytes"):
        spool.append(letter())
    (tmp_path / "other-instance.jsonl.gz").unlink()
    spool.append(letter())
    assert everything(tmp_path) == [letter()]


def test_a_file_that_is_locked_or_gone_is_left_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MIB, "a")
    spool.append(letter(1))
    (first,) = files(tmp_path)
    with first.open("rb") as replaying:
        fcntl.flock(replaying, fcntl.LOCK_EX)
        spool.append(letter(2))
        assert len(files(tmp_path)) == 2
        assert list(read(first)) == [letter(1)]
    for path in files(tmp_path):
        path.unlink()
    spool.append(letter(3))
    assert everything(tmp_path) == [letter(3)]


@settings(max_examples=30)
@given(data=st.data())
def test_a_torn_end_hides_nothing_that_was_saved(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    spool = Spool(folder, MIB, "a")
    ends = []
    for number in range(3):
        spool.append(letter(number))
        ends.append(files(folder)[0].stat().st_size)
    (path,) = files(folder)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    tail = data.draw(st.sampled_from([b"", b"\0" * 50, b"\x1f\x8b\x08garbage"]))
    path.write_bytes(whole[:cut] + tail)
    saved = sum(end <= cut for end in ends)
    found = list(read(path))
    # Zeros may happen to be what was cut off, so one more can be whole.
    assert saved <= len(found) <= saved + 1
    assert found == [letter(number) for number in range(len(found))]


def test_a_full_disk_is_a_full_spool_and_leaves_no_half_line(tmp_path: Path) -> None:
    """The limit on file sizes stands in for the disk: the write stops in the middle."""
    code = f"""
import resource, signal, sys, os
from pathlib import Path
from sls_hec_forwarder.spool.dead_letter import DeadLetter
from sls_hec_forwarder.spool.spool import Spool, SpoolFull
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def letter(size):
    noise = os.urandom(size).hex().encode()
    return DeadLetter(1.0, "refused", 400, 6, "", "", 3, b'{{"event":"' + noise + b'"}}')
spool = Spool(Path({str(tmp_path)!r}), 1 << 30, "a")
spool.append(letter(100))
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
try:
    spool.append(letter(5000))
except SpoolFull as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
spool.append(letter(100))
"""
    said = subprocess.check_output([sys.executable, "-c", code], text=True, timeout=120)
    assert "File too large" in said
    assert len(everything(tmp_path)) == 2
    assert [len(each.envelope) < 1000 for each in everything(tmp_path)] == [True, True]


def test_a_folder_that_cannot_be_written_is_a_full_spool(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SpoolFull, match="file"):
        Spool(blocked / "spool", MIB, "a").append(letter())


def test_appends_from_many_threads(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10 * MIB, "a", file_bytes=2000)

    def work(first: int) -> None:
        for number in range(first, first + 25):
            spool.append(letter(number))

    threads = [threading.Thread(target=work, args=(25 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Counter(each.envelope for each in everything(tmp_path)) == Counter(
        letter(number).envelope for number in range(100)
    )


def open_below(folder: Path) -> list[str]:
    """What this process has open in the folder, whatever other parts of it open and close meanwhile."""
    found = []
    for each in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{each}"))
    return [name for name in found if name.startswith(str(folder))]


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MIB, "a", file_bytes=300)
    with open(tmp_path / "seen", "w"):
        assert open_below(tmp_path) == [str(tmp_path / "seen")]
    for number in range(20):
        spool.append(letter(number))
    assert open_below(tmp_path) == []


def test_how_full_it_is_without_a_look_at_the_folder_each_time(tmp_path: Path) -> None:
    now = [1_700_000_000.0]
    spool = Spool(tmp_path, MIB, "a", clock=lambda: now[0])
    assert (spool.used, spool.max_bytes) == (0, MIB)
    spool.append(letter(1))
    one = spool.used
    assert one == spool.size() > 0
    (tmp_path / "other.jsonl.gz").write_bytes(b"x" * 1000)
    assert spool.used == one
    now[0] += 60
    assert spool.used == one + 1000
    other = Spool(tmp_path / "a file", MIB, "a")
    (tmp_path / "a file").write_bytes(b"")
    assert other.used is None
