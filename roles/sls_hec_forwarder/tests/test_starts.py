"""What instances were started with: the command that notes it on a host, and the filters that foresee it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from ansible_collections.sls_hec.appliance.plugins.module_utils.relay_starts import parse
from relay_starts import ETC, UNITS, relay_differing, relay_digests, relay_to_start

ROLE = Path(__file__).parent.parent
RELEASE = "/opt/sls-hec-forwarder/0.1.0-aaaa"
FILES = {
    f"{UNITS}@.service": "unit",
    f"{UNITS}.target": "target",
    f"{UNITS}@waf-1.service.d/instance.conf": "limits",
    f"{ETC}/instances/waf-1.env": "HEC_INDEX=waf\n",
    f"{ETC}/credentials/waf-1/HEC_TOKEN": "t\u00f6ken",
    f"{ETC}/credentials/waf-1/SLS_AK_KEY": "key",
    f"{UNITS}@waf-2.service.d/instance.conf": "limits",
    f"{ETC}/instances/waf-2.env": "HEC_INDEX=waf\n",
}


class Host:
    """A host with FILES below a folder; systemd says of every instance what `state` holds."""

    def __init__(self, root: Path, render: Callable[..., Path]) -> None:
        self.root = root
        self.state = root / "state"
        self.state.write_text("NeedDaemonReload=no\nActiveState=active\n")
        (root / "opt").mkdir()
        self.current = root / "opt" / "current"
        self.current.symlink_to(RELEASE)
        self.command = render(root / ETC[1:])
        systemctl = root / "systemctl"
        systemctl.write_text(f'#!/bin/sh\nif [ "$1" = show ]; then cat {self.state}; else echo "units"; fi\n')
        systemctl.chmod(0o755)
        # Only where things lie is another than on a host, and who answers for systemd.
        text = self.command.read_text()
        for old, new in (
            ("units=/etc", f"units={root}/etc"),
            ("notes=/run", f"notes={root}/run"),
            ("=/usr/sbin:", f"={root}:/usr/sbin:"),
            ('sha256sum "${files[@]}"', f'sha256sum "${{files[@]}}" | sed "s#{root}##"'),
        ):
            assert old in text, old
            text = text.replace(old, new)
        self.command.write_text(text)
        for path, content in FILES.items():
            self.write(path, content)

    def write(self, path: str, text: str) -> None:
        file = self.root / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.command, *arguments], capture_output=True, text=True, timeout=30, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def starts(self) -> dict[str, dict[str, str]]:
        return parse(self.run("--starts"))


@pytest.fixture
def host(tmp_path: Path, render: Callable[..., Path]) -> Host:
    return Host(tmp_path, render)


def test_the_host_and_the_inventory_make_the_same_digest(host: Host) -> None:
    digests = relay_digests(FILES, ["waf-1", "waf-2"], RELEASE)
    assert {name: found["disk"] for name, found in host.starts().items()} == digests
    assert digests["waf-1"] != digests["waf-2"]


def test_whatever_an_instance_is_started_with_shows_in_its_digest(host: Host) -> None:
    before = host.starts()["waf-1"]["disk"]
    seen = {before}
    for path in FILES:
        host.write(path, "changed")
        found = host.starts()["waf-1"]["disk"]
        ours = "waf-2" not in path and not path.endswith(".target")
        assert (found != before) is ours, path
        seen.add(found)
        host.write(path, FILES[path])
    (host.root / f"{ETC[1:]}/credentials/waf-1/HEC_TOKEN").unlink()
    seen.add(host.starts()["waf-1"]["disk"])
    host.write(f"{ETC}/credentials/waf-1/HEC_TOKEN", FILES[f"{ETC}/credentials/waf-1/HEC_TOKEN"])
    host.current.unlink()
    host.current.symlink_to("/opt/another")
    seen.add(host.starts()["waf-1"]["disk"])
    assert len(seen) == 8


def test_what_was_started_is_noted_until_the_next_start(host: Host) -> None:
    host.run("--note-start", "waf-1")
    found = host.starts()
    assert found["waf-1"]["noted"] == found["waf-1"]["disk"]
    assert (found["waf-2"]["noted"], found["waf-2"]["since"]) == ("-", "-")
    host.write(f"{ETC}/instances/waf-1.env", "HEC_INDEX=other\n")
    changed = host.starts()["waf-1"]
    assert changed["noted"] == found["waf-1"]["noted"] != changed["disk"]
    assert changed["since"].endswith("Z")
    note = host.root / "run/sls-hec-forwarder/waf-1.started"
    assert note.stat().st_mode & 0o777 == 0o600
    host.run("--note-start", "waf-1")
    assert host.starts()["waf-1"]["noted"] == changed["disk"]


def test_a_unit_that_systemd_has_not_read_counts_as_another(host: Host) -> None:
    host.run("--note-start", "waf-1")
    host.state.write_text("NeedDaemonReload=yes\nActiveState=active\n")
    found = host.starts()["waf-1"]
    assert (found["state"], found["noted"]) == ("active", "unread")


def test_an_instance_is_started_unless_it_runs_with_what_is_wanted(host: Host) -> None:
    host.run("--note-start", "waf-1")
    digests = relay_digests(FILES, ["waf-1", "waf-2"], RELEASE)
    assert relay_to_start(["waf-2", "waf-1"], host.starts(), digests) == ["waf-2"]
    assert relay_to_start(["waf-1"], host.starts(), {"waf-1": "another"}) == ["waf-1"]
    assert relay_to_start(["new-1"], host.starts(), digests) == ["new-1"]
    host.state.write_text("ActiveState=failed\nNeedDaemonReload=no\n")
    assert relay_to_start(["waf-1"], host.starts(), digests) == ["waf-1"]


def test_an_operator_is_told_what_runs_with_other_settings(host: Host) -> None:
    host.run("--note-start", "waf-2")
    unknown = "it is not known with which settings it runs: run site.yml"
    assert relay_differing(host.starts()) == {"waf-1": unknown}
    if os.getuid() == 0:
        assert host.run().splitlines()[1:] == [f"waf-1: {unknown}"]
    host.run("--note-start", "waf-1")
    assert relay_differing(host.starts()) == {}
    host.write(f"{ETC}/instances/waf-2.env", "HEC_INDEX=other\n")
    since = host.starts()["waf-2"]["since"]
    says = f"settings on disk differ from what runs since {since}: run site.yml, or"
    assert relay_differing(host.starts()) == {"waf-2": f"{says} restart it"}
    printed = host.run().splitlines()
    assert printed[0] == "units"
    told = [f"waf-2: {says} systemctl restart sls-hec-forwarder@waf-2"]
    assert printed[1:] == (told if os.getuid() == 0 else [])


def test_what_an_older_command_prints_is_no_start() -> None:
    assert parse("sls-hec-forwarder@waf-1.service loaded active running Relay of SLS logs\n") == {}


@pytest.mark.parametrize("name", ["../x-1", "waf", "waf-1;id", ""])
def test_only_an_instance_can_be_noted(host: Host, name: str) -> None:
    done = subprocess.run([host.command, "--note-start", name], timeout=30, check=False)
    assert done.returncode == 2
    assert not (host.root / "run").exists()


def test_what_was_seen_stays_known_where_a_second_look_is_skipped(tmp_path: Path) -> None:
    seen = {"waf-1": {"noted": "a", "disk": "a", "since": "-", "state": "active"}}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROLE / "vars/main.yml")],
        "tasks": [
            {"ansible.builtin.set_fact": {"__sls_hec_forwarder_info": {"starts": seen}}},
            {"ansible.builtin.include_tasks": str(ROLE / "tasks/info.yml"), "when": False},
            {"ansible.builtin.assert": {"that": f"_sls_hec_forwarder_starts == {seen}"}},
        ],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    program = Path(sys.executable).parent / "ansible-playbook"
    done = subprocess.run(
        [program, "--inventory=localhost,", "--connection=local", tmp_path / "play.yml"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
