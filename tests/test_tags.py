"""The tags of a roll-out: a step of all roles, a whole role, a step of one role."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[1]
STEPS = ("preflight", "install", "configure", "run")
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if (path / "tasks").is_dir())
#: The tag of a role, and of the step "install" of the role sls_hec_forwarder.
BOTH = "sls_hec_forwarder_install"


class Task(NamedTuple):
    place: int
    role: str
    tags: frozenset[str]


def ansible(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    """What site.yml would do, in this order."""
    done = ansible("-i", "inventory/demo", "site.yml", "--list-tasks")
    assert done.returncode == 0, done.stdout + done.stderr
    line = re.compile(r"^ +sls_hec\.appliance\.(\w+) : .+\tTAGS: \[(.*)\]$", re.MULTILINE)
    found = [
        Task(place, role, frozenset(tags.split(", ")))
        for place, (role, tags) in enumerate(line.findall(done.stdout))
    ]
    assert len(found) > 80
    return found


def imports(file: Path) -> list[dict[str, Any]]:
    """The steps, also those of a file that is imported without a tag."""
    return _imports(yaml.safe_load(file.read_text()), file.parent)


def _imports(tasks: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    found = []
    for each in tasks:
        if "block" in each:
            found += _imports(each["block"], folder)
        elif "tags" in each:
            found.append(each)
        else:
            found += imports(folder / each["ansible.builtin.import_tasks"])
    return found


@pytest.mark.parametrize("role", ROLES)
def test_a_step_has_the_tag_of_its_role_its_own_and_both_in_one(role: str) -> None:
    steps = imports(ROOT / "roles" / role / "tasks" / "main.yml")
    assert len(steps) >= 3
    for task in steps:
        own = [tag for tag in task["tags"] if tag in STEPS]
        assert task["tags"] == [role, *(own or ["always"]), *(f"{role}_{step}" for step in own)], task["name"]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_that_step_of_each_role(tasks: list[Task], step: str) -> None:
    alone = {task for task in tasks if step in task.tags}
    one_by_one = {task for task in tasks if task.tags & {f"{role}_{step}" for role in ROLES}}
    assert alone
    assert alone - one_by_one == set()
    more = one_by_one - alone
    assert bool(more) == (step == "install")
    # The others of the role that has this name.
    assert {task.role for task in more} <= {BOTH}


def test_what_looks_or_installs_prepares_the_host_first(tasks: list[Task]) -> None:
    first = [task for task in tasks if task.role == BOTH and "time_sync" in task.tags]
    assert first
    used = {tag for task in tasks for tag in task.tags}
    of_roles = {f"{role}_{step}" for role in ROLES for step in ("preflight", "install")} & used
    for task in first:
        assert task.tags - {"always"} == {
            "preflight",
            "install",
            "time_sync",
            "python_runtime",
            BOTH,
            *of_roles,
        }


def test_each_tag_is_documented(tasks: list[Task]) -> None:
    used = {tag for task in tasks for tag in task.tags} - {"always"}
    page = (ROOT / "docs" / "rollout.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| `--tags` |")
    rows = re.findall(r"^\| (.+?) \| ", table.partition("\n\n")[0], re.MULTILINE)
    named = {tag for row in rows for tag in re.findall(r"`([\w<>]+)`", row)}
    assert named - used == {"<role>_<step>"}
    assert used - named <= {f"{role}_{step}" for role in ROLES for step in STEPS}


@pytest.mark.parametrize(
    ("tags", "looks"),
    [
        ("preflight", True),
        ("python_runtime_preflight,sls_hec_forwarder_preflight", True),
        ("preflight,python_runtime_install", False),
        ("all", False),
    ],
)
def test_a_run_of_preflights_alone_is_told_from_others(tmp_path: Path, tags: str, looks: bool) -> None:
    # Which are content with a host that has no interpreter yet, and with a release that is still to come.
    variables = {
        "_python_runtime_executable": str(tmp_path / "python"),
        "python_runtime_method": "archive",
        "sls_hec_forwarder_release": "1.0-12345678",
        "sls_hec_forwarder_install_release": "1.0-12345678",
        "ansible_python_interpreter": sys.executable,
    }
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars_files": [str(ROOT / "roles" / "sls_hec_forwarder" / "vars" / "main.yml")],
        "tasks": [
            {
                "ansible.builtin.debug": {"msg": "to come: {{ _sls_hec_forwarder_to_come }}"},
                "tags": ["always"],
            },
            {
                "ansible.builtin.import_role": {
                    "name": "sls_hec.appliance.python_runtime",
                    "tasks_from": "run",
                },
                "tags": ["always"],
            },
        ],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    done = ansible(
        tmp_path / "play.yml",
        "--inventory=localhost,",
        f"--tags={tags}",
        f"--extra-vars={json.dumps(variables)}",
    )
    assert (done.returncode == 0) == looks, done.stdout + done.stderr
    assert f"to come: {looks}" in done.stdout
    assert ("has no" in done.stdout) != looks
