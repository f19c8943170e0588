"""When an endpoint may be used: pauses, probes, recovery; then anything in any order."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.hec.api.answers import Action, Answer
from sls_hec_forwarder.hec.api.target import Target
from sls_hec_forwarder.hec.observer import HecObserver
from sls_hec_forwarder.hec.send.endpoints import Endpoint, Gate, Ticket
from sls_hec_forwarder.retry.backoff import Backoff

SLOTS = 8


def gate(slots: int = SLOTS) -> Gate:
    rng = random.Random(1)
    return Gate(slots, Backoff(0.2, 30.0, rng), Backoff(1.0, 30.0, rng))


def succeed(this: Gate, now: float, times: int = 1) -> None:
    for _ in range(times):
        assert this.wait(now) == 0.0
        ticket = this.start()
        this.end()
        this.succeeded(ticket, 0.1)


def full_speed() -> Gate:
    this = gate()
    succeed(this, 0.0, times=SLOTS)
    assert this.limit == SLOTS
    return this


def start_all(this: Gate, now: float) -> list[Ticket]:
    tickets = []
    while this.wait(now) == 0.0:
        tickets.append(this.start())
    return tickets


def test_starts_with_one_and_opens_up_with_each_success() -> None:
    this = gate()
    assert len(start_all(this, 0.0)) == 1
    assert this.wait(0.0) == math.inf
    this.end()
    succeed(this, 0.0)
    assert this.limit == 2


def test_one_failure_halves_and_a_second_in_a_row_pauses() -> None:
    this = full_speed()
    first, second, *_ = start_all(this, 0.0)
    this.end()
    this.failed(first, 0.0, None, certain=False)
    assert this.limit == SLOTS // 2
    assert this.wait(0.0) == math.inf  # the others are still on their way, but no pause
    this.end()
    this.failed(second, 0.0, None, certain=False)
    assert 0.0 < this.wait(0.0) <= 0.4
    assert this.limit == 1


def test_requests_of_before_the_pause_have_no_say_in_it() -> None:
    this = full_speed()
    tickets = start_all(this, 0.0)
    for ticket in tickets:
        this.end()
        this.failed(ticket, 0.0, None, certain=True)
    assert this.failures == 1
    assert this.wait(0.0) <= 0.2
    assert not this.succeeded(tickets[0], 0.1)
    assert this.wait(0.0) > 0


def test_after_the_pause_one_request_probes() -> None:
    this = full_speed()
    ticket = start_all(this, 0.0)[0]
    for _ in range(SLOTS):
        this.end()
    this.failed(ticket, 0.0, None, certain=True)
    later = this.wait(0.0)
    probes = start_all(this, later)
    assert len(probes) == 1
    this.end()
    assert this.succeeded(probes[0], 0.1)
    assert this.limit == 2
    assert this.failures == 0


def test_probes_that_fail_come_at_growing_distances() -> None:
    this, now, waits = gate(), 0.0, []
    for _ in range(12):
        ticket = this.start()
        this.end()
        this.failed(ticket, now, None, certain=True)
        waits.append(this.wait(now))
        now += waits[-1]
    assert waits[0] <= 0.2
    assert all(15.0 <= wait <= 30.0 for wait in waits[-3:])


def test_retry_after_is_waited_for() -> None:
    this = gate()
    ticket = this.start()
    this.end()
    this.failed(ticket, 100.0, 17.0, certain=True)
    assert this.wait(100.0) >= 17.0


def test_growth_is_fast_up_to_half_of_what_failed_then_slow() -> None:
    this = full_speed()
    ticket = this.start()
    this.end()
    this.failed(ticket, 0.0, None, certain=False)
    assert this.limit == 4
    limits = []
    for _ in range(9):
        succeed(this, 0.0)
        limits.append(this.limit)
    assert limits.count(5) == 5  # a round of as many answers for one more
    assert limits[-1] <= 6


def test_answers_that_become_slower_lower_the_number_in_parallel_until_they_are_usual() -> None:
    this = full_speed()
    limits = []
    for seconds in [0.1] * 20 + [0.5] * 60:
        ticket = this.start()
        this.end()
        this.succeeded(ticket, seconds)
        limits.append(this.limit)
    assert limits[19] == SLOTS
    assert min(limits) < SLOTS
    assert limits[-1] == SLOTS  # 0.5 s is what it takes there now


@given(st.lists(st.floats(0.09, 0.11), min_size=50, max_size=100))
def test_small_variations_of_latency_change_nothing(history: list[float]) -> None:
    this = full_speed()
    for seconds in history:
        ticket = this.start()
        this.end()
        this.succeeded(ticket, seconds)
    assert this.limit == SLOTS


def test_slow_down_halves_and_takes_a_breath() -> None:
    this = full_speed()
    ticket = this.start()
    this.end()
    this.succeeded(ticket, 0.1)
    this.slow_down(ticket, 0.0)
    assert this.limit == SLOTS // 2
    assert 0.0 < this.wait(0.0) <= 0.2
    assert this.wait(0.3) == 0.0


def test_holding_until_a_probe_succeeds_or_somebody_resumes() -> None:
    this = full_speed()
    ticket = this.start()
    this.end()
    this.refused(ticket, 0.0, None)
    assert this.holding
    assert this.wait(0.0) >= 0.5
    this.resume()
    assert this.wait(0.0) == 0.0
    probe = this.start()
    this.end()
    assert this.succeeded(probe, 0.1)
    assert not this.holding


outcomes = st.tuples(st.sampled_from(["ok", "slow", "soft", "hard", "refused", "nothing"]), st.floats(0, 40))


@given(st.lists(outcomes, max_size=60), st.data())
def test_any_history_keeps_the_bounds_and_ends_well(
    history: list[tuple[str, float]], data: st.DataObject
) -> None:
    this, now = gate(), 0.0
    under_way: list[Ticket] = []
    for outcome, seconds in history:
        now += seconds
        under_way += start_all(this, now)
        assert len(under_way) == this.in_flight
        if not under_way:
            assert this.wait(now) < 60  # paused: it ends by itself
            continue
        ticket = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
        this.end()
        if outcome in ("ok", "slow"):
            this.succeeded(ticket, 0.1)
        if outcome == "slow":
            this.slow_down(ticket, now)
        if outcome in ("soft", "hard"):
            this.failed(ticket, now, None, certain=outcome == "hard")
        if outcome == "refused":
            this.refused(ticket, now, None)
        assert 1 <= this.limit <= SLOTS
    for _ in under_way:
        this.end()
    now += 60
    assert this.wait(now) == 0.0
    for _ in range(SLOTS * SLOTS):
        succeed(this, now)
    assert this.limit == SLOTS
    assert not this.holding


def test_single_failures_that_come_again_and_again_are_told() -> None:
    """A link that breaks every other request never fails twice in a row."""
    now = [0.0]
    lost = Answer(Action.RETRY, 0, "connection reset by peer", may_have_taken=True)

    def told(pairs: int, apart: float) -> list[str]:
        conditions = Conditions()
        endpoint = Endpoint(Target(False, "idx", 8088), gate(), conditions, HecObserver(), lambda: now[0])
        for _ in range(pairs):
            for answer in (lost, Answer(Action.DONE, 200, "Success", 0)):
                ticket = endpoint.enter(0)
                assert ticket is not None
                endpoint.leave(ticket, answer, 0.1)
            now[0] += apart
        return [each.name for each in conditions.standing()]

    assert told(2, 1.0) == []
    assert told(3, 1.0) == ["requests_failing"]
    assert told(10, 61.0) == [], "now and then"
