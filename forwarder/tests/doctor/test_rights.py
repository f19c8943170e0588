"""Which rights `check` finds, and that it changes nothing by that."""

from __future__ import annotations

from typing import Any

import pytest

from sls_hec_forwarder.doctor.rights import ACTIONS, Right, rights
from sls_hec_standins.http import Fault


def found(cloud: Any, **settings: Any) -> dict[str, Right]:
    return {each.action: each.right for each in rights(cloud.reader(**settings))}


def state(cloud: Any) -> Any:
    with cloud.store.lock:
        groups = cloud.store.groups
        now = cloud.standin.clock.now()
        return {
            name: (each.timeout, each.order, each.view(now), set(each.consumers(now)))
            for name, each in groups.items()
        }


#: What each action that looks is tried with needs another one.
LOOKING = {
    "log:ListShards": {"log:GetCursorOrData"},
    "log:GetCursorOrData": set[str](),
    "log:GetConsumerGroupCheckPoint": set[str](),
    "log:ListConsumerGroup": set[str](),
}
WRITING = set(ACTIONS) - set(LOOKING)
ALL_THERE = {**dict.fromkeys(LOOKING, Right.GRANTED), **dict.fromkeys(WRITING, Right.UNTRIED)}


def test_rights_are_found_and_nothing_is_changed(cloud: Any) -> None:
    cloud.make()
    owner = cloud.client("owner")
    owner.create_group(33, True)
    owner.heartbeat([])
    owner.save_checkpoint(0, owner.cursor(0, "begin"))
    before = state(cloud)
    assert found(cloud) == ALL_THERE
    assert state(cloud) == before


def test_rights_before_there_is_a_group(cloud: Any) -> None:
    cloud.make()
    assert found(cloud) == ALL_THERE
    assert state(cloud) == {}


@pytest.mark.parametrize("action", LOOKING)
def test_each_right_to_look_that_is_missing_is_found(cloud: Any, action: str) -> None:
    cloud.make()
    cloud.client().create_group(33, True)
    cloud.standin.add_key("few", "sk", deny=(action,))
    seen = found(cloud, ak_id="few")
    assert seen[action] is Right.DENIED
    for other in set(LOOKING) - {action} - LOOKING[action]:
        assert seen[other] is Right.GRANTED, other


def test_rights_that_cannot_be_found_out(cloud: Any) -> None:
    cloud.make()
    cloud.standin.faults.add(Fault("reset_before", "*"))
    assert found(cloud) == {
        **dict.fromkeys(LOOKING, Right.UNKNOWN),
        **dict.fromkeys(WRITING, Right.UNTRIED),
    }


def test_a_client_that_looks_sends_nothing_that_writes(cloud: Any) -> None:
    """Not even when a method of the SDK is called that would."""
    cloud.make()
    api = cloud.reader()._api
    with pytest.raises(AssertionError, match="only reads"):
        api.create_consumer_group("proj", "store", "relay", 40, False)
    with pytest.raises(AssertionError, match="only reads"):
        api.heart_beat("proj", "store", "relay", "me", [])
    assert state(cloud) == {}
