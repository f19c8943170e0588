"""Cursor arithmetic, retention and the ranges of shards."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sls_hec_standins.http import Clock
from sls_hec_standins.sls import cursors
from sls_hec_standins.sls.errors import SlsError
from sls_hec_standins.sls.shards import KEY_SPACE, CursorAhead, CursorExpired, Shard
from sls_hec_standins.sls.store import DAY, FOR_EVER, Logstore

NOW = 1_800_000_000.0


def filled(count: int, *, seconds_apart: float = 1.0, size: int = 10) -> Shard:
    shard = Shard(3, 0, KEY_SPACE - 1, NOW)
    for index in range(count):
        shard.append(b"x" * size, 1, NOW + index * seconds_apart)
    return shard


@given(st.integers(0, cursors.MAX))
def test_cursor_round_trip(position: int) -> None:
    assert cursors.decode(cursors.encode(position)) == position


def test_cursor_of_the_api_reference() -> None:
    """The example of the PullLogs page, with and without its padding, and as the SDK sends it at times."""
    for text in (
        "MTQ0NzMyOTQwMTEwMjEzMDkwNA==",
        "MTQ0NzMyOTQwMTEwMjEzMDkwNA",
        "MTQ0NzMyOTQwMTEwMjEzMDkwNA==\n",
    ):
        assert cursors.decode(text) == 1447329401102130904


@pytest.mark.parametrize(
    "text", ["", "?", "abc", "LTE=", "MS41", "YWJj", "MTIz" * 20, "é", "OTk5OTk5OTk5OTk5OTk5OTk5OQ=="]
)
def test_no_cursor(text: str) -> None:
    assert cursors.decode(text) is None


@given(st.text(max_size=40))
def test_any_text_is_a_cursor_or_not(text: str) -> None:
    position = cursors.decode(text)
    assert position is None or 0 <= position <= cursors.MAX


def test_cursors_are_consecutive_and_begin_with_the_creation_time() -> None:
    shard = Shard(3, 0, 1, NOW)
    first = shard.next
    assert shard.first == first
    assert [shard.append(b"", 0, NOW) for _ in range(3)] == [first, first + 1, first + 2]
    assert str(first).startswith(str(int(NOW)))
    assert shard.next == first + 3


def test_read_is_bounded_by_count_bytes_and_stop() -> None:
    shard = filled(10)
    first = shard.first

    def read(start: int, stop: int = cursors.MAX, count: int = 1000, size: int = 1000) -> int:
        return len(shard.read(start, stop, count, size))

    assert read(first) == 10
    assert read(first + 8) == 2
    assert read(shard.next) == 0
    assert read(first, count=4) == 4
    assert read(first, size=39) == 3
    assert read(first, size=5) == 1
    assert read(first, stop=first + 2) == 2
    assert read(first + 5, stop=first + 2) == 0


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 10), st.integers(1, 200))
def test_reading_on_visits_every_group_once(sizes: list[int], count: int, max_bytes: int) -> None:
    shard = Shard(0, 0, 1, NOW)
    datas = [bytes([index]) * size for index, size in enumerate(sizes)]
    for data in datas:
        shard.append(data, 1, NOW)
    seen = []
    position = shard.first
    while position < shard.next:
        groups = shard.read(position, shard.next, count, max_bytes)
        seen += [group.data for group in groups]
        position += len(groups)
    assert seen == datas


def test_cursor_out_of_range() -> None:
    shard = filled(5)
    shard.expire_to(shard.first + 2)
    with pytest.raises(CursorExpired):
        shard.check(shard.first - 1)
    shard.check(shard.first)
    shard.check(shard.next)
    with pytest.raises(CursorAhead):
        shard.check(shard.next + 1)


def test_cursor_by_receive_time() -> None:
    shard = filled(5, seconds_apart=10)
    first = shard.first
    assert shard.cursor_at(0) == first
    assert shard.cursor_at(int(NOW)) == first
    assert shard.cursor_at(int(NOW) + 1) == first + 1
    assert shard.cursor_at(int(NOW) + 20) == first + 2
    assert shard.cursor_at(int(NOW) + 41) == shard.next


def test_receive_times_never_go_back() -> None:
    shard = filled(3)
    shard.append(b"", 0, NOW - 100)
    assert shard.group(shard.next - 1).received == NOW + 2  # type: ignore[union-attr]


def test_expiry_keeps_cursors() -> None:
    shard = filled(5)
    first, end = shard.first, shard.next
    assert shard.expire_before(NOW + 2) == 2
    assert (shard.first, shard.next) == (first + 2, end)
    assert shard.expire_before(NOW) == 0
    assert shard.expire_to(end + 100) == 3
    assert shard.first == shard.next == end
    assert shard.append(b"", 0, NOW) == end
    assert (shard.received_groups, shard.group(first)) == (6, None)


def test_span_is_clipped_to_what_is_stored() -> None:
    shard = filled(5)
    shard.expire_to(shard.first + 1)
    assert [cursor - shard.first for cursor, _ in shard.span()] == [0, 1, 2, 3]
    assert [cursor - shard.first for cursor, _ in shard.span(shard.first + 1, shard.first + 3)] == [1, 2]
    assert shard.span(0, 5) == []


def test_ttl_expires_and_ever_does_not() -> None:
    now = NOW
    logstore = Logstore("store", 1, 1, Clock(lambda: now))
    logstore.append(b"", 1)
    now += DAY
    assert logstore.expire() == 0
    now += 1
    assert logstore.expire() == 1
    logstore.set_ttl(FOR_EVER)
    logstore.append(b"", 1)
    now += 100 * 365 * DAY
    assert logstore.expire() == 0


def store(shards: int) -> Logstore:
    return Logstore("store", 30, shards, Clock(lambda: NOW))


def covered(logstore: Logstore) -> list[tuple[int, int]]:
    return sorted((s.begin, s.end) for s in logstore.shards.values() if not s.readonly)


def assert_partition(logstore: Logstore) -> None:
    """Writable shards cover every key once."""
    ranges = covered(logstore)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == KEY_SPACE - 1
    assert all(low[1] == high[0] for low, high in zip(ranges, ranges[1:]))


@pytest.mark.parametrize("shards", [1, 2, 3, 10, 64])
def test_new_shards_share_the_keys(shards: int) -> None:
    assert_partition(store(shards))


def test_ranges_as_in_the_api_reference() -> None:
    rows = [shard.as_json() for shard in store(2).shards.values()]
    assert rows[0]["inclusiveBeginKey"] == "0" * 32
    assert rows[0]["exclusiveEndKey"] == rows[1]["inclusiveBeginKey"] == "8" + "0" * 31
    assert rows[1]["exclusiveEndKey"] == "f" * 32
    assert {row["status"] for row in rows} == {"readwrite"}
    assert [row["shardID"] for row in rows] == [0, 1]


def test_last_key_belongs_to_the_last_shard() -> None:
    logstore = store(4)
    assert logstore.append(b"", 1, key=KEY_SPACE - 1)[0] == 3
    assert logstore.append(b"", 1, key=0)[0] == 0


@given(st.data())
def test_splits_and_merges_keep_the_keys_covered(data: st.DataObject) -> None:
    logstore = store(data.draw(st.integers(1, 4)))
    for _ in range(data.draw(st.integers(1, 8))):
        number = data.draw(st.sampled_from(sorted(logstore.shards)))
        # Refused if the shard is readonly or has no neighbour.
        with contextlib.suppress(SlsError):
            if data.draw(st.booleans()):
                changed = logstore.split(number, None, data.draw(st.integers(2, 5)))
                assert all(child.parents == (number,) for child in changed[1:])
            else:
                changed = logstore.merge(number)
                assert changed[0].parents == (changed[1].number, changed[2].number)
        assert_partition(logstore)
    key = data.draw(st.integers(0, KEY_SPACE - 1))
    assert sum(s.covers(key) for s in logstore.shards.values() if not s.readonly) == 1


def test_split_at_a_key() -> None:
    logstore = store(1)
    old, left, right = logstore.split(0, 1 << 100)
    assert (old.readonly, left.readonly, right.readonly) == (True, False, False)
    assert (left.end, right.begin, right.end) == (1 << 100, 1 << 100, KEY_SPACE - 1)


@pytest.mark.parametrize("key", [0, KEY_SPACE - 1])
def test_split_at_an_edge_is_refused(key: int) -> None:
    logstore = store(1)
    with pytest.raises(SlsError, match="invalid mid hash"):
        logstore.split(0, key)
    assert not logstore.shards[0].readonly


def test_readonly_shards_take_nothing_and_change_no_more() -> None:
    logstore = store(2)
    logstore.merge(0)
    for change in (logstore.split, logstore.merge):
        with pytest.raises(SlsError, match="invalid shard id"):
            change(0)
    with pytest.raises(SlsError, match="invalid shard id"):
        logstore.append(b"", 1, shard=0)
    with pytest.raises(SlsError, match="can not merge the last shard"):
        logstore.merge(2)
    assert {logstore.append(b"", 1)[0] for _ in range(5)} == {2}


def test_removed_shard() -> None:
    logstore = store(1)
    with pytest.raises(SlsError, match="invalid shard id"):
        logstore.remove(0)
    logstore.split(0)
    logstore.remove(0)
    assert sorted(logstore.shards) == [1, 2]
    assert [fact.parents for fact in logstore.facts()] == [(0,), (0,)]


def test_writes_without_a_key_go_round() -> None:
    logstore = store(3)
    numbers = [logstore.append(b"", 1)[0] for _ in range(6)]
    assert sorted(numbers) == [0, 0, 1, 1, 2, 2]
