"""One run at a time: the lock of a host, whose it is, when its run is over, and whole plays with it."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from relay_lock import relay_holder, relay_lock_refusal, relay_run_is_over
from sls_hec_forwarder_lock import Lock

PROJECT = Path(__file__).parents[3]
ALICE = {"run": "laptop 1 1", "who": "alice@laptop", "node": "laptop", "since": "2026-01-31T08:00:00Z"}
BOB = {"run": "desk 1 2", "who": "bob@desk", "node": "desk", "since": "2026-01-31T09:00:00Z"}


@pytest.fixture
def lock(tmp_path: Path) -> Lock:
    return Lock(str(tmp_path / "lock"))


def test_a_second_run_is_told_who_was_first(lock: Lock) -> None:
    assert lock.take(ALICE) == {}
    assert lock.take(BOB) == ALICE
    assert lock.take({**ALICE, "since": "later"}) == {}
    assert lock.give(BOB) == ALICE
    assert lock.take(BOB) == ALICE  # with its own beginning


def test_what_was_given_back_is_free_and_leaves_nothing(lock: Lock) -> None:
    lock.take(ALICE)
    assert lock.give(ALICE) == {}
    assert lock.give(ALICE) == {}
    assert os.listdir(os.path.dirname(lock.path)) == []
    assert lock.take(BOB) == {}


def test_only_the_run_that_is_meant_is_replaced(lock: Lock) -> None:
    lock.take(ALICE)
    assert lock.take(BOB, instead="another") == ALICE
    assert lock.take(BOB, instead=ALICE["run"]) == {}
    assert lock.take(ALICE, instead=ALICE["run"]) == BOB


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"run": 5}', "\0"])
def test_a_lock_that_cannot_be_read_is_somebodys_until_it_is_broken(lock: Lock, content: str) -> None:
    Path(lock.path).write_text(content)
    held = lock.take(ALICE)
    assert "cannot be read" in held["who"]
    assert not relay_run_is_over(held)
    assert lock.take(ALICE, instead=held["run"]) == {}


def test_a_link_is_not_followed(lock: Lock, tmp_path: Path) -> None:
    Path(f"{lock.path}.new").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        lock.take(ALICE)
    assert not (tmp_path / "elsewhere").exists()


def test_of_many_at_once_one_gets_it(lock: Lock) -> None:
    got = []
    start = threading.Barrier(8)

    def take(number: int) -> None:
        start.wait()
        if not Lock(lock.path).take({"run": str(number)}):
            got.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


def ask(queue: multiprocessing.Queue[str]) -> None:
    queue.put(relay_holder("Roll")["run"])


def test_a_run_is_the_same_in_each_of_its_processes() -> None:
    queue: multiprocessing.Queue[str] = multiprocessing.get_context("fork").Queue()
    worker = multiprocessing.get_context("fork").Process(target=ask, args=(queue,))
    worker.start()
    said = queue.get(timeout=30)
    worker.join()
    assert said == relay_holder("Roll")["run"]
    assert said.endswith(f" {os.getpid()}")


def test_a_run_is_over_when_its_process_is_gone() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ours = relay_holder("Roll")
    assert not relay_run_is_over(ours)
    # Ended, and not waited for.
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert relay_run_is_over({**ours, "pid": str(ended.pid)})
    ended.wait()
    assert relay_run_is_over({**ours, "pid": str(ended.pid)})
    # What another machine runs, nobody knows here.
    assert not relay_run_is_over({**ours, "pid": str(ended.pid), "node": "another"})
    assert not relay_run_is_over({**ours, "pid": str(ended.pid), "boot": "another"})
    assert not relay_run_is_over({**ours, "pid": "what"})
    assert not relay_run_is_over({})


def test_the_refusal_says_who_since_when_and_what_to_do() -> None:
    full = {**ALICE, "what": "site.yml", "pid": "4711"}
    said = relay_lock_refusal({"a": full, "b": {}, "c": full, "d": {"run": "", "who": "nobody"}}, "break_it")
    first, alice, nobody, last = said.splitlines()
    assert first == "somebody else is at work on these hosts; nothing was touched:"
    assert alice.startswith(
        "- a, c: alice@laptop with site.yml (process 4711 on laptop) since 2026-01-31T08:00:00Z, "
    )
    assert alice.endswith(" minutes ago")
    assert nobody == "- d: nobody"
    assert last.endswith("say -e break_it=true.")
    assert relay_lock_refusal({"a": {}, "b": {}}, "break_it") == ""
    assert relay_lock_refusal({"a": {"run": "x", "since": "?"}}, "break_it").splitlines()[1] == (
        "- a: somebody since ?"
    )


def plays(path: Path) -> list[dict[str, Any]]:
    """Those of a playbook and of what it imports, in order."""
    found = []
    for play in yaml.safe_load(path.read_text(encoding="utf-8")):
        if "import_playbook" in play:
            found += plays(path.parent / play["import_playbook"])
        else:
            found.append({**play, "playbook": path.stem})
    return found


def uses(part: Any, tasks: str) -> bool:
    return f"'tasks_from': '{tasks}'" in repr(part)


CHANGE = [
    path
    for path in sorted(PROJECT.glob("ansible/*.yml"))
    if path.stem not in ("check_controller", "check_inventory", "lock", "roll", "unlock", "status")
]


@pytest.mark.parametrize("path", CHANGE, ids=lambda path: path.stem)
def test_every_playbook_that_changes_something_holds_the_hosts_meanwhile(path: Path) -> None:
    held = False
    changing = 0
    for play in plays(path):
        held = held or uses(play, "lock")
        if play.get("become") and play["playbook"] not in ("lock", "unlock", "status"):
            changing += 1
            last = play["tasks"][-1]
            assert held, play["name"]
            assert uses(last["always"], "give_up"), play["name"]
        held = held and not uses(play, "unlock")
    assert changing
    assert not held


class Fleet:
    """Three hosts, all of them this machine, each with its lock; and a roll that may `fail` on one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        hosts = {f"relay-{number}": here for number in (1, 2, 3)}
        inventory = {"all": {"children": {"relays": {"hosts": hosts}}}}
        (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
        give_up = {"import_role": {"name": "sls_hec.appliance.sls_hec_forwarder", "tasks_from": "give_up"}}
        switch = {"assert": {"that": "inventory_hostname != fail | default('')"}}
        roll = {"serial": 1, "max_fail_percentage": 0, "hosts": "relays", "gather_facts": False}
        plays = [
            {"import_playbook": str(PROJECT / "ansible/lock.yml")},
            {**roll, "tasks": [{"block": [{"name": "Switch", **switch}], "always": [give_up]}]},
            {"import_playbook": str(PROJECT / "ansible/unlock.yml")},
        ]
        (folder / "play.yml").write_text(yaml.safe_dump(plays))

    def lock(self, host: str, holder: dict[str, str]) -> None:
        (self.folder / f"{host}.lock").write_text(json.dumps(holder))

    def locked(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("*.lock"))

    def play(self, **variables: Any) -> tuple[int, str]:
        # Where a task goes over hosts, each is an item.
        path = f"{self.folder}/{{{{ item | default(inventory_hostname) }}}}.lock"
        extra = {"_sls_hec_forwarder_lock": path, "ansible_become": False, **variables}
        program = Path(sys.executable).parent / "ansible-playbook"
        done = subprocess.run(
            [program, "-i", self.folder / "hosts.yml", "-e", json.dumps(extra), self.folder / "play.yml"],
            env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "NO_COLOR": "1"},
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_a_run_gives_all_hosts_back(fleet: Fleet) -> None:
    status, said = fleet.play()
    assert (status, fleet.locked()) == (0, []), said


def test_a_run_that_fails_midway_gives_all_hosts_back(fleet: Fleet) -> None:
    status, said = fleet.play(fail="relay-2")
    assert status != 0
    assert fleet.locked() == [], said
    assert "Not touched: relay-3." in said


def test_a_host_of_another_run_keeps_this_one_from_all(fleet: Fleet) -> None:
    fleet.lock("relay-2", BOB)
    status, said = fleet.play()
    assert status != 0
    assert fleet.locked() == ["relay-2"], said
    assert said.count("- relay-2: bob@desk since 2026-01-31T09:00:00Z") == 1
    assert "TASK [Switch]" not in said
    # A text, as name=value makes it.
    status, said = fleet.play(sls_hec_forwarder_break_lock="true")
    assert (status, fleet.locked()) == (0, []), said


def test_what_a_killed_run_of_this_machine_left_is_taken_over(fleet: Fleet) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    killed = {**relay_holder("Roll"), "pid": str(ended.pid), "run": "killed"}
    fleet.lock("relay-1", killed)
    fleet.lock("relay-3", killed)
    status, said = fleet.play()
    assert (status, fleet.locked()) == (0, []), said
