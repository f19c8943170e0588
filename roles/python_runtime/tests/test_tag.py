"""By what a runtime is named: by that which installed packages depend on, and nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import jinja2
import pytest
import yaml

ROLE = Path(__file__).parent.parent
PROGRAM = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["_python_runtime_question"]


def said(
    name: str, language: tuple[int, int, int], pypy: tuple[int, int, int] | None, flags: str = ""
) -> str:
    """What the program prints in such an interpreter."""
    made = {"pypy_version_info": (*pypy, "final", 0)} if pypy else {}
    version = (*language, "final", 0)
    like = SimpleNamespace(
        implementation=SimpleNamespace(name=name), version_info=version, abiflags=flags, **made
    )
    printed = io.StringIO()
    with mock.patch.dict(sys.modules, {"sys": like}), contextlib.redirect_stdout(printed):
        exec(PROGRAM, {})
    return printed.getvalue()


def test_a_mended_version_of_the_same_runtime_has_the_same_name() -> None:
    assert said("cpython", (3, 11, 2), None) == said("cpython", (3, 11, 9), None) == "cpython-3.11 3.11\n"
    old, new = (said("pypy", (3, 9, micro), (7, 3, micro)) for micro in (11, 16))
    assert old == new == "pypy-7.3-3.9 3.9\n"


@pytest.mark.parametrize(
    "other",
    [
        said("cpython", (3, 12, 2), None),
        said("cpython", (3, 13, 0), None, "t"),
        said("pypy", (3, 9, 16), (7, 4, 0)),
        said("pypy", (3, 10, 16), (7, 3, 11)),
        said("graalpy", (3, 11, 2), None),
    ],
)
def test_what_packages_depend_on_shows_in_the_name(other: str) -> None:
    assert other not in (said("cpython", (3, 11, 2), None), said("pypy", (3, 9, 16), (7, 3, 11)))


def test_other_roles_are_told_the_name_alone(tmp_path: Path) -> None:
    play = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "connection": "local",
            "tasks": [
                {"ansible.builtin.import_role": {"name": str(ROLE), "tasks_from": "run"}},
                {
                    "ansible.builtin.copy": {
                        "content": "{{ [python_runtime_tag, python_runtime_executable] | to_json }}",
                        "dest": str(tmp_path / "told"),
                        "mode": "0644",
                    }
                },
            ],
        }
    ]
    here = {
        "_python_runtime_executable": sys.executable,
        "python_runtime_method": "archive",
        "ansible_python_interpreter": sys.executable,
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump(play))
    done = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            "--inventory=localhost,",
            f"--extra-vars={json.dumps(here)}",
            "play.yml",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    version = ".".join(map(str, sys.version_info[:2]))
    assert json.loads((tmp_path / "told").read_text()) == [f"cpython-{version}", sys.executable]


@pytest.mark.parametrize(
    ("stdout", "there", "answer"),
    [
        ("packages: installed installed \npypy-7.3-3.9 3.9", True, "pypy-7.3-3.9 3.9"),
        # Without pypy3-venv; purged but for its settings; nothing at all.
        ("packages: installed \npypy-7.3-3.9 3.9", False, "pypy-7.3-3.9 3.9"),
        ("packages: installed config-files \npypy-7.3-3.9 3.9", False, "pypy-7.3-3.9 3.9"),
        ("packages:", False, ""),
    ],
)
def test_what_is_missing_is_installed(stdout: str, there: bool, answer: str) -> None:
    variables = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
    asked = {"stdout": stdout, "stdout_lines": stdout.splitlines()}
    known = {"__python_runtime_asked": asked, "_python_runtime_wanted": ["pypy3", "pypy3-venv"]}
    found = jinja2.Environment(undefined=jinja2.StrictUndefined)
    assert found.from_string(variables["_python_runtime_there"]).render(known).strip() == str(there)
    assert found.from_string(variables["_python_runtime_answer"]).render(known) == answer
