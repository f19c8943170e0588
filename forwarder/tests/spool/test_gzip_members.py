"""Gzip members in a file that may be damaged anywhere."""

from __future__ import annotations

import gzip

from hypothesis import given
from hypothesis import strategies as st

from sls_hec_forwarder.spool.gzip_members import Part, pack, parts


def covered(data: bytes) -> list[Part]:
    """The parts, which are all of the file and nothing twice."""
    found = list(parts(data))
    assert [part.start for part in found] + [len(data)] == [0] * bool(found) + [
        part.end for part in found
    ] or (not found and not data)
    return found


@given(contents=st.lists(st.binary(max_size=5000), max_size=8))
def test_what_was_packed_is_found(contents: list[bytes]) -> None:
    data = b"".join(map(pack, contents))
    assert [part.content for part in covered(data)] == contents
    assert gzip.decompress(data) == b"".join(contents)


def test_a_member_larger_than_every_bite() -> None:
    content = bytes(range(256)) * 20_000
    data = pack(b"a") + pack(content) + pack(b"b")
    assert [part.content for part in covered(data)] == [b"a", content, b"b"]


@given(
    contents=st.lists(st.binary(min_size=1, max_size=300), min_size=2, max_size=6),
    number=st.integers(0, 5),
    at=st.integers(0, 10_000),
    flip=st.integers(1, 255),
)
def test_damage_costs_the_members_it_is_in(contents: list[bytes], number: int, at: int, flip: int) -> None:
    """A flipped byte is found out by the checksum, or is in a header's field that means nothing here."""
    members = [pack(content) for content in contents]
    number %= len(members)
    broken = bytearray(members[number])
    broken[at % len(broken)] ^= flip
    found = covered(b"".join([*members[:number], bytes(broken), *members[number + 1 :]]))
    readable = [part.content for part in found if part.content is not None]
    others = contents[:number] + contents[number + 1 :]
    assert readable in (others, contents)
    if readable == others:
        damaged = [part for part in found if part.content is None]
        assert sum(part.end - part.start for part in damaged) == len(broken)
        assert not any(part.torn for part in damaged) or number == len(members) - 1


@given(contents=st.lists(st.binary(max_size=300), min_size=1, max_size=4), cut=st.integers(1, 1000))
def test_a_torn_end_is_told_from_damage(contents: list[bytes], cut: int) -> None:
    last = pack(contents[-1])
    whole = b"".join(map(pack, contents[:-1]))
    found = covered(whole + last[: max(1, len(last) - cut)])
    assert [part.content for part in found] == [*contents[:-1], None]
    assert found[-1].torn


def test_zeros_behind_the_end_are_damage() -> None:
    found = covered(pack(b"a") + b"\0" * 50)
    assert [(part.content, part.torn) for part in found] == [(b"a", False), (None, False)]
    assert found[1].end - found[1].start == 50
