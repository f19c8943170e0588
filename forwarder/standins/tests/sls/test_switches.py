"""Switches: names, values and their text on the command line."""

from __future__ import annotations

from typing import Any

import pytest

from sls_hec_standins.sls import switches
from sls_hec_standins.sls.switches import Switches


def test_every_value_offered_is_accepted() -> None:
    for name in switches.NAMES:
        for value in switches.choices(name) or (0, 17):
            assert Switches().replace({name: value}).as_json()[name] == value
            assert switches.parse(f"{name}={switches.show(value)}") == (name, value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"no_such": 1}, "unknown switch 'no_such'"),
        ({"expired_cursor": "newest"}, "expired_cursor is one of InvalidCursor, ParameterInvalid, oldest"),
        ({"group_quota": -1}, "group_quota is a number >= 0"),
        ({"group_quota": True}, "group_quota is a number >= 0"),
        ({"group_quota": "30"}, "group_quota is a number >= 0"),
        ({"over_on_heartbeat": 1}, "over_on_heartbeat is one of True, False"),
        ({"group_quota_status": 404}, "group_quota_status is one of 400, 403"),
    ],
)
def test_wrong_values(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Switches().replace(changes)


@pytest.mark.parametrize("text", ["", "group_quota", "=3", "group_quota=x", "over_on_heartbeat=1", "nope=1"])
def test_wrong_texts(text: str) -> None:
    with pytest.raises(ValueError, match="switch"):
        switches.parse(text)


def test_number_switches_are_not_confused_with_their_text() -> None:
    assert switches.parse("group_quota_status=403") == ("group_quota_status", 403)
