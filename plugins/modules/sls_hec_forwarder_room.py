#!/usr/bin/python
"""Refuses a host whose file systems have too little free space for the files to be written."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sls_hec_forwarder_room
short_description: Refuses a host whose file systems have no room for what will be written
description:
  - The needs of folders on one file system are added up. A missing folder counts where it would be created.
options:
  needs: {type: dict, required: true, description: Megabytes that will be written below each folder.}
  unless: {type: str, default: "", description: "If this path exists, nothing is checked."}
  switch: {type: str, default: "", description: The variable that turns this check off.}
author: sls-hec-forwarder maintainers
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Refuse a host without enough disk space
  sls_hec.appliance.sls_hec_forwarder_room:
    needs: {/opt/sls-hec-forwarder: 120, /tmp: 40}
"""

RETURN = r"""
msg:
  description: Which file systems have no room, and how much is free and needed.
  returned: failure
  type: str
"""

import os  # noqa: E402
from collections.abc import Mapping  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402

MB = 1 << 20
#: A release has several thousand files.
INODES = 5000


def file_system(path: str) -> str:
    """The mount point of the file system that contains the path, or would contain it."""
    path = os.path.realpath(path)
    while not os.path.isdir(path) or not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def shortages(needs: Mapping[str, int]) -> list[str]:
    """A line for each file system that has too little free space."""
    folders: dict[str, list[str]] = {}
    for path in sorted(needs):
        folders.setdefault(file_system(path), []).append(path)
    found = []
    for mounted, paths in folders.items():
        room = os.statvfs(mounted)
        free, wanted = room.f_bavail * room.f_frsize // MB, sum(needs[path] for path in paths)
        if free < wanted:
            parts = ", ".join(f"{needs[path]} MB in {path}" for path in paths)
            found.append(
                f"No space left on {mounted}: {free} MB are free, and {wanted} MB are needed ({parts})"
            )
        # File systems without a fixed number of inodes report 0.
        elif room.f_files > 0 and room.f_favail < INODES:
            found.append(
                f"No space left on {mounted}: {room.f_favail} inodes are free, and {INODES} are needed"
            )
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "needs": {"type": "dict", "required": True},
            "unless": {"type": "str", "default": ""},
            "switch": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    unless = module.params["unless"]
    if unless and os.path.exists(unless):
        module.exit_json(changed=False)
    found = shortages({path: int(megabytes) for path, megabytes in module.params["needs"].items()})
    if found:
        advice = "Running instances were not touched. Free some space"
        if module.params["switch"]:
            advice += f", or skip this check with {module.params['switch']}=false"
        found.append(f"{advice}.")
        module.fail_json(msg="\n".join(found))
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
