"""A roll stops at the first host that fails or is down, and the end of the output says what that means."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from relay import Roll, ending

PROJECT = Path(__file__).parents[3]
HOST = "{{ inventory_hostname }}"
PLAYBOOKS = sorted(PROJECT.glob("ansible/*.yml"))
WHY = (
    'Task failed: Data could not be sent to remote host "b". Make sure this host can be reached over ssh: '
    "ssh: connect to host b port 22: No route to host\r\n"
)


def roll(begun: str = "ab", hosts: str = "abc") -> Roll:
    play = Roll("Switch")
    play.hosts = list(hosts)
    play.begun = set(begun)
    return play


def test_a_host_that_is_down_is_named_with_what_was_not_touched_and_what_to_do() -> None:
    assert ending({"b": WHY}, [], roll(), None) == [
        "b is down or cannot be reached: ssh: connect to host b port 22: No route to host",
        '"Switch" stopped at b.',
        "Not touched: c. What ran there before keeps running.",
        "Once all hosts are back, run the same command again. To continue without b: --limit '!b'.",
    ]


def test_a_host_that_failed_is_named_with_what_was_not_touched() -> None:
    assert ending({}, ["a"], roll("a"), None) == [
        '"Switch" stopped at a.',
        "Not touched: b, c. What ran there before keeps running.",
    ]
    assert ending({}, ["c"], roll("abc"), None) == []


def test_a_host_that_was_down_before_the_roll_began() -> None:
    said = ending({"b": WHY}, ["a", "c"], roll("", ""), None)
    assert said[1:-1] == ['No host has reached "Switch".']


@pytest.mark.parametrize(
    ("limit", "left"),
    [("a:b", "a:b:!b"), ("a,b", "a,b,!b"), ("eu", "eu:!b"), ("b", None)],
)
def test_what_was_left_out_before_stays_out(limit: str, left: str | None) -> None:
    last = ending({"b": WHY}, [], roll(), limit)[-1]
    assert last.endswith(f"--limit '{left}'." if left else "again.")


def test_where_nothing_rolls_nothing_is_said_of_it() -> None:
    assert ending({"b": "gone"}, [], None, None) == ["b is down or cannot be reached: gone"]
    assert ending({}, ["b"], None, None) == []


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_no_playbook_takes_the_next_host_after_one_that_is_down(path: Path) -> None:
    """any_errors_fatal counts a host that is down twice, and goes on with the next one."""
    for play in yaml.safe_load(path.read_text(encoding="utf-8")):
        if "serial" in play:
            assert (play["serial"], play.get("max_fail_percentage")) == (1, 0), play["name"]
            assert "any_errors_fatal" not in play, play["name"]


def test_hosts_are_taken_one_after_the_other_in_more_than_one_playbook() -> None:
    rolling = [path.stem for path in PLAYBOOKS if "\n  serial: 1\n" in path.read_text(encoding="utf-8")]
    assert {"rollout", "roll", "drain", "remove"} <= {*rolling}


def test_a_whole_run_stops_at_the_host_that_is_down(tmp_path: Path) -> None:
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    # Nothing listens there, and whoever connects is told at once.
    gone = {"ansible_host": "127.0.0.1", "ansible_port": 1}
    inventory = {"all": {"hosts": {"relay-1": here, "relay-2": gone, "relay-3": here}}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
    tasks = [{"name": "Switch it", "ansible.builtin.command": f"mkdir {tmp_path}/{HOST}"}]
    play = {"name": "Switch", "hosts": "all", "gather_facts": False, "tasks": tasks}
    rolling = {"serial": 1, "max_fail_percentage": 0}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{**play, **rolling}]))
    program = Path(sys.executable).parent / "ansible-playbook"
    done = subprocess.run(
        [program, "-i", tmp_path / "hosts.yml", tmp_path / "play.yml"],
        env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_SSH_RETRIES": "0"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert (tmp_path / "relay-1").is_dir()
    assert not (tmp_path / "relay-3").exists()
    assert '"Switch" stopped at relay-2.\nNot touched: relay-3.' in done.stdout
    assert "\nrelay-2 is down or cannot be reached: ssh: connect to host 127.0.0.1 port 1:" in done.stdout
