"""The last good state of a host's instances, and the way back to it; the host is a folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.sls_hec.appliance.plugins.module_utils.relay_starts import COMMAND
from sls_hec_forwarder_state import ETC, NOTES, UNITS, States

OLD, NEW = "0.1.0-aaaa", "0.2.0-bbbb"


class Host:
    """`run` notes what systemd was told; `broken` names units that it cannot start.

    What an instance was started with is noted as its unit does; `killed` instances and `drained` ones do not
    run.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.told: list[str] = []
        self.broken: set[str] = set()
        self.killed: set[str] = set()
        self.drained: set[str] = set()
        self.state = root / "var/lib/sls-hec-forwarder"
        self.states = States(str(self.state / "states"), str(root / "opt/current"), str(root))
        self.state.mkdir(parents=True)
        for release in (OLD, NEW):
            (root / "opt" / release).mkdir(parents=True)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def configure(self, text: str, *instances: str) -> None:
        self.write(f"{UNITS}@.service", text)
        self.write(f"{UNITS}.target", "target")
        for name in instances:
            self.write(f"{UNITS}@{name}.service.d/instance.conf", text)
            self.write(f"{ETC}/instances/{name}.env", text)
            self.write(f"{ETC}/credentials/{name}/HEC_TOKEN", text, 0o400)

    def switch(self, release: str, *instances: str) -> None:
        link = self.root / "opt/current"
        link.unlink(missing_ok=True)
        link.symlink_to(self.root / "opt" / release)
        for name in instances:
            self.write(f"{NOTES}/{name}.started", self.digest(name))

    def digest(self, name: str) -> str:
        """Of what is on disk."""
        own = (f"{UNITS}@{name}.service.d/instance.conf", f"{ETC}/instances/{name}.env")
        paths = [f"{UNITS}@.service", *own, f"{ETC}/credentials/{name}/HEC_TOKEN"]
        whole = os.readlink(self.root / "opt/current") + "".join(
            (self.root / path).read_text() for path in paths
        )
        return hashlib.sha256(whole.encode()).hexdigest()

    def noted(self, name: str) -> str:
        file = self.root / NOTES / f"{name}.started"
        return file.read_text() if file.exists() else "-"

    def start(self, name: str) -> str:
        state = "failed" if name in self.killed else "inactive" if name in self.drained else "active"
        return f"{name} {state} {self.digest(name)} {self.noted(name)} 2026-11-27T10:00:00Z\n"

    def run(self, command: list[str]) -> str:
        if command == [COMMAND, "--starts"]:
            files = sorted((self.root / ETC / "instances").glob("*.env"))
            return "".join(self.start(file.stem) for file in files if file.is_file())
        self.told.append(" ".join(command[1:]))
        if self.broken & set(command):
            raise OSError("Job failed")
        if command[1] == "restart":
            name = command[2].partition("@")[2].removesuffix(".service")
            self.write(f"{NOTES}/{name}.started", self.digest(name))
            self.killed.discard(name)
        return ""

    def back(self, *instances: str, started: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
        return self.states.back(instances, started, self.run)

    def files(self) -> dict[str, tuple[str, int]]:
        """Text and mode of each file outside of the folder of the states."""
        return {
            str(file.relative_to(self.root)): (file.read_text(), file.stat().st_mode & 0o7777)
            for file in sorted((self.root / "etc").rglob("*"))
            if file.is_file()
        }


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.configure("old", "a-1", "b-1")
    host.switch(OLD, "a-1", "b-1")
    return host


def test_a_failed_change_is_undone(host: Host) -> None:
    host.states.keep(["a-1", "b-1"])
    before, noted = host.files(), host.noted("a-1")
    host.configure("new", "a-1", "b-1", "c-1")
    host.write(f"{ETC}/credentials/a-1/SLS_AK_KEY", "added", 0o400)
    host.switch(NEW, "a-1", "c-1")
    done, errors = host.back("a-1", "b-1", "c-1", started=("a-1", "c-1"))
    assert errors == []
    assert host.files() == before
    assert host.noted("a-1") == noted
    assert os.path.basename(os.readlink(host.root / "opt/current")) == OLD
    # b-1 was never stopped.
    assert host.told == [
        "disable --now sls-hec-forwarder@c-1.service",
        "daemon-reload",
        "restart sls-hec-forwarder@a-1.service",
    ]
    assert "started a-1 again as it was" in done


def test_what_an_interrupted_run_has_started_is_undone_by_the_next(host: Host) -> None:
    """The run that fails has started nothing itself."""
    host.states.keep(["a-1", "b-1"])
    before = host.files()
    host.configure("bad", "a-1", "b-1")
    host.switch(NEW, "a-1")
    done, errors = host.back("a-1", "b-1")
    assert errors == []
    assert host.files() == before
    assert host.told == ["daemon-reload", "restart sls-hec-forwarder@a-1.service"]
    assert "started a-1 again as it was" in done


def test_going_back_can_be_interrupted_and_done_again(host: Host) -> None:
    host.states.keep(["a-1", "b-1"])
    before = host.files()
    host.configure("bad", "a-1", "b-1")
    host.switch(NEW, "a-1", "b-1")
    host.killed = {"b-1"}

    def cut(command: list[str]) -> str:
        if command[1] == "restart":
            raise KeyboardInterrupt
        return host.run(command)

    with pytest.raises(KeyboardInterrupt):
        host.states.back(["a-1", "b-1"], ["a-1", "b-1"], cut)
    _, errors = host.back("a-1", "b-1")
    assert errors == []
    assert host.files() == before
    assert host.told[-2:] == [f"restart sls-hec-forwarder@{name}.service" for name in ("a-1", "b-1")]
    assert host.noted("a-1") == host.digest("a-1")


def test_what_was_drained_is_not_started_by_going_back(host: Host) -> None:
    host.states.keep(["a-1", "b-1"])
    host.drained = {"a-1", "b-1"}
    host.configure("new", "a-1", "b-1")
    host.back("a-1", "b-1", started=("b-1",))
    assert host.told == ["daemon-reload", "restart sls-hec-forwarder@b-1.service"]


def test_a_state_of_an_earlier_version_is_the_first_that_is_kept(host: Host) -> None:
    note = host.state / "applied.json"
    assert not host.states.keep(["a-1"], first_after=str(note))  # a first roll-out was interrupted
    note.write_text("{}")
    assert host.states.keep(["a-1"], first_after=str(note))
    host.configure("new", "a-1")
    assert not host.states.keep(["a-1"], first_after=str(note))


def test_without_a_kept_state_nothing_is_removed(host: Host) -> None:
    before = host.files()
    assert host.states.release() == ""
    assert host.back("a-1", "b-1", started=("a-1",)) == ([], [])
    assert (host.files(), host.told) == (before, [])


def test_the_release_before_is_known_while_another_one_runs(host: Host) -> None:
    previous = host.root / "opt/previous"
    host.states.keep(["a-1"])
    assert not previous.is_symlink()
    host.switch(NEW, "a-1")
    host.states.keep(["a-1"])
    assert previous.readlink() == host.root / "opt" / OLD
    # New settings are no new release.
    host.configure("newer", "a-1")
    host.states.keep(["a-1"])
    assert previous.readlink() == host.root / "opt" / OLD
    host.switch(OLD, "a-1")
    host.states.keep(["a-1"])
    assert previous.readlink() == host.root / "opt" / NEW


def test_the_rest_is_done_past_an_error(host: Host) -> None:
    host.states.keep(["a-1", "b-1"])
    host.configure("new", "a-1", "b-1")
    host.switch(NEW, "a-1", "b-1")
    (host.root / "opt" / OLD).rmdir()
    file = host.root / ETC / "instances/a-1.env"
    file.unlink()
    file.mkdir()
    host.broken = {"sls-hec-forwarder@a-1.service"}
    _, errors = host.back("a-1", "b-1", started=("a-1", "b-1"))
    assert [error.split(":")[0] for error in errors] == [
        f"/{ETC}/instances/a-1.env is not as it was",
        f"{host.root}/opt/current does not lead to {host.root}/opt/{OLD}",
        "a-1 does not run",
    ]
    assert (host.root / ETC / "instances/b-1.env").read_text() == "old"
    assert host.told[-1] == "restart sls-hec-forwarder@b-1.service"


def test_files_of_others_are_left_alone(host: Host) -> None:
    host.states.keep(["a-1", "b-1"])
    host.configure("new", "a-1")
    host.write(f"{ETC}/instances/b-1.env", "changed by hand")
    host.write(f"{UNITS}@a-1.service.d/mine.conf", "an operator's")
    host.back("a-1", started=("a-1",))
    assert (host.root / ETC / "instances/a-1.env").read_text() == "old"
    assert (host.root / ETC / "instances/b-1.env").read_text() == "changed by hand"
    assert (host.root / f"{UNITS}@a-1.service.d/mine.conf").exists()


def test_a_state_is_kept_only_when_it_differs(host: Host) -> None:
    assert host.states.keep(["a-1", "b-1"])
    first = os.readlink(host.states.good)
    assert not host.states.keep(["a-1", "b-1"])
    assert os.readlink(host.states.good) == first
    host.configure("new", "a-1")
    assert host.states.keep(["a-1", "b-1"])
    assert sorted(os.listdir(host.states.folder)) == sorted(["good", os.readlink(host.states.good)])


def test_what_was_not_started_stays_as_it_was_kept(host: Host) -> None:
    host.states.keep(["a-1", "b-1"])
    host.configure("new", "a-1", "b-1")
    host.switch(NEW, "a-1")
    host.states.keep(["a-1"], ["b-1"])
    host.configure("newest", "a-1", "b-1")
    host.back("a-1", "b-1")
    assert (host.root / ETC / "instances/a-1.env").read_text() == "new"
    assert (host.root / ETC / "instances/b-1.env").read_text() == "old"


def test_kept_secrets_are_for_root_alone(host: Host) -> None:
    host.states.keep(["a-1"])
    folder = Path(host.states.folder)
    assert folder.stat().st_mode & 0o7777 == 0o700
    assert (folder / "good" / ETC / "credentials/a-1/HEC_TOKEN").stat().st_mode & 0o7777 == 0o400
