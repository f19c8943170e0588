"""Back-off: growth, cap, jitter, Retry-After."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from sls_hec_forwarder.retry.backoff import LONGEST_RETRY_AFTER, Backoff, CountingBackoff


@given(
    first=st.floats(0.01, 10),
    longest=st.floats(0.01, 600),
    failures=st.integers(0, 10**6),
    seed=st.integers(),
)
def test_delay_is_drawn_from_the_upper_half_and_capped(
    first: float, longest: float, failures: int, seed: int
) -> None:
    delay = Backoff(first, longest, random.Random(seed)).delay(failures)
    doublings = min(max(failures, 1) - 1, 200)
    ceiling = min(longest, first * 2.0**doublings)
    assert ceiling / 2 <= delay <= ceiling


def test_delays_of_different_senders_differ() -> None:
    delays = {Backoff(1.0, 30.0, random.Random(seed)).delay(4) for seed in range(10)}
    assert len(delays) == 10


@given(retry_after=st.floats(0, 10**6), failures=st.integers(1, 50), seed=st.integers())
def test_retry_after_is_honoured_but_not_without_bound(retry_after: float, failures: int, seed: int) -> None:
    delay = Backoff(0.2, 30.0, random.Random(seed)).delay(failures, retry_after)
    assert delay >= min(retry_after, LONGEST_RETRY_AFTER)
    assert delay <= max(30.0, 1.1 * LONGEST_RETRY_AFTER)
    if retry_after > 30:
        assert delay <= 1.1 * retry_after


@given(first=st.floats(0.001, 10), longest=st.floats(0.001, 100), failures=st.integers(1, 3000))
def test_counted_failures_lead_to_the_cap(first: float, longest: float, failures: int) -> None:
    backoff = CountingBackoff(first, longest)
    pauses = [backoff.next() for _ in range(failures)]
    assert all(0 < pause <= longest for pause in pauses)
    assert backoff.failures == failures
    backoff.reset()
    assert backoff.next() <= first
