#!/usr/bin/python
"""Counts what the service's user left in a folder, without following any symbolic link."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sls_hec_forwarder_left
short_description: Counts the files below a folder of the service's user
description:
  - Everything counts that is no folder. 0 means that nothing is left at all.
options:
  path: {type: str, required: true, description: The folder; it need not exist.}
  leave_out: {type: list, elements: str, default: [], description: Names in it that are not counted.}
author: sls-hec-forwarder maintainers
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Count the dead letters that are left
  sls_hec.appliance.sls_hec_forwarder_left:
    path: /var/lib/sls-hec-forwarder/waf-1
  register: remains
"""

RETURN = r"""
count:
  description: Number of files and links below the folder.
  returned: success
  type: int
"""

from ansible.module_utils.basic import AnsibleModule  # noqa: E402
from ansible_collections.sls_hec.appliance.plugins.module_utils.relay_folders import Refused, count_left  # noqa: E402


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "leave_out": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        count = count_left(module.params["path"], module.params["leave_out"])
    except Refused as problem:
        module.fail_json(msg=str(problem))
    except OSError as error:
        module.fail_json(msg=f"{module.params['path']} cannot be looked at: {error.strerror}")
    module.exit_json(changed=False, count=count)


if __name__ == "__main__":
    main()
