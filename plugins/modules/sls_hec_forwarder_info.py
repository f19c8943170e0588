#!/usr/bin/python
"""Reads the state of the relay on a host in one task; separate tasks would take half a second each."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sls_hec_forwarder_info
short_description: Reads what of the relay is on a host
description:
  - Releases, instances, what each was started with, paused consumers and the last good state. On a host
    without the relay all of it is empty.
options:
  root: {type: path, required: true, description: The folder of the releases.}
  etc: {type: path, default: /etc/sls-hec-forwarder, description: The folder of the settings.}
  state: {type: path, default: /var/lib/sls-hec-forwarder, description: The folder of the state.}
  timeout: {type: int, default: 60, description: Seconds that each command may take.}
author: sls-hec-forwarder maintainers
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Look at the host
  sls_hec.appliance.sls_hec_forwarder_info:
    root: /opt/sls-hec-forwarder
  register: host
"""

RETURN = r"""
current:
  description: The release that the link C(current) leads to; empty without one.
  returned: success
  type: str
previous:
  description: The release that ran before; empty without one.
  returned: success
  type: str
releases:
  description: The folders of all releases, the newest first.
  returned: success
  type: list
  elements: str
complete:
  description: The releases whose installation ended, by name.
  returned: success
  type: list
  elements: str
instances:
  description: The instances that are set up, by name.
  returned: success
  type: list
  elements: str
units:
  description: >-
    Of each instance and of C(target), what systemd says: C(ActiveState), C(SubState), C(StatusText),
    C(UnitFileState).
  returned: success
  type: dict
starts:
  description: >-
    Of each instance C(state) (of systemd), C(disk) (digest of the files), C(noted) (digest at the start) and
    C(since).
  returned: success
  type: dict
paused:
  description: The consumers that are marked as paused.
  returned: success
  type: list
  elements: str
dbus:
  description: Whether the system bus answers, which C(systemd-run) needs.
  returned: success
  type: bool
good:
  description: C(release), C(instances) and C(digests) of the last good state; empty when none is kept.
  returned: success
  type: dict
"""

import contextlib  # noqa: E402
import functools  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import socket  # noqa: E402
from typing import Any, Callable  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402
from ansible_collections.sls_hec.appliance.plugins.module_utils.relay_command import run  # noqa: E402
from ansible_collections.sls_hec.appliance.plugins.module_utils.relay_starts import COMMAND, parse  # noqa: E402

TARGET = "sls-hec-forwarder.target"
_PROPERTIES = "Id,ActiveState,SubState,StatusText,UnitFileState"

#: Runs a command and returns its output; raises OSError with the reason if it fails.
Run = Callable[[list[str]], str]


def releases(root: str) -> dict[str, Any]:
    """The releases below `root`: names, but paths in `releases`, the newest first."""
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(root) as entries:
        found = [(each.stat().st_ctime, each.path) for each in entries if each.is_dir(follow_symlinks=False)]
    folders = [path for _, path in sorted(found, reverse=True)]
    return {
        "current": _linked(os.path.join(root, "current")),
        "previous": _linked(os.path.join(root, "previous")),
        "releases": folders,
        "complete": sorted(
            os.path.basename(path) for path in folders if os.path.exists(os.path.join(path, "complete"))
        ),
    }


def instances(etc: str, run: Run, command: str = COMMAND) -> dict[str, Any]:
    """The instances that have settings below `etc`, and what each was started with."""
    names = sorted(name[:-4] for name in _listed(os.path.join(etc, "instances")) if name.endswith(".env"))
    shown = {}
    if names or os.path.exists(f"/etc/systemd/system/{TARGET}"):
        units = [TARGET, *(f"sls-hec-forwarder@{name}.service" for name in names)]
        shown = _units(run(["systemctl", "show", f"--property={_PROPERTIES}", *units]))
    return {
        "instances": names,
        "units": shown,
        "starts": parse(run([command, "--starts"])) if os.path.exists(command) else {},
    }


def bus(path: str = "/run/dbus/system_bus_socket") -> bool:
    """Whether D-Bus accepts connections there; its socket may remain after D-Bus was removed."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(path)
        except OSError:
            return False
    return True


def good(state: str) -> dict[str, Any]:
    """The last good state, without its files; empty if none is kept."""
    path = os.path.join(state, "states", "good", "state.json")
    try:
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
            return {
                key: kept.get(key, empty)
                for key, empty in (("release", ""), ("instances", []), ("digests", {}))
            }
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError) as error:
        raise OSError(
            f"{path} cannot be read as a kept state ({error}); remove {os.path.dirname(path)}, and the next "
            "roll-out that succeeds keeps another one"
        ) from None


def _linked(path: str) -> str:
    with contextlib.suppress(OSError):
        return os.path.basename(os.readlink(path))
    return ""


def _listed(folder: str) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    return []


def _units(shown: str) -> dict[str, dict[str, str]]:
    """The properties in the output of `systemctl show`, by instance or `target`; a blank line ends a unit."""
    found = {}
    for part in shown.split("\n\n"):
        answer = dict(line.split("=", 1) for line in part.splitlines() if "=" in line)
        unit = answer.pop("Id", "")
        name = "target" if unit == TARGET else unit.partition("@")[2].partition(".")[0]
        found[name] = answer
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "etc": {"type": "path", "default": "/etc/sls-hec-forwarder"},
            "state": {"type": "path", "default": "/var/lib/sls-hec-forwarder"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    wanted = module.params

    try:
        found = {
            **releases(wanted["root"]),
            **instances(wanted["etc"], functools.partial(run, timeout=wanted["timeout"])),
            "paused": _listed(os.path.join(wanted["state"], "paused")),
            "dbus": bus(),
            "good": good(wanted["state"]),
        }
    except OSError as error:
        module.fail_json(msg=f"the relay of this host cannot be looked at: {error}")
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
