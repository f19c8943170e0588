#!/usr/bin/env python3
"""Writes roles/*/README.md from the argument specs of the roles. A test fails if a README is out of date.

Needs a Python with PyYAML, such as the one in the environment of Ansible.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
ROLES = ROOT / "roles"
#: Ansible's markup in descriptions: C(code), V(value), O(option).
MARK = re.compile(r"\b[CVO]\(([^)]*)\)")


def readme(role: Path) -> str:
    """The text of the README for the role in this folder."""
    specs = _yaml(role / "meta" / "argument_specs.yml")["argument_specs"]
    meta = _yaml(role / "meta" / "main.yml")["galaxy_info"]
    # A release that Galaxy does not know is written as "all" in the metadata.
    systems = "; ".join(
        f"{each['name']} {', '.join(version for version in each['versions'] if version != 'all')}"
        for each in meta["platforms"]
    )
    parts = [
        f"# sls_hec.appliance.{role.name}",
        f"{meta['description']}.",
        f"Runs with ansible-core {meta['min_ansible_version']} on: {systems} and newer.",
        "Made from `meta/argument_specs.yml` by `scripts/role_readmes.py`.",
    ]
    for name, entry in sorted(specs.items(), key=lambda item: item[0] != "main"):
        title = "The role" if name == "main" else f"`tasks_from: {name}`"
        parts += [f"## {title}", f"{entry['short_description']}."]
        parts += [_text(line) for line in _lines(entry.get("description"))]
        options = entry.get("options") or {}
        if options:
            parts.append("\n".join(_table(options)))
    return "\n\n".join(parts) + "\n"


def _table(options: Mapping[str, Any], prefix: str = "") -> list[str]:
    rows = [] if prefix else ["| variable | type | default | |", "| --- | --- | --- | --- |"]
    for name, option in options.items():
        kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
        said = " ".join(_lines(option["description"]))
        if "choices" in option:
            said += f" One of {', '.join(f'V({choice})' for choice in option['choices'])}."
        default = "required" if option.get("required") else _default(option)
        rows.append(f"| `{prefix}{name}` | {kind} | {default} | {_text(said)} |")
        rows += _table(option.get("options") or {}, f"{prefix}{name}[].")
    return rows


def _default(option: Mapping[str, Any]) -> str:
    if "default" not in option:
        return ""
    value = option["default"]
    shown = value if isinstance(value, str) and value else json.dumps(value)
    return "`" + " ".join(shown.split()).replace("|", "\\|") + "`"


def _text(description: str) -> str:
    return MARK.sub(r"`\1`", description)


def _lines(description: str | list[str] | None) -> list[str]:
    return [description] if isinstance(description, str) else description or []


def _yaml(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def main() -> None:
    for specs in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        role = specs.parent.parent
        (role / "README.md").write_text(readme(role), encoding="utf-8")


if __name__ == "__main__":
    main()
