"""A spool in which others have left things: what is no file is not touched, and nothing takes all memory."""

from __future__ import annotations

import json
import os
import socket
import zlib
from pathlib import Path
from typing import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sls_hec_forwarder.replay.reading import Reading
from sls_hec_forwarder.replay.selection import CannotSend, Selection, edited
from sls_hec_forwarder.spool import files as spool_files
from sls_hec_forwarder.spool import gzip_members
from sls_hec_forwarder.spool.dead_letter import DeadLetter, pack_letter
from sls_hec_forwarder.spool.files import SUFFIX, Unusable, files, open_regular, read_regular, strangers
from sls_hec_forwarder.spool.gzip_members import pack, parts
from sls_hec_forwarder.spool.locked_file import PART, SpoolFile
from sls_hec_forwarder.spool.spool import Spool

from .letters import read

MIB = 1 << 20
DEEP = "[" * 100_000 + "]" * 100_000


def letter(number: int, envelope: bytes | None = None) -> DeadLetter:
    body = envelope or b'{"event":"%d","fields":{"sls_id":"0|c|%d"}}' % (number, number)
    return DeadLetter(1_700_000_000.0 + number, "refused", 400, 6, "Invalid data", "https://a", 3, body)


def link(path: Path) -> None:
    target = path.with_name("target")
    target.write_bytes(pack_letter(letter(7)))
    path.symlink_to(target)


def socket_at(path: Path) -> None:
    # A socket's path has at most 107 bytes, which a test's folder may exceed.
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


STRANGE: dict[str, Callable[[Path], object]] = {
    "link": link,
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to nothing": lambda path: path.symlink_to("/nowhere"),
    "link to itself": lambda path: path.symlink_to(path),
    "fifo": os.mkfifo,
    "folder": Path.mkdir,
    "socket": socket_at,
}


@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_no_file_is_named_and_not_opened(tmp_path: Path, kind: str) -> None:
    strange, good = tmp_path / f"a{SUFFIX}", tmp_path / f"b{SUFFIX}"
    STRANGE[kind](strange)
    good.write_bytes(pack_letter(letter(1)))
    assert files(tmp_path) == [good]
    assert [each.filename for each in strangers(tmp_path)] == [str(strange)]
    for flags in (os.O_RDONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND):
        with pytest.raises(Unusable, match="no regular file"):
            open_regular(strange, flags)
    reading = Reading(tmp_path, Selection())
    assert [found.envelope for _, found in reading.letters()] == [letter(1).envelope]
    (line,) = reading.left_alone
    assert line.startswith(f"{strange}: a link or no regular file")
    assert not Reading(tmp_path, Selection(files=("b*",))).left_alone
    assert Spool(tmp_path, MIB, "relay").size() == good.stat().st_size


@pytest.mark.parametrize("kind", STRANGE)
def test_nothing_is_appended_to_what_stands_where_the_file_was(tmp_path: Path, kind: str) -> None:
    spool = Spool(tmp_path, MIB, "relay")
    spool.append(letter(1))
    (path,) = files(tmp_path)
    path.unlink()
    STRANGE[kind](path)
    spool.append(letter(2))
    (other,) = files(tmp_path)
    assert list(read(other)) == [letter(2)]
    assert path.is_symlink() or not path.is_file()


