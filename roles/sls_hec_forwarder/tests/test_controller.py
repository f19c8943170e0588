"""Every playbook begins by looking at the version of Ansible."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CHECK = ROOT / "ansible" / "check_controller.yml"
#: Only imported, by playbooks that have looked.
PARTS = {CHECK, *(ROOT / "ansible" / f"{name}.yml" for name in ("lock", "roll", "unlock"))}
PLAYBOOKS = sorted({ROOT / "site.yml", *ROOT.glob("ansible/*.yml")} - PARTS)


def first_play(playbook: Path) -> tuple[Path, dict[str, Any]]:
    first = yaml.safe_load(playbook.read_text(encoding="utf-8"))[0]
    imported = first.get("import_playbook") or first.get("ansible.builtin.import_playbook")
    return first_play(playbook.parent / imported) if imported else (playbook, first)


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.name)
def test_it_comes_first(playbook: Path) -> None:
    assert first_play(playbook)[0] == CHECK


def test_the_version_that_is_installed_is_in_the_range() -> None:
    variables = first_play(CHECK)[1]["vars"]
    pinned = re.search(r"^ansible-core==([\d.]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned

    def number(version: str) -> list[int]:
        return [int(part) for part in version.split(".")]

    here = number(pinned[1])
    assert (
        number(variables["controller_ansible_from"]) <= here < number(variables["controller_ansible_below"])
    )
