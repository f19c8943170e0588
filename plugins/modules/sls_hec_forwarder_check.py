#!/usr/bin/python
"""Lets the relay check settings and secrets on the host that is to run it; changes nothing there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sls_hec_forwarder_check
short_description: Asks the relay whether settings and secrets are right
description:
  - Runs C(sls-hec-forwarder check) in the sandbox of the instance's unit, before anything of the service is
    touched.
  - What the instance is to get lies meanwhile in a folder in C(/run) that only root can enter, and is removed
    afterwards. Folders that systemd makes at the first start are replaced by empty ones.
options:
  instance: {type: str, required: true, description: "The instance, such as C(waf-1)."}
  executable: {type: path, required: true, description: The program of the release that is to run.}
  command: {type: str, required: true, description: Text of the command C(sls-hec-instance).}
  files: {type: dict, required: true, description: The text of each unit and settings file by its path.}
  secrets: {type: dict, required: true, description: The text of each secret by its path.}
  test_event: {type: bool, default: false, description: Send a marked event to each index and sourcetype.}
  timeout: {type: int, default: 120, description: Seconds that the check may take.}
author: sls-hec-forwarder maintainers
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Ask SLS and Splunk with the new settings
  sls_hec.appliance.sls_hec_forwarder_check:
    instance: waf-1
    executable: /opt/sls-hec-forwarder/0.1.0-791536be/bin/sls-hec-forwarder
    command: "{{ lookup('ansible.builtin.template', 'sls-hec-instance.j2') }}"
    files: "{{ lookup('ansible.builtin.template', 'files.json.j2') | from_json }}"
    secrets: "{{ [instance] | sls_hec.appliance.relay_secret_files('/etc/sls-hec-forwarder/credentials') }}"
"""

RETURN = r"""
lines:
  description: What the check printed, also when it failed.
  returned: when it ended
  type: list
  elements: str
"""

import os  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402

#: Seconds to wait after the time-out if systemd did not end the check.
GRACE = 30


def write(path: str, text: str) -> None:
    """Writes a new file that only this user can read; makes its folders."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
        file.write(text)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "instance": {"type": "str", "required": True},
            "executable": {"type": "path", "required": True},
            "command": {"type": "str", "required": True},
            "files": {"type": "dict", "required": True},
            "secrets": {"type": "dict", "required": True, "no_log": True},
            "test_event": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    folder = tempfile.mkdtemp(prefix="sls-hec-forwarder-check.", dir="/run")
    command = f"{folder}/command"
    tried = ["--try", folder, wanted["executable"], str(wanted["timeout"]), wanted["instance"]]
    asked = ["check", *(["--send-test-event"] if wanted["test_event"] else [])]
    began = time.monotonic()
    try:
        write(command, wanted["command"])
        for path, text in {**wanted["files"], **wanted["secrets"]}.items():
            write(folder + path, text)
        # Through bash, because /run may be mounted with noexec.
        done = subprocess.run(  # noqa: S603 - what the play names
            ["/bin/bash", "-p", command, *tried, *asked],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=wanted["timeout"] + GRACE,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        module.fail_json(msg=f"the check did not end within {wanted['timeout']} s")
    finally:
        shutil.rmtree(folder)
    lines = done.stdout.splitlines()
    if done.returncode and time.monotonic() - began >= wanted["timeout"]:
        lines.append(f"the check did not end within {wanted['timeout']} s")
    if done.returncode:
        module.fail_json(
            msg="\n".join(lines) or f"the check ended with status {done.returncode}", lines=lines
        )
    module.exit_json(changed=False, lines=lines)


if __name__ == "__main__":
    main()