@pytest.mark.parametrize("kind", [each for each in STRANGE if each != "folder"])
def test_what_stands_where_the_next_version_goes_is_replaced_and_not_written_to(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"a{SUFFIX}"
    path.write_bytes(pack_letter(letter(1)) + pack_letter(letter(2)))
    STRANGE[kind](path.with_name(path.name + PART))
    with SpoolFile(path) as file:
        file.reserve()
        file.remove(0)
        file.commit()
    assert list(read(path)) == [letter(2)]
    target = tmp_path / "target"
    assert not target.exists() or target.read_bytes() == pack_letter(letter(7))


def test_a_file_that_becomes_a_link_while_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{SUFFIX}"
    path.write_bytes(pack_letter(letter(1)))
    honest = os.lstat

    def lstat(seen: Path) -> os.stat_result:
        found = honest(seen)
        path.unlink()
        path.symlink_to("/dev/zero")
        return found

    monkeypatch.setattr("sls_hec_forwarder.spool.files.os.lstat", lstat)
    with pytest.raises(Unusable):
        open_regular(path, os.O_RDONLY)


def test_a_file_that_is_too_large_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / f"a{SUFFIX}"
    path.touch()
    os.truncate(path, spool_files.LARGEST_FILE + 1)
    with pytest.raises(Unusable, match="larger than"):
        read_regular(path)
    reading = Reading(tmp_path, Selection())
    assert list(reading.letters()) == []
    assert "larger than" in reading.left_alone[0]


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(size // MIB)) + packer.flush()


def test_a_bomb_is_unpacked_up_to_a_bound_and_what_stands_behind_it_is_found() -> None:
    data = pack(b"a") + bomb(4 * gzip_members.LARGEST_MEMBER) + pack(b"b")
    found = list(parts(data))
    assert [part.content for part in found] == [b"a", None, b"b"]
    assert b"".join(data[part.start : part.end] for part in found) == data


def test_bombs_without_end_are_given_up_after_a_bound() -> None:
    good, bad = pack(b"a"), bomb(8 * MIB)
    found = list(parts(good + bad * 200 + good, most_work=20 * MIB))
    assert found[0].content == b"a"
    assert found[-1].content is None
    assert not found[-1].torn
    assert found[-1].end == len(good + bad * 200 + good)
    assert sum(len(part.content or b"") for part in found) <= 21 * MIB


def test_what_looks_like_a_thousand_begins_takes_a_bounded_time() -> None:
    """Stored blocks full of headers: from each of them on, all that follows can be unpacked."""
    block = (b"\x1f\x8b\x08" + bytes(6) + b"\x03") * 6000
    data = b"".join(
        b"\x1f\x8b\x08" + bytes(6) + b"\x03" + b"\0" + len(block).to_bytes(2, "little")
        + (len(block) ^ 0xFFFF).to_bytes(2, "little") + block
        for _ in range(100)
    )  # fmt: skip
    found = list(parts(data, most_work=64 * MIB))
    assert b"".join(data[part.start : part.end] for part in found) == data
    assert all(part.content is None for part in found)


def test_lines_by_the_million_are_no_letters(tmp_path: Path) -> None:
    path = tmp_path / f"a{SUFFIX}"
    many = pack(b"\n" * (8 * MIB))
    path.write_bytes(many + pack_letter(letter(1)))
    with SpoolFile(path) as file:
        assert file.unreadable == len(many)
        assert len(file.numbers()) == 1


def line(**changes: str) -> bytes:
    """A line of a file, with the JSON of some members replaced."""
    fields = {name: json.dumps(value) for name, value in letter(1).fields().items()}
    return ("{" + ",".join(f'"{name}":{text}' for name, text in {**fields, **changes}.items()) + "}").encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"time": '"99999-01-01T00:00:00Z"'},
        {"time": '"0001-01-01T00:00:00+23:59"'},
        {"time": "1e400"},
        {"again": '"9999-12-31T23:59:59-23:59"'},
        {"again": "NaN"},
        {"status": "1e400"},
        {"status": "Infinity"},
        {"code": "9" * 400},
        {"code": '{"a":1}'},
        {"code": DEEP},
        {"shard": "9" * 20_000},
        {"refusals": "1e400"},
        {"refusals": "9" * 18},
        {"tried": '{"index":["i"]}'},
        {"tried": '{"index":1}'},
        {"text": json.dumps("x" * 70_000)},
        {"envelope": r'"\ud800"'},
        {"envelope": "NaN"},
        {"more": DEEP},
        {"more": "NaN"},
    ],
    ids=lambda changes: ascii(str(changes))[1:30],
)
def test_lines_that_cannot_be_letters(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not a dead letter") as told:
        DeadLetter.from_line(line(**changes))
    assert len(str(told.value)) < 300
    assert DeadLetter.from_line(line()) == letter(1)


@given(st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_any_line_is_a_letter_or_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a dead letter"):
        DeadLetter.from_line(data)


@pytest.mark.parametrize(
    "event",
    [DEEP, '{"a":' * 100_000 + "1" + "}" * 100_000, "1e400", "NaN", "9" * 20_000, r'"\ud800"'],
    ids=lambda event: event[:9],
)
def test_envelopes_whose_event_is_absurd_are_selected_and_changed_or_told(event: str) -> None:
    envelope = f'{{"index":"i","event":{event},"fields":{{"sls_id":"x"}}}}'.encode()
    bad = letter(1, envelope)
    assert DeadLetter.from_line(bad.to_line()) == bad
    deep = event.startswith(("[", "{"))
    assert Selection(ids=("x",)).takes(bad) is not deep
    assert Selection(envelope=(("index", ("i",)),)).takes(bad) is not deep
    assert edited(envelope, {}) == envelope
    if deep:
        with pytest.raises(CannotSend):
            edited(envelope, {"index": "j"})
    else:
        assert edited(envelope, {"index": "j"}) == envelope.replace(b'"i"', b'"j"')
