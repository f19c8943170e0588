"""Whoever else uses apt on a host is waited for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).parents[2]
BLOCKS = ("block", "rescue", "always")


def tasks_of(tasks: list[dict[str, Any]] | None) -> Iterator[dict[str, Any]]:
    for task in tasks or []:
        yield task
        for block in BLOCKS:
            yield from tasks_of(task.get(block))


def test_every_use_of_apt_waits_ten_minutes_for_its_lock() -> None:
    waits = {
        f"{file.relative_to(ROLES)}: {task['name']}": task["ansible.builtin.apt"].get("lock_timeout")
        for file in sorted(ROLES.glob("*/tasks/*.yml"))
        for task in tasks_of(yaml.safe_load(file.read_text(encoding="utf-8")))
        if "ansible.builtin.apt" in task
    }
    assert len(waits) >= 3
    assert [name for name, seconds in waits.items() if seconds != 600] == []
