"""What is told from a relay's log."""

from __future__ import annotations

from .repeats import may_repeat

BEGINS = "2026-11-27T13:37:00.000Z INFO cli.run: sls-hec-forwarder 0.1.0 on CPython 3.11.7: SLS_CG=x"
READING = (
    "2026-11-27T13:37:01.000Z INFO sls.shard.reader: shard {}: reading from MTc5, the group's checkpoint"
)
READ = [READING.format(shard) for shard in range(3)]


def cost(*lines: str) -> int:
    return may_repeat([BEGINS, *READ, *lines], unsaved=1000, pull=1)


def test_shards_given_up_in_good_order_cost_nothing() -> None:
    lines = [f"2026-11-27T13:38:00.000Z INFO sls.shard.reader: shard {shard}: released" for shard in range(3)]
    assert cost(*lines, BEGINS) == 0


def test_shards_lost_at_once_share_a_bound() -> None:
    at = "2026-11-27T13:38:0{}.000Z INFO sls.shard.reader: shard {}: revoked"
    assert cost(at.format(0, 0), at.format(1, 1)) == 1002
    assert cost(at.format(0, 0), at.format(9, 1)) == 2002


def test_what_could_not_be_delivered_or_saved_costs() -> None:
    at = "2026-11-27T13:38:00.000Z WARNING sls.shard.reader: shard {}: {}"
    late = at.format(1, "3 pulls could not be delivered in time; the next owner repeats them")
    assert cost(late, at.format(2, "the last checkpoint could not be saved; x")) == 1002


def test_a_relay_that_was_killed_took_all_with_it() -> None:
    assert cost("Traceback", BEGINS) == 1003
