"""What the docs say about the command line is what there is."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from sls_hec_forwarder.cli import EXIT_FAILED, EXIT_OK, EXIT_WRONG
from sls_hec_forwarder.cli.arguments import parser
from sls_hec_forwarder.doctor.rights import ACTIONS

DOCS = Path(__file__).parents[3] / "docs"


def test_every_command_and_option_is_described() -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    commands = parser()._actions[-1]
    assert isinstance(commands, argparse._SubParsersAction)
    for name, command in commands.choices.items():
        assert f"\n## {name}\n" in page
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        for action in command._actions:
            if isinstance(action, argparse._SubParsersAction):
                assert all(f"replay {each}" in section for each in action.choices)
        for option in _options(command):
            assert option in section or option in page.partition("\n## ")[0], option


def _options(command: argparse.ArgumentParser) -> set[str]:
    """The long options of a command and its actions."""
    found: set[str] = set()
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            found = found.union(*map(_options, action.choices.values()))
        else:
            found |= {option for option in action.option_strings if option.startswith("--")}
    return found


def test_every_exit_status_is_described() -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    described = [int(status) for status in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)]
    assert described == [EXIT_OK, EXIT_FAILED, EXIT_WRONG]


def test_the_ram_policy_names_what_check_looks_for() -> None:
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    policy = json.loads(page.partition("```json\n")[2].partition("```")[0])
    [statement] = policy["Statement"]
    assert statement["Action"] == list(ACTIONS)
