"""From failing calls to conditions."""

from __future__ import annotations

from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.sls.api.errors import NotMember, Rejected, ServiceFault
from sls_hec_forwarder.sls.api.trouble import Trouble

GONE = Rejected("there is no such logstore", status=404, code="LogStoreNotExist")


def names(conditions: Conditions) -> list[str]:
    return [each.name for each in conditions.standing()]


def test_it_stands_until_it_works_again() -> None:
    conditions = Conditions()
    trouble = Trouble(conditions, "pull_failing", "shard 3")
    trouble.failed(ServiceFault("no answer"))
    assert (names(conditions), trouble.failing) == (["pull_failing"], True)
    trouble.over()
    assert (names(conditions), trouble.failing) == ([], False)


def test_what_every_call_meets_is_one_condition() -> None:
    conditions = Conditions()
    troubles = [Trouble(conditions, "pull_failing", f"shard {shard}") for shard in range(3)]
    for trouble in troubles:
        trouble.failed(GONE)
    assert names(conditions) == ["logstore_missing"]


def test_nothing_stands_for_what_is_not_tried_any_more() -> None:
    conditions = Conditions()
    trouble = Trouble(conditions, "checkpoint_failing", "shard 6")
    trouble.failed(GONE)
    trouble.close("not read here any more")
    assert names(conditions) == []
    trouble.failed(NotMember("of a save that was on its way", status=404))
    assert names(conditions) == []
