"""`-e name=value` makes a text of everything: wherever a truth or a number is used, it is made one first."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from relay_inventory import relay_mistyped

PROJECT = Path(__file__).parents[3]
ROLES = PROJECT / "roles"
KINDS: dict[type, str] = {bool: "bool", int: "int", float: "float"}
#: Whose whole text is an expression.
CONDITIONS = ("when", "that", "until", "failed_when", "changed_when")
TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def described() -> dict[str, str]:
    """The kind of each variable of the roles that is a truth or a number, and of each key of a consumer."""
    found = {}
    for file in ROLES.glob("*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(file.read_text(encoding="utf-8"))["argument_specs"].values():
            for name, option in (entry.get("options") or {}).items():
                if option["type"] in KINDS.values():
                    found[name] = option["type"]
    return found


def expressions(part: Any, whole: bool = False) -> Iterator[str]:
    """Everything in a part of a YAML file that Jinja reads, without the texts in it."""
    if isinstance(part, dict):
        for key, value in part.items():
            yield from expressions(value, key in CONDITIONS)
    elif isinstance(part, list):
        for each in part:
            yield from expressions(each, whole)
    elif isinstance(part, str):
        for found in [part] if whole else TEMPLATE.findall(part):
            yield QUOTED.sub("''", found)


def read(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    yield from expressions(text if path.suffix == ".j2" else list(yaml.safe_load_all(text)))


def uncast(expression: str, kinds: dict[str, str]) -> list[str]:
    """The variables in it that are used as they came."""
    return [
        found[1]
        for found in re.finditer(r"(?<![\w.])(\w+)\b(?!\s*\()(?=(.{0,80}))", expression, re.DOTALL)
        if found[1] in kinds
        and not re.match(rf"(\s*\|\s*default\([^()]*\))?\s*\|\s*{kinds[found[1]]}\b", found[2])
    ]


def sources() -> list[Path]:
    parts = ("roles/*/tasks/*.yml", "roles/*/templates/*", "roles/*/vars/*.yml", "roles/*/handlers/*.yml")
    return sorted(
        path
        for part in (*parts, "roles/*/defaults/*.yml", "*.yml", "ansible/*.yml")
        for path in PROJECT.glob(part)
    )


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_use_of_a_truth_or_a_number_is_cast(path: Path) -> None:
    kinds = described()
    assert {name: kinds[name] for each in read(path) for name in uncast(each, kinds)} == {}


def test_there_is_something_to_cast_and_what_is_not_is_found() -> None:
    kinds = described()
    uses = [each for path in sources() for each in read(path) if any(name in each for name in kinds)]
    assert len(kinds) > 12
    assert len(uses) > 15
    kinds = {"a_flag": "bool", "a_count": "int"}
    (task,) = yaml.safe_load(
        "- {when: a_flag and x, is: '{{ a_count > 0 }}', msg: 'a_count is {{ y | default(a_count) }}, flag'}"
    )
    assert [uncast(each, kinds) for each in expressions(task)] == [["a_flag"], ["a_count"], ["a_count"]]
    assert uncast("{{ a_count | bool }}", kinds) == ["a_count"]
    assert uncast("x.a_count + a_count | int + (a_flag | default(false) | bool)", kinds) == []


@pytest.mark.parametrize(
    "role", sorted(path.parent.parent.name for path in ROLES.glob("*/defaults/main.yml"))
)
def test_every_default_is_of_the_kind_that_is_described(role: str) -> None:
    defaults = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text(encoding="utf-8"))
    kinds = described()
    for name, value in defaults.items():
        assert kinds.get(name) == KINDS.get(type(value)), name


def test_every_entry_point_that_a_playbook_uses_is_described() -> None:
    used = set()
    for path in PROJECT.glob("ansible/*.yml"):
        text = path.read_text(encoding="utf-8")
        used.update(
            re.findall(r"_role:\n +name: sls_hec\.appliance\.(\w+)(?:\n +tasks_from: (\w+))?\n", text)
        )
        used.update((name, "") for name in re.findall(r"- role: sls_hec\.appliance\.(\w+)", text))
    assert len(used) > 10
    for role, entry in sorted(used):
        specs = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
        assert (entry or "main") in specs["argument_specs"], f"{role}: {entry}"


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("sls_hec_forwarder_check", [True, "false", "yes", "0"], ["maybe", "", None, 2]),
        ("sls_hec_forwarder_settled_timeout", [20, "20", "0"], ["20s", "1.5", "", None, True]),
        ("sls_hec_forwarder_install_keep", ["2"], ["two"]),
        ("python_runtime_implementation", ["pypy"], ["jython", None]),
        ("sls_hec_forwarder_status_fail", ["true"], ["ja"]),
        ("sls_hec_forwarder_memory_max", ["1G", 5], []),
    ],
)
def test_what_cannot_be_of_the_kind_is_refused(name: str, right: list[Any], wrong: list[Any]) -> None:
    for value in right:
        assert relay_mistyped({name: value}, str(ROLES)) == []
    for value in wrong:
        (problem,) = relay_mistyped({name: value}, str(ROLES))
        assert problem.startswith(f"{name} is {value!r}; expected ")


#: What the role makes of its variables, for whom the play would ask and wait.
MADE = {
    "files": "{{ lookup('ansible.builtin.template', 'files.json.j2') | from_json }}",
    "digests": "{{ _sls_hec_forwarder_digests }}",
}


def made(folder: Path, *extra: str) -> dict[str, Any]:
    """Files and digests of a play in `folder` with these extra variables; it also looks for mistakes."""
    folder.mkdir()
    (folder / "templates").symlink_to(ROLES / "sls_hec_forwarder/templates")
    out = folder / "made.json"
    consumer = {"name": "waf", "settings": {"SLS_PROJECT": "p", "SLS_LOGSTORE": "l", "SLS_CG": "c"}}
    variables = {
        "sls_hec_forwarder_consumers": [consumer],
        "role_path": str(ROLES / "sls_hec_forwarder"),
    }
    tasks = [
        {"import_role": {"name": "sls_hec.appliance.sls_hec_forwarder", "tasks_from": "inventory"}},
        {
            "set_fact": {
                "__time_sync_seen": {"stdout_lines": ["{{ now().timestamp() | int }}"]},
                "__sls_hec_forwarder_info": {"current": ""},
            }
        },
        {"import_role": {"name": "sls_hec.appliance.time_sync", "tasks_from": "preflight"}},
        {"copy": {"content": MADE, "dest": str(out)}},
    ]
    play = {"hosts": "all", "gather_facts": False, "vars": variables, "tasks": tasks}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"relay-1": here}}}))
    program = Path(sys.executable).parent / "ansible-playbook"
    done = subprocess.run(
        [
            program,
            "-i",
            folder / "hosts.yml",
            "-e_sls_hec_forwarder_systemd=254",
            *extra,
            folder / "play.yml",
        ],
        env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(out.read_text())
    return result


def test_a_play_makes_the_same_of_texts_as_of_numbers(tmp_path: Path) -> None:
    """A digest that differs would start every instance again for nothing."""
    values = {
        "sls_hec_forwarder_tasks_max": 99,
        "sls_hec_forwarder_stop_timeout": 45,
        "sls_hec_forwarder_start_timeout": 46,
        "sls_hec_forwarder_watchdog": 47,
        "sls_hec_forwarder_restart_delay": 48,
        "sls_hec_forwarder_remove_all_consumers": False,
        "time_sync_max_skew": 50,
    }
    numbers = made(tmp_path / "numbers", "-e", json.dumps(values))
    texts = made(tmp_path / "texts", *(f"-e{name}={value}" for name, value in values.items()))
    assert numbers == texts
    whole = "\n".join(numbers["files"].values())
    assert [str(number) in whole for number in (99, 45, 46, 47, 48)] == [True] * 5
