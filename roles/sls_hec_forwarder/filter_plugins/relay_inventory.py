"""What is wrong with the variables of an inventory, for all hosts in one text; nothing here asks a host."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

#: How near a name without the prefix of a role must be to a variable of a role to count as misspelt.
SURELY_MEANT = 0.95
#: Set by the roles themselves while they run.
FACTS = ("python_runtime_executable", "python_runtime_tag", "sls_hec_forwarder_install_release")


def relay_unknown(names: Iterable[str], roles: str) -> list[str]:
    """Which of a host's variables seem to be meant for a role in the folder `roles` that has none such."""
    known = set(FACTS)
    prefixes = []
    for file in sorted(Path(roles).glob("*/meta/argument_specs.yml")):
        prefixes.append(f"{file.parent.parent.name}_")
        for entry in yaml.safe_load(file.read_text(encoding="utf-8"))["argument_specs"].values():
            known.update(entry.get("options") or {})
    problems = []
    for name in sorted({str(name) for name in names} - known):
        ours = name.startswith(tuple(prefixes))
        near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.0 if ours else SURELY_MEANT)
        if near and not name.startswith("_"):
            problems.append(
                f"{name} is not known; the nearest is {near[0]}"
                + (" (a variable of your own must not begin like those of a role)" if ours else "")
            )
    return problems


def relay_refusal(problems: Mapping[str, Iterable[str]]) -> str:
    """One text of what is wrong, each problem once with the hosts that have it; empty when nothing is."""
    hosts: dict[str, list[str]] = {}
    for host, listed in problems.items():
        for problem in listed:
            hosts.setdefault(problem, []).append(host)
    if not hosts:
        return ""
    lines = [
        f"- {problem}" if len(having) == len(problems) else f"- {', '.join(having)}: {problem}"
        for problem, having in hosts.items()
    ]
    return "\n".join([f"the inventory is wrong for {', '.join(problems)}; nothing was touched:", *lines])


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Any]:
        return {"relay_unknown": relay_unknown, "relay_refusal": relay_refusal}
