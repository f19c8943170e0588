"""What of the relay is on a host, and whether a roll-out leaves the host alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from sls_hec_forwarder_info import bus, good, instances, releases

PROJECT = Path(__file__).parents[3]
ROLE = Path(__file__).parent.parent
DIGEST = "a" * 64


def test_releases_by_age_and_those_whose_installation_ended(tmp_path: Path) -> None:
    assert releases(str(tmp_path / "nothing")) == {
        "current": "",
        "previous": "",
        "releases": [],
        "complete": [],
    }
    for release in ("1-a", "2-b", "3-c"):
        (tmp_path / release).mkdir()
    # Their age is that of the last change: the first is the newest now.
    for number, release in enumerate(("3-c", "2-b", "1-a")):
        (tmp_path / release / "complete").touch()
        os.utime(tmp_path / release, (number, number))
    (tmp_path / "2-b" / "complete").unlink()
    (tmp_path / "current").symlink_to(tmp_path / "3-c")
    found = releases(str(tmp_path))
    assert (found["current"], found["previous"], found["complete"]) == ("3-c", "", ["1-a", "3-c"])
    assert sorted(found["releases"]) == [str(tmp_path / release) for release in ("1-a", "2-b", "3-c")]
    ages = [os.stat(folder).st_ctime_ns for folder in found["releases"]]
    assert ages == sorted(ages, reverse=True)


def test_instances_and_what_systemd_says_of_each(tmp_path: Path) -> None:
    folder = tmp_path / "instances"
    folder.mkdir()
    for name in ("waf-1.env", "audit-1.env", ".new-x.env", "notes.txt"):
        (folder / name).touch()
    command = tmp_path / "sls-hec-instance"
    command.touch()
    asked = []

    def run(argv: list[str]) -> str:
        asked.append(argv[0])
        if argv[0] == str(command):
            return f"waf-1 active {DIGEST} {DIGEST} 2026-01-31T08:00:00Z\n"
        units = argv[3:]
        assert units == [
            "sls-hec-forwarder.target",
            *(f"sls-hec-forwarder@{n}-1.service" for n in ("audit", "waf")),
        ]
        return "\n\n".join(f"Id={unit}\nActiveState=active\nStatusText=a = b" for unit in units)

    found = instances(str(tmp_path), run, str(command))
    assert found["instances"] == ["audit-1", "waf-1"]
    assert sorted(found["units"]) == ["audit-1", "target", "waf-1"]
    assert found["units"]["waf-1"] == {"ActiveState": "active", "StatusText": "a = b"}
    assert found["starts"]["waf-1"]["disk"] == DIGEST
    assert asked == ["systemctl", str(command)]


def test_a_socket_without_a_listener_is_no_bus(tmp_path: Path) -> None:
    path = str(tmp_path / "bus")
    assert not bus(path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        assert not bus(path)
        server.listen()
        assert bus(path)
    assert not bus(path)


def test_a_good_state_that_cannot_be_read_is_told_with_what_to_do(tmp_path: Path) -> None:
    assert good(str(tmp_path)) == {}
    path = tmp_path / "states" / "good" / "state.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"release": "/opt/x", "instances": ["waf-1"]}')
    assert good(str(tmp_path)) == {"release": "/opt/x", "instances": ["waf-1"], "digests": {}}
    for broken in ('{"release": ', "[]"):
        path.write_text(broken)
        with pytest.raises(OSError, match=rf"{path} cannot be read.*remove {path.parent}"):
            good(str(tmp_path))


#: A host on which nothing is to be done: facts and variables of a play.
AS_WANTED: dict[str, Any] = {
    "sls_hec_forwarder_root": "/opt/r",
    "sls_hec_forwarder_release": "1-a",
    "_sls_hec_forwarder_ids": ["waf-1"],
    "_sls_hec_forwarder_instances": [{"id": "waf-1", "consumer": "waf"}],
    "__sls_hec_forwarder_info": {
        "current": "1-a",
        "paused": [],
        "instances": ["waf-1"],
        "starts": {"waf-1": {"state": "active", "disk": DIGEST, "noted": DIGEST, "since": "-"}},
        "units": {"target": {"ActiveState": "active", "UnitFileState": "enabled"}},
        "good": {"release": "/opt/r/1-a", "instances": ["waf-1"], "digests": {"waf-1": DIGEST}},
    },
    "__sls_hec_forwarder_doubtful": [],
    "__sls_hec_forwarder_stale": [],
    "__sls_hec_forwarder_open": {"paths": []},
    "__sls_hec_forwarder_secret": {"paths": []},
}
#: Each is reason enough to touch the host: a path in the above, and what stands there instead.
REASONS: dict[str, Any] = {
    "sls_hec_forwarder_release": "2-b",
    "__sls_hec_forwarder_info/starts/waf-1/noted": "-",
    "__sls_hec_forwarder_info/starts/waf-1/state": "failed",
    "__sls_hec_forwarder_info/units/target/ActiveState": "inactive",
    "__sls_hec_forwarder_info/units/target/UnitFileState": "disabled",
    "__sls_hec_forwarder_info/units": {},
    "__sls_hec_forwarder_info/good": {},
    "__sls_hec_forwarder_info/good/release": "/opt/r/0-z",
    "__sls_hec_forwarder_info/good/instances": ["waf-1", "waf-2"],
    "__sls_hec_forwarder_doubtful": ["waf-1"],
    "__sls_hec_forwarder_stale": ["old-1"],
    "__sls_hec_forwarder_open/paths": ["/etc/systemd/system/sls-hec-forwarder.target"],
    "__sls_hec_forwarder_secret/paths": ["/etc/sls-hec-forwarder/credentials/waf-1/HEC_TOKEN"],
}


def test_a_host_is_left_alone_only_when_nothing_at_all_differs(tmp_path: Path) -> None:
    """One host of the play for each reason, for plays take long to start."""
    hosts = {"as-wanted": AS_WANTED}
    for reason, instead in REASONS.items():
        hosts[reason.replace("/", ".")] = _with(AS_WANTED, reason.split("/"), instead)
    # Its consumer is another one than the others', for a mark on one host counts on all.
    paused = _with(AS_WANTED, ["__sls_hec_forwarder_info", "paused"], ["audit"])
    hosts["paused"] = {**paused, "_sls_hec_forwarder_instances": [{"id": "waf-1", "consumer": "audit"}]}
    inventory = {"all": {"hosts": {name: {"facts": json.dumps(facts)} for name, facts in hosts.items()}}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
    play = {
        "hosts": "all",
        "gather_facts": False,
        "vars_files": [str(ROLE / "vars/main.yml")],
        "tasks": [
            {
                "ansible.builtin.set_fact": {"{{ item.key }}": "{{ item.value }}"},
                "loop": "{{ facts | from_json | dict2items }}",
            },
            {
                "ansible.builtin.copy": {
                    "content": "{{ _sls_hec_forwarder_as_wanted | bool | to_json }}",
                    "dest": f"{tmp_path}/{{{{ inventory_hostname }}}}",
                    "mode": "0644",
                },
                "delegate_to": "localhost",
            },
        ],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    done = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            "-i",
            tmp_path / "hosts.yml",
            tmp_path / "play.yml",
        ],
        env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "NO_COLOR": "1"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: json.loads((tmp_path / name).read_text()) for name in hosts}
    assert found == {name: name == "as-wanted" for name in hosts}


def _with(facts: dict[str, Any], path: list[str], instead: Any) -> dict[str, Any]:
    if not path:
        return instead  # type: ignore[no-any-return]  # the recursion's end is any value
    return {**facts, path[0]: _with(facts[path[0]], path[1:], instead)}
