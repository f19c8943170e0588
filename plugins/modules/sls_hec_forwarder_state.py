#!/usr/bin/python
"""Saves the last good state of a host's instances, and restores it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sls_hec_forwarder_state
short_description: Keeps the last good state of a host's instances, and goes back to it
description:
  - A state is the units, settings and secrets of instances, the release that they run and the digest of what
    each was started with. It is copied to a folder of its own; then the link C(good) is switched to that
    folder. Whatever is interrupted in between, the link names a whole state. The link C(previous) beside
    C(current) leads to the release of the state before, where that was another one.
  - Going back needs nothing that the failed run did or left out, nor an interrupted one before it. A file is
    replaced as a whole or not at all, and only files of C(instances) and the units that all share. What of
    C(instances) was started, and does not run then or not with what is on disk, is started again. An error
    does not keep the rest from being done; each is returned.
options:
  action: {type: str, required: true, choices: [keep, back], description: Keep what is there or go back.}
  folder: {type: path, required: true, description: The folder of the states.}
  current: {type: path, required: true, description: The link to the running release.}
  instances: {type: list, elements: str, default: [], description: Instances whose files are meant.}
  carried: {type: list, elements: str, default: [], description: "With C(keep), what stays as kept before."}
  digests: {type: dict, default: {}, description: "With C(keep), the digest of what each was started with."}
  first_after: {type: path, description: "With C(keep), only where none is kept yet and this file is there."}
  started: {type: list, elements: str, default: [], description: "With C(back), what the run (re)started."}
  timeout: {type: int, default: 300, description: Seconds that systemd may take to start or stop an instance.}
author: sls-hec-forwarder maintainers
attributes:
  check_mode: {support: none}
"""

EXAMPLES = r"""
- name: Keep what runs as the last good state
  sls_hec.appliance.sls_hec_forwarder_state:
    action: keep
    folder: /var/lib/sls-hec-forwarder/states
    current: /opt/sls-hec-forwarder/current
    instances: [waf-1, waf-2]

- name: Go back to it
  sls_hec.appliance.sls_hec_forwarder_state:
    action: back
    folder: /var/lib/sls-hec-forwarder/states
    current: /opt/sls-hec-forwarder/current
    instances: [waf-1, waf-2]
    started: [waf-1]
"""

RETURN = r"""
done:
  description: What was done to go back, a line each.
  returned: with O(action=back)
  type: list
  elements: str
errors:
  description: What could not be done, a line each.
  returned: with O(action=back)
  type: list
  elements: str
release:
  description: The release of the good state; empty when none is kept.
  returned: with O(action=back)
  type: str
"""

import contextlib  # noqa: E402
import functools  # noqa: E402
import hashlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import shutil  # noqa: E402
import stat  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
from typing import Any, Callable, Iterable, Iterator  # noqa: E402, UP035

from ansible.module_utils.basic import AnsibleModule  # noqa: E402
from ansible_collections.sls_hec.appliance.plugins.module_utils.relay_command import run  # noqa: E402
from ansible_collections.sls_hec.appliance.plugins.module_utils.relay_starts import COMMAND, parse  # noqa: E402

NOTES = "run/sls-hec-forwarder"
UNITS = "etc/systemd/system/sls-hec-forwarder"
ETC = "etc/sls-hec-forwarder"
#: Files that all instances share.
SHARED = (f"{UNITS}@.service", f"{UNITS}.target")

#: Mode and content of each file, by its path below the root.
Files = dict[str, tuple[int, bytes]]
#: Runs a command and returns its output; raises OSError with the reason if it fails.
Run = Callable[[list[str]], str]


