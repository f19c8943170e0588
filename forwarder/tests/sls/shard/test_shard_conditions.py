"""Conditions of one shard that two of its readers have at a time."""

from __future__ import annotations

from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.sls.shard.shard_conditions import Claims, ShardConditions

NAME, SUBJECT = "shard_stopped", "shard 3"


def test_it_stands_while_any_reader_has_it() -> None:
    conditions = Conditions()
    claims = Claims(conditions)
    early, late = ShardConditions(claims, 3), ShardConditions(claims, 3)
    early.begin(NAME, "lost")
    late.begin(NAME, "lost")
    early.close("not read here")
    assert conditions.is_active(NAME, SUBJECT)
    late.end(NAME)
    assert conditions.standing() == []


def test_nobody_ends_what_another_has_begun() -> None:
    conditions = Conditions()
    claims = Claims(conditions)
    early, late = ShardConditions(claims, 3), ShardConditions(claims, 3)
    late.measured(NAME, "lost")
    early.end(NAME)
    early.close("not read here")
    assert conditions.is_active(NAME, SUBJECT)
    late.measured(NAME, "lost")
    assert conditions.standing()[0].count == 1
    late.close("not read here")
    assert conditions.standing() == []
    late.begin(NAME, "again")
    assert conditions.is_active(NAME, SUBJECT)
