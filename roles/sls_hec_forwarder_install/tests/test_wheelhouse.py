"""Wheels are built on one host of each platform: one that fails takes nothing from the others."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[3]

PROXY = "http://relay:p'a ss$w@proxy:3128"

#: Builds no wheels, or fails as a compiler does, by the interpreter that it is given.
BUILDER = """\
if [[ $1 == broken ]]; then
  echo 'lz4.c:7:1: error: incompatible pointer type' >&2
  echo 'ERROR: Failed to build lz4' >&2
  exit 1
fi
stat -c %a "$2/environment" >SEEN
(set -a; source "$2/environment"; env) >>SEEN
tar -C "$2" -cf "$3" --files-from=/dev/null
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "build-wheelhouse").write_text(BUILDER.replace("SEEN", str(tmp_path / "seen")))
    common = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "sls_hec_forwarder_install_cache": str(tmp_path / "cache"),
    }
    hosts: dict[str, Any] = {
        "first": {"python_runtime_executable": "broken", "python_runtime_tag": "pypy-7.3-3.11"},
        "second": {"python_runtime_executable": "right", "python_runtime_tag": "pypy-7.3-3.9"},
    }
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts, "vars": common}}))
    role = {
        "name": "Have wheels",
        "ansible.builtin.include_role": {
            "name": "sls_hec.appliance.sls_hec_forwarder_install",
            "tasks_from": "wheelhouse",
        },
        "vars": {"_sls_hec_forwarder_install_script": str(tmp_path / "build-wheelhouse")},
    }
    play = {"name": "Build", "hosts": "all", "any_errors_fatal": True, "tasks": [role]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    return tmp_path


def test_a_platform_that_fails_leaves_others_their_wheels(site: Path) -> None:
    played = subprocess.run(
        ["ansible-playbook", "--inventory", site / "hosts.yml", site / "play.yml"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    said = " ".join(played.stdout.split())
    assert played.returncode == 2, said
    assert "could not be built on first: lz4.c:7:1: error: incompatible pointer type. " in said
    kept = sorted(path.relative_to(site / "cache").as_posix() for path in (site / "cache").rglob("*"))
    assert len(kept) == 3
    assert all("pypy-7.3-3.9-" in path for path in kept)
    assert kept[1].endswith("/wheels.tar")


def test_pip_gets_its_environment_where_nobody_else_reads_it(site: Path) -> None:
    hosts = json.loads((site / "hosts.yml").read_text())
    hosts["all"]["vars"]["sls_hec_forwarder_install_pip_environment"] = {"HTTPS_PROXY": PROXY, "RETRIES": 3}
    (site / "hosts.yml").write_text(json.dumps(hosts))
    played = subprocess.run(
        ["ansible-playbook", "-vvv", "--diff", "--inventory", site / "hosts.yml", site / "play.yml"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    mode, *environment = (site / "seen").read_text().splitlines()
    assert mode == "600"
    assert {f"HTTPS_PROXY={PROXY}", "RETRIES=3"} <= set(environment)
    assert "ss$w" not in played.stdout + played.stderr
