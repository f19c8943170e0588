#!/usr/bin/python
"""Locks a host for a run and unlocks it, so that only one run at a time changes a relay."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sls_hec_forwarder_lock
short_description: Locks a host for one run of a playbook, and unlocks it
description:
  - The lock is a file that says who holds it and since when. A run that holds the lock may take it again.
  - Never fails because another run has the lock; that is returned as C(held), empty when this run has it.
  - Is no change of the host, and is not reported as one.
options:
  action: {type: str, required: true, choices: [take, give], description: "Take or release the lock."}
  path: {type: path, required: true, description: The file.}
  holder: {type: dict, required: true, description: The run that does so; C(run) identifies it.}
  instead: {type: str, description: "With C(take), the C(run) that may be replaced, because it is over."}
author: sls-hec-forwarder maintainers
attributes:
  check_mode: {support: none}
"""

EXAMPLES = r"""
- name: Lock the host
  sls_hec.appliance.sls_hec_forwarder_lock:
    action: take
    path: /run/sls-hec-forwarder.lock
    holder: "{{ ansible_play_name | sls_hec.appliance.relay_holder }}"
  register: lock
"""

RETURN = r"""
held:
  description: The holder that has the lock instead; empty when this run has it.
  returned: success
  type: dict
"""

import contextlib  # noqa: E402
import fcntl  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
from typing import Iterator  # noqa: E402, UP035

from ansible.module_utils.basic import AnsibleModule  # noqa: E402

Holder = dict[str, str]


class Lock:
    """A lock in the file `path`, in a folder that belongs to root."""

    def __init__(self, path: str) -> None:
        self.path = path

    def take(self, holder: Holder, instead: str | None = None) -> Holder:
        """Takes the lock for `holder`; returns the other holder if there is one, else empty."""
        with self._alone():
            held = self._read()
            if held is not None and held["run"] == holder["run"]:
                return {}
            if held is not None and held["run"] != instead:
                return held
            new = f"{self.path}.new"
            with open(
                os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644), "w"
            ) as file:
                json.dump(holder, file)
            os.replace(new, self.path)
            return {}

    def give(self, holder: Holder) -> Holder:
        """Releases the lock of `holder`; returns the other holder if there is one, else empty."""
        with self._alone():
            held = self._read()
            if held is None:
                return {}
            if held["run"] != holder["run"]:
                return held
            os.remove(self.path)
            return {}

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps others from the file. Locks the folder, because the file itself is created and removed."""
        folder = os.open(os.path.dirname(self.path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _read(self) -> Holder | None:
        try:
            with open(
                os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), encoding="utf-8"
            ) as file:
                held = json.load(file)
        except FileNotFoundError:
            return None
        except ValueError:  # unreadable, but the lock is held
            held = None
        if not isinstance(held, dict) or not isinstance(held.get("run"), str):
            return {"run": "", "who": f"somebody who wrote {self.path}, which cannot be read"}
        return {str(name): str(value) for name, value in held.items()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "action": {"type": "str", "required": True, "choices": ["take", "give"]},
            "path": {"type": "path", "required": True},
            "holder": {"type": "dict", "required": True},
            "instead": {"type": "str"},
        },
    )
    wanted = module.params
    holder = {str(name): str(value) for name, value in wanted["holder"].items()}
    lock = Lock(wanted["path"])
    try:
        held = lock.take(holder, wanted["instead"]) if wanted["action"] == "take" else lock.give(holder)
    except OSError as error:
        module.fail_json(msg=f"the lock {wanted['path']} cannot be used: {error.strerror}")
    module.exit_json(changed=False, held=held)


if __name__ == "__main__":
    main()
