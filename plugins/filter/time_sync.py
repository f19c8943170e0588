"""Finds the time client of a host in the output of systemd."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def time_sync_running(shown: str, units: Iterable[str]) -> str:
    """The unit that runs, else the first one that is enabled at boot; empty if there is none.

    `shown` is the output of `systemctl show` for `units`, with a blank line between two. The output may have
    another name of a unit: chrony for chronyd.
    """
    of_each = _answers(shown)
    found = [of_each[unit] for unit in units if unit in of_each]
    for answer in found:
        if answer.get("ActiveState") == "active":
            return answer["Id"]
    # In a container the unit is not active, because it may not set the clock.
    for answer in found:
        if answer.get("UnitFileState") == "enabled":
            return answer["Id"]
    return ""


def time_sync_installed(shown: str, unit: str) -> bool:
    """Whether the unit exists, which means that its package is installed."""
    return _answers(shown).get(unit, {}).get("LoadState") == "loaded"


def _answers(shown: str) -> dict[str, dict[str, str]]:
    """The properties in the output of `systemctl show`, by unit."""
    parts = shown.split("\n\n")
    answers = [dict(line.split("=", 1) for line in part.splitlines() if "=" in line) for part in parts]
    return {answer.get("Id", ""): answer for answer in answers}


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, Any]:
        return {"time_sync_running": time_sync_running, "time_sync_installed": time_sync_installed}
