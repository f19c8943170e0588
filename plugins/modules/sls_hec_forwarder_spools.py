#!/usr/bin/python
"""Makes folders for dead letters that are outside the relay's state folder; the service's user owns them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sls_hec_forwarder_spools
short_description: Makes folders for dead letters that belong to the service's user
description:
  - Follows no link, and refuses a folder on the way to which another user than root may write.
  - An empty folder of root's is given to the user; one with something in it is not.
options:
  paths: {type: list, elements: str, required: true, description: The folders.}
  user: {type: str, required: true, description: The service's user.}
  group: {type: str, required: true, description: The service's group.}
author: sls-hec-forwarder maintainers
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Create the folder for dead letters
  sls_hec.appliance.sls_hec_forwarder_spools:
    paths: [/srv/sls-hec-forwarder/waf-1]
    user: sls-hec-forwarder
    group: sls-hec-forwarder
"""

RETURN = r"""
paths:
  description: Folders that were made or given to the user.
  returned: always
  type: list
  elements: str
"""

import grp  # noqa: E402
import pwd  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402
from ansible_collections.sls_hec.appliance.plugins.module_utils.relay_folders import Refused, own_folder  # noqa: E402


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "str", "required": True},
            "user": {"type": "str", "required": True},
            "group": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    try:
        owner = (pwd.getpwnam(wanted["user"]).pw_uid, grp.getgrnam(wanted["group"]).gr_gid)
    except KeyError:
        if not module.check_mode:
            module.fail_json(msg=f"there is no user {wanted['user']} or group {wanted['group']} on this host")
        owner = (-1, -1)  # in check mode, the user may not exist yet
    changed, path = [], ""
    try:
        for path in wanted["paths"]:
            if own_folder(path, owner, dry=module.check_mode):
                changed.append(path)
    except Refused as problem:
        module.fail_json(msg=f"RELAY_SPOOL_DIR={path} cannot be used: {problem}", paths=changed)
    except OSError as error:
        module.fail_json(msg=f"RELAY_SPOOL_DIR={path} cannot be made: {error.strerror}", paths=changed)
    module.exit_json(changed=bool(changed), paths=changed)


if __name__ == "__main__":
    main()
