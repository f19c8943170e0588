"""Making, finding and changing the consumer group."""

from __future__ import annotations

from typing import Any

import pytest

from sls_hec_forwarder.sls.api.client import ConsumerGroup
from sls_hec_forwarder.sls.api.errors import GroupQuotaExceeded, Rejected
from sls_hec_forwarder.sls.group import consumer_group as groups


def test_group_is_made_with_the_settings(cloud: Any) -> None:
    cloud.make()
    made = groups.ensure(cloud.client(), cloud.sls(group_timeout=25, in_order=True))
    assert made == ConsumerGroup("relay", 25, True)
    assert cloud.client().list_groups() == [made]


def test_group_is_made_with_defaults(cloud: Any) -> None:
    cloud.make()
    assert groups.ensure(cloud.client(), cloud.sls()) == ConsumerGroup("relay", groups.DEFAULT_TIMEOUT, False)


@pytest.mark.parametrize(
    ("found", "settings", "then"),
    [
        ((60, True), {}, (60, True)),  # nothing is asked for: nothing changes
        ((60, False), {"group_timeout": 20}, (20, False)),
        ((60, False), {"in_order": True}, (60, True)),
        ((60, True), {"group_timeout": 60, "in_order": True}, (60, True)),
    ],
)
def test_group_that_exists_is_changed_only_when_asked_for(
    cloud: Any, found: tuple[int, bool], settings: dict[str, Any], then: tuple[int, bool], caplog: Any
) -> None:
    cloud.make()
    client = cloud.client()
    client.create_group(*found)
    assert groups.ensure(client, cloud.sls(**settings)) == ConsumerGroup("relay", *then)
    assert client.list_groups() == [ConsumerGroup("relay", *then)]
    assert ("changed" in caplog.text) == (found != then)


def test_quota_names_the_groups_that_exist(cloud: Any) -> None:
    cloud.make()
    cloud.standin.switch(group_quota=2)
    for name in ("old-1", "old-2"):
        cloud.client(group=name).create_group(20, False)
    with pytest.raises(GroupQuotaExceeded, match="old-1, old-2") as caught:
        groups.ensure(cloud.client(), cloud.sls())
    assert caught.value.code == "ConsumerGroupQuotaExceed"


def test_name_that_is_not_allowed(cloud: Any) -> None:
    cloud.make()
    with pytest.raises(Rejected):
        groups.ensure(cloud.client(group="Not Allowed!"), cloud.sls(group="Not Allowed!"))