class States:
    """The saved states are in `folder`; all other files are below `root`."""

    def __init__(self, folder: str, current: str, root: str = "/") -> None:
        self.folder = folder
        self.current = current
        self.root = root
        self.good = os.path.join(folder, "good")
        self.previous = os.path.join(os.path.dirname(current), "previous")

    def keep(
        self,
        instances: Iterable[str],
        carried: Iterable[str] = (),
        digests: dict[str, str] | None = None,
        first_after: str | None = None,
    ) -> bool:
        """Saves the present state as the good one, removes older ones; returns whether it has changed."""
        kept = self._kept()
        if first_after and (kept is not None or not os.path.exists(first_after)):
            return False
        noted = dict(digests or {})
        files = self._files(self.root, [*SHARED, *self._paths(self.root, instances)])
        names = {*instances}
        if kept is not None:
            carried = {*carried} & {*kept["instances"]}
            noted.update({name: _digests(kept).get(name, "") for name in carried})
            files.update(self._files(self.good, self._paths(self.good, carried)))
            names |= carried
        state = {
            "release": os.readlink(self.current),
            "instances": sorted(names),
            "digests": {name: noted[name] for name in sorted(names) if noted.get(name)},
        }
        number = _digest(state, files)
        changed = not os.path.islink(self.good) or os.readlink(self.good) != number
        # First, so that a run after an interruption does it again.
        if kept is not None and kept["release"] != state["release"]:
            _link(kept["release"], self.previous)
        if changed:
            self._write(number, state, files)
        for entry in os.scandir(self.folder):
            if entry.name not in ("good", number):
                shutil.rmtree(entry.path)
        return changed

    def back(self, instances: Iterable[str], started: Iterable[str], run: Run) -> tuple[list[str], list[str]]:
        """Restores the good state; returns what was done, and errors. This run has started `started`."""
        kept = self._kept()
        if kept is None:
            return [], []
        work = _Work()
        known = set(kept["instances"])
        for name in sorted({*instances} - known):
            unit = f"sls-hec-forwarder@{name}.service"
            with work.step(f"stopped and removed {name}, which is new", f"{name}, which is new, still runs"):
                run(["systemctl", "disable", "--now", unit])
        with work.step("", "units, settings and secrets are not all as they were"):
            self._put_back(work, set(instances))
        with work.step("", f"{self.current} does not lead to {kept['release']}"):
            self._switch(work, kept["release"])
        with work.step("", "systemd has not read the units again"):
            run(["systemctl", "daemon-reload"])
        again = set(started)
        with work.step("", "it is not known which other instances have to be started again"):
            again |= self._to_start(run([COMMAND, "--starts"]))
        for name in sorted(again & known & {*instances}):
            # The unit of an earlier version does not record its start.
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(self.root, NOTES, f"{name}.started"))
            with work.step(f"started {name} again as it was", f"{name} does not run"):
                run(["systemctl", "restart", f"sls-hec-forwarder@{name}.service"])
        return work.done, work.errors

    def release(self) -> str:
        """The release of the good state; empty if no state is saved."""
        kept = self._kept()
        return os.path.basename(kept["release"]) if kept else ""

    def _kept(self) -> dict[str, Any] | None:
        try:
            with open(os.path.join(self.good, "state.json"), encoding="utf-8") as file:
                kept: dict[str, Any] = json.load(file)
                return kept
        except FileNotFoundError:
            return None

    def _to_start(self, printed: str) -> set[str]:
        """The instances that were started, but do not run, or run with other files than those on disk."""
        started = {name: found for name, found in parse(printed).items() if found["state"] != "inactive"}
        return {
            name
            for name, found in started.items()
            if found["state"] != "active" or found["noted"] != found["disk"]
        }

    def _paths(self, top: str, instances: Iterable[str]) -> list[str]:
        paths = []
        for name in instances:
            paths += [f"{UNITS}@{name}.service.d/instance.conf", f"{ETC}/instances/{name}.env"]
            with contextlib.suppress(FileNotFoundError):
                secrets = f"{ETC}/credentials/{name}"
                paths += [f"{secrets}/{each}" for each in os.listdir(os.path.join(top, secrets))]
        return paths

    def _files(self, top: str, paths: Iterable[str]) -> Files:
        """Those of `paths` that exist."""
        files: Files = {}
        for path in paths:
            with contextlib.suppress(FileNotFoundError), open(os.path.join(top, path), "rb") as file:
                files[path] = (stat.S_IMODE(os.fstat(file.fileno()).st_mode), file.read())
        return files

    def _write(self, number: str, state: dict[str, Any], files: Files) -> None:
        os.makedirs(self.folder, 0o700, exist_ok=True)
        new = os.path.join(self.folder, number)
        shutil.rmtree(new, ignore_errors=True)  # left by an interrupted run
        os.mkdir(new, 0o700)
        for path, (mode, content) in files.items():
            _replace(os.path.join(new, path), content, mode)
        _replace(os.path.join(new, "state.json"), json.dumps(state, indent=1).encode(), 0o600)
        _link(number, self.good)

    def _put_back(self, work: _Work, instances: set[str]) -> None:
        good = self._files(self.good, [*SHARED, *self._paths(self.good, instances)])
        for path in sorted({*good, *self._paths(self.root, instances)}):
            with work.step("", f"/{path} is not as it was"):
                live = self._files(self.root, [path]).get(path)
                if path not in good and live is not None:
                    os.remove(os.path.join(self.root, path))
                    work.done.append(f"removed /{path}")
                elif path in good and live != good[path]:
                    _replace(os.path.join(self.root, path), good[path][1], good[path][0])
                    work.done.append(f"put back /{path}")

    def _switch(self, work: _Work, release: str) -> None:
        if os.path.islink(self.current) and os.readlink(self.current) == release:
            return
        if not os.path.isdir(release):
            raise OSError(f"{release} is gone")
        _link(release, self.current)
        work.done.append(f"switched back to release {os.path.basename(release)}")


