"""Finds mistakes in the variables of an inventory, without a connection to any host."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import BOOLEANS
from jinja2 import UndefinedError

#: A name without the prefix of a role counts as misspelt if it is at least this similar to a role's variable.
SURELY_MEANT = 0.95
#: Variables that the roles set while they run.
FACTS = ("python_runtime_executable", "python_runtime_tag", "sls_hec_forwarder_install_release")


def relay_unknown(names: Iterable[str], roles: str) -> list[str]:
    """A line for each variable of a host that seems to belong to a role in `roles`, but that no role has."""
    entries = list(_entries(roles))
    known = {*FACTS, *(name for _, options in entries for name in options)}
    prefixes = [f"{role}_" for role, _ in entries]
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


def relay_mistyped(variables: Mapping[str, Any], roles: str) -> list[str]:
    """A line for each variable of a host that has the wrong type for the roles in the folder `roles`.

    `-e name=value` makes every value a text, so a text that can be read as the right type is accepted.
    """
    problems = []
    for _, options in _entries(roles):
        for name, option in options.items():
            expected = _expected(option)
            if not expected or name not in variables:
                continue
            try:
                if not expected[1](variables[name]):
                    problems.append(f"{name} is {variables[name]!r}; expected {expected[0]}")
            except (AnsibleError, UndefinedError) as error:  # it refers to a variable that is missing
                problems.append(f"{name}: {error}")
    return sorted({*problems})


def relay_variables(variables: Mapping[str, Any], roles: str) -> list[str]:
    """The mistakes in the names and types of a host's variables."""
    return relay_unknown(variables, roles) + relay_mistyped(variables, roles)


def _entries(roles: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """For each entry point of each role, the name of the role and the variables."""
    for file in sorted(Path(roles).glob("*/meta/argument_specs.yml")):
        for entry in yaml.safe_load(file.read_text(encoding="utf-8"))["argument_specs"].values():
            yield file.parent.parent.name, entry.get("options") or {}


def _expected(option: Mapping[str, Any]) -> tuple[str, Callable[[Any], bool]] | None:
    """The expected type in words, and a function that checks a value; None if any value is accepted here."""
    kind = option.get("type")
    if kind == "bool":
        return "true or false", lambda value: isinstance(value, bool) or str(value).lower() in BOOLEANS
    if kind == "int":
        return (
            "a whole number",
            lambda value: (
                not isinstance(value, bool) and re.fullmatch(r"-?[0-9]+", str(value).strip()) is not None
            ),
        )
    if "choices" in option:
        return f"one of {', '.join(option['choices'])}", lambda value: value in option["choices"]
    return None


def relay_refusal(problems: Mapping[str, Iterable[str]]) -> str:
    """One message with each problem once and the hosts that have it; empty if there is no problem."""
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


def relay_release_problem(release: str, host: str, there: Iterable[str]) -> str:
    """Why `host` cannot be switched to `release`; empty if it can. `there`: the releases installed on it."""
    there = sorted({*there})
    if release in there:
        return ""
    having = f"it has {', '.join(there)}" if there else "it has none; site.yml installs one"
    if release in ("", "none"):
        return f"{host}: no release is known to have run there before; {having}"
    return f"{host}: release {release} is not installed; {having}"


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, Any]:
        return {
            "relay_variables": relay_variables,
            "relay_refusal": relay_refusal,
            "relay_release_problem": relay_release_problem,
        }
