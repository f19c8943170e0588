"""Before any host is switched, each has what it is to run; going back, each has its own release."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[3]


class Fleet:
    """Two hosts, both of them this machine, each with a folder of releases."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"all": {"hosts": {"relay-1": here, "relay-2": here}}}
        (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))

    def root(self, host: str) -> Path:
        root = self.folder / host
        root.mkdir(exist_ok=True)
        return root

    def install(self, host: str, release: str, link: str = "") -> None:
        (self.root(host) / release).mkdir()
        (self.root(host) / release / "complete").touch()
        if link:
            (self.root(host) / link).symlink_to(self.root(host) / release)

    def play(self, tasks: str, **variables: Any) -> tuple[int, str]:
        """How a play with these tasks ends, and what it says; first of all which release each host takes."""
        play = {
            "hosts": "all",
            "gather_facts": False,
            "any_errors_fatal": True,
            "tasks": [
                {"import_role": {"name": "sls_hec.appliance.sls_hec_forwarder", "tasks_from": tasks}},
                {"debug": {"msg": "{{ inventory_hostname }} takes {{ sls_hec_forwarder_release }}"}},
            ],
        }
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]))
        root = {"sls_hec_forwarder_root": f"{self.folder}/{{{{ inventory_hostname }}}}"}
        extra = ["-e", json.dumps({**root, **variables})]
        program = Path(sys.executable).parent / "ansible-playbook"
        done = subprocess.run(
            [program, "-i", self.folder / "hosts.yml", *extra, self.folder / "play.yml"],
            env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "NO_COLOR": "1"},
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    fleet = Fleet(tmp_path)
    fleet.install("relay-1", "2-debian12", "current")
    fleet.install("relay-2", "2-debian13", "current")
    fleet.install("relay-1", "1-debian12", "previous")
    return fleet


def test_going_back_each_host_takes_its_own_release(fleet: Fleet) -> None:
    fleet.install("relay-2", "1-debian13", "previous")
    status, said = fleet.play("previous")
    assert status == 0, said
    assert "relay-1 takes 1-debian12" in said
    assert "relay-2 takes 1-debian13" in said


def test_one_host_that_cannot_go_back_keeps_all_from_it(fleet: Fleet) -> None:
    status, said = fleet.play("previous")
    assert status != 0
    assert said.count("- relay-2: no release is known to have run there before; it has 2-debian13") == 1, said
    assert "takes" not in said
    # The link is there, and what it leads to is not whole.
    fleet.install("relay-2", "1-debian13", "previous")
    (fleet.root("relay-2") / "1-debian13" / "complete").unlink()
    status, said = fleet.play("previous")
    assert status != 0
    assert "- relay-2: release 1-debian13 is not installed; it has 2-debian13" in said, said


def test_going_back_takes_no_other_release(fleet: Fleet) -> None:
    fleet.install("relay-2", "1-debian13", "previous")
    status, said = fleet.play("previous", sls_hec_forwarder_release="2-debian12")
    assert status != 0
    assert "use upgrade.yml with it" in " ".join(said.split()), said


def test_a_release_that_one_host_lacks_is_refused_on_all(fleet: Fleet) -> None:
    status, said = fleet.play("have_release", sls_hec_forwarder_release="2-debian12")
    assert status != 0
    assert "- relay-2: release 2-debian12 is not installed; it has 2-debian13" in said, said
    assert "takes" not in said
    # Where none is named, each has the one that runs.
    status, said = fleet.play("have_release")
    assert status == 0, said