class _Work:
    def __init__(self) -> None:
        self.done: list[str] = []
        self.errors: list[str] = []

    @contextlib.contextmanager
    def step(self, done: str, failed: str) -> Iterator[None]:
        """One step; if it fails, the error is recorded and the next step runs."""
        try:
            yield
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self.errors.append(f"{failed}: {error}")
        else:
            if done:
                self.done.append(done)


def _digests(state: dict[str, Any]) -> dict[str, str]:
    """The digests of a saved state; earlier versions saved none."""
    found: dict[str, str] = state.get("digests", {})
    return found


def _digest(state: dict[str, Any], files: Files) -> str:
    whole = hashlib.sha256(json.dumps(state, sort_keys=True).encode())
    for path, (mode, content) in sorted(files.items()):
        whole.update(f"{path} {mode} {hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()[:16]


def _replace(path: str, content: bytes, mode: int) -> None:
    """Replaces the file atomically: a reader sees the old content or the new."""
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    number, new = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".new-")
    try:
        with open(number, "wb") as file:
            file.write(content)
            os.fchmod(number, mode)
            file.flush()
            os.fsync(number)
        os.replace(new, path)
    except BaseException:
        os.remove(new)
        raise


def _link(target: str, path: str) -> None:
    new = f"{path}.new"
    with contextlib.suppress(FileNotFoundError):
        os.remove(new)
    os.symlink(target, new)
    os.replace(new, path)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "action": {"type": "str", "required": True, "choices": ["keep", "back"]},
            "folder": {"type": "path", "required": True},
            "current": {"type": "path", "required": True},
            "instances": {"type": "list", "elements": "str", "default": []},
            "carried": {"type": "list", "elements": "str", "default": []},
            "digests": {"type": "dict", "default": {}},
            "first_after": {"type": "path"},
            "started": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 300},
        },
    )
    wanted = module.params
    states = States(wanted["folder"], wanted["current"])

    if wanted["action"] == "keep":
        try:
            changed = states.keep(
                wanted["instances"], wanted["carried"], wanted["digests"], wanted["first_after"]
            )
        except (OSError, ValueError) as error:
            module.fail_json(msg=f"the state could not be kept: {error}")
        module.exit_json(changed=changed)
    # Never fails, because the caller has to report what happened.
    try:
        release = states.release()
        done, errors = states.back(
            wanted["instances"], wanted["started"], functools.partial(run, timeout=wanted["timeout"])
        )
    except (OSError, ValueError, KeyError) as error:
        release, done, errors = "", [], [f"the state that was kept cannot be read: {error}"]
    module.exit_json(changed=bool(done), done=done, errors=errors, release=release)


if __name__ == "__main__":
    main()
