"""Prepared answers: made once, bounded in memory."""

from __future__ import annotations

from sls_hec_standins.sls import wire
from sls_hec_standins.sls.pulls import PullCache, make_pull
from sls_hec_standins.sls.quotas import ReadQuota
from sls_hec_standins.sls.shards import Shard, StoredGroup
from sls_hec_standins.sls.spl import compile_query


def groups(count: int, size: int = 100) -> list[StoredGroup]:
    return [StoredGroup(0.0, 1, wire.write_log_group([(1, None, [("k", "x" * size)])])) for _ in range(count)]


def shard() -> Shard:
    return Shard(0, 0, 1, 0.0)


def test_body_is_a_list_of_the_groups() -> None:
    made = make_pull(groups(3), "")
    assert list(wire.iter_groups(made.body)) == [group.data for group in groups(3)]
    assert (made.raw_size, made.groups, made.filtered) == (len(made.body), 3, None)


def test_second_answer_is_the_first() -> None:
    cache, place = PullCache(), shard()
    first = cache.get(place, 5, groups(3), "lz4")
    assert cache.get(place, 5, groups(3), "lz4") is first
    query = compile_query("* | where k = 'y'")
    others = [
        cache.get(place, 6, groups(3), "lz4"),
        cache.get(place, 5, groups(2), "lz4"),
        cache.get(place, 5, groups(3), "zstd"),
        cache.get(place, 5, groups(3), "lz4", query),
        cache.get(shard(), 5, groups(3), "lz4"),
    ]
    assert all(other is not first for other in others)
    assert cache.get(place, 5, groups(3), "lz4", compile_query("* | where k = 'y'")) is others[3]


def test_memory_is_bounded_and_the_oldest_use_goes_first() -> None:
    cache, place = PullCache(max_bytes=10_000), shard()
    first = cache.get(place, 0, groups(1, 3000), "")
    for start in range(1, 20):
        cache.get(place, start, groups(1, 3000), "")
        assert cache.get(place, 0, groups(1, 3000), "") is first
        assert cache.size <= 10_000
    for start in range(10_000):
        cache.get(place, start, [], "lz4")
    assert cache.size <= 10_000


def test_answer_above_the_bound_is_made_each_time() -> None:
    cache, place = PullCache(max_bytes=10), shard()
    first = cache.get(place, 0, groups(1), "")
    assert cache.get(place, 0, groups(1), "") is not first
    assert cache.size == 0


def test_quota_begins_anew_each_second() -> None:
    now = [10.0]
    quota = ReadQuota(lambda: now[0])
    assert [quota.exceeded(2, 0) for _ in range(3)] == [None, None, "qps"]
    now[0] = 11.2
    quota.add(100)
    assert quota.exceeded(0, 100) == "bytes"
    assert quota.exceeded(0, 101) is None
    now[0] = 12.0
    assert quota.exceeded(1, 100) is None
