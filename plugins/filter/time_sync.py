"""Which time client a host has, by what systemd says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def time_sync_running(shown: str, units: Iterable[str]) -> str:
    """Of these units the one that runs, else the first that is started at boot; empty if there is none.

    `shown` is what `systemctl show` says of them, with a blank line between two. A unit may answer for
    another name: chrony for chronyd.
    """
    of_each = _answers(shown)
    found = [of_each[unit] for unit in units if unit in of_each]
    for answer in found:
        if answer.get("ActiveState") == "active":
            return answer["Id"]
    # In a container it is not active, for it may not set the clock.
    for answer in found:
        if answer.get("UnitFileState") == "enabled":
            return answer["Id"]
    return ""


def time_sync_installed(shown: str, unit: str) -> bool:
    """Whether there is such a unit, and so its package."""
    return _answers(shown).get(unit, {}).get("LoadState") == "loaded"


def _answers(shown: str) -> dict[str, dict[str, str]]:
    """By unit."""
    parts = shown.split("\n\n")
    answers = [dict(line.split("=", 1) for line in part.splitlines() if "=" in line) for part in parts]
    return {answer.get("Id", ""): answer for answer in answers}


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Any]:
        return {"time_sync_running": time_sync_running, "time_sync_installed": time_sync_installed}
