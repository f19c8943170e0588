"""The client that keeps the time stays, and its servers are replaced or added to."""

from __future__ import annotations

import pytest
from time_sync import time_sync_running
from time_sync_servers import edited

UNITS = ["chrony.service", "ntpsec.service", "openntpd.service", "systemd-timesyncd.service"]
DEBIANS = """\
# Use Debian vendor zone.
pool 2.debian.pool.ntp.org iburst
server time.example.com
servers 0.debian.pool.ntp.org
sourcedir /run/chrony-dhcp
keyfile /etc/chrony/chrony.keys
"""


def shown(**states: str) -> str:
    """What systemctl says: of each unit `active`, `enabled` or that there is none."""
    return "\n\n".join(
        f"Id={unit}\nActiveState={'active' if state == 'active' else 'inactive'}\n"
        f"UnitFileState={'enabled' if state in ('active', 'enabled') else state}"
        for unit in UNITS
        for state in [states.get(unit.removesuffix(".service").replace("-", "_"), "")]
    )


@pytest.mark.parametrize(
    ("states", "client"),
    [
        ({}, ""),
        ({"systemd_timesyncd": "active"}, "systemd-timesyncd.service"),
        ({"openntpd": "enabled"}, "openntpd.service"),
        ({"chrony": "enabled", "ntpsec": "active"}, "ntpsec.service"),
        ({"chrony": "masked", "openntpd": "disabled"}, ""),
    ],
)
def test_what_runs_is_found_else_what_starts_at_boot(states: dict[str, str], client: str) -> None:
    assert time_sync_running(shown(**states), UNITS) == client


def test_a_unit_that_answers_for_another_name_is_no_client_of_that_name() -> None:
    text = "Id=ntpsec.service\nActiveState=active\nUnitFileState=enabled"
    assert time_sync_running(f"{text}\n\n{text}", ["ntpsec.service", "ntp.service"]) == "ntpsec.service"
    assert time_sync_running("", UNITS) == ""


def test_servers_in_place_of_those_that_are_there() -> None:
    text = edited(DEBIANS, ["server 192.0.2.1 iburst"], replace=True)
    used = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert used == [
        "sourcedir /run/chrony-dhcp",
        "keyfile /etc/chrony/chrony.keys",
        "server 192.0.2.1 iburst",
    ]


def test_servers_beside_those_that_are_there() -> None:
    text = edited(DEBIANS, ["server 192.0.2.1 iburst"], replace=False)
    assert text.startswith(DEBIANS)
    assert "\nserver 192.0.2.1 iburst\n" in text


@pytest.mark.parametrize("replace", [True, False])
def test_the_same_again_changes_nothing_and_all_of_it_can_be_taken_back(replace: bool) -> None:
    once = edited(DEBIANS, ["server a"], replace)
    assert edited(once, ["server a"], replace) == once
    assert edited(once, ["server b"], replace) == once.replace("server a\n", "server b\n")
    assert edited(once, [], replace=False) == DEBIANS


def test_a_last_line_without_an_end_is_not_glued_to_ours() -> None:
    assert edited("rtcsync", ["server a"], replace=True).splitlines()[0] == "rtcsync"
