#!/usr/bin/python
"""Asks the relay, on the host it is to run on, whether settings and secrets are right; writes nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sls_hec_forwarder_check
short_description: Asks the relay whether settings and secrets are right
description:
  - Runs C(sls-hec-forwarder check) as the service's user, before anything of the service is touched.
  - Secrets are handed over as files in memory that are removed afterwards. So is an empty folder in place of
    the state's, which systemd makes at the first start.
options:
  executable: {type: path, required: true, description: The program of the release that is to run.}
  user: {type: str, required: true, description: The service's user.}
  environment: {type: dict, required: true, description: Settings as the service will see them.}
  secrets: {type: dict, required: true, description: Text of each secret.}
  credentials: {type: path, required: true, description: Where C(environment) says that they are files.}
  state: {type: path, required: true, description: The folder for the state of all instances.}
  test_event: {type: bool, default: false, description: Send a marked event to each index and sourcetype.}
  timeout: {type: int, default: 120, description: Seconds that the check may take.}
author: sls-hec-forwarder maintainers
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Ask SLS and Splunk with the new settings
  sls_hec.appliance.sls_hec_forwarder_check:
    executable: /opt/sls-hec-forwarder/0.1.0-791536be/bin/sls-hec-forwarder
    user: sls-hec-forwarder
    environment: "{{ instance | sls_hec.appliance.relay_environment('/run/credentials') }}"
    secrets: "{{ instance.secrets }}"
    credentials: /run/credentials
    state: /var/lib/sls-hec-forwarder
"""

RETURN = r"""
lines:
  description: What the check printed, also when it failed.
  returned: when it ended
  type: list
  elements: str
"""

import contextlib  # noqa: E402
import os  # noqa: E402
import pwd  # noqa: E402
import resource  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402


def no_core_dumps() -> None:
    """Of this process and what it starts: none is written, and a program that gets them gets no memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Not there where the kernel knows no core dumps.
    with contextlib.suppress(FileNotFoundError), open("/proc/self/coredump_filter", "w") as file:
        file.write("0")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "executable": {"type": "path", "required": True},
            "user": {"type": "str", "required": True},
            "environment": {"type": "dict", "required": True},
            "secrets": {"type": "dict", "required": True, "no_log": True},
            "credentials": {"type": "path", "required": True},
            "state": {"type": "path", "required": True},
            "test_event": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    try:
        account = pwd.getpwnam(wanted["user"])
    except KeyError:
        module.fail_json(msg=f"there is no user {wanted['user']} on this host")
    folder = tempfile.mkdtemp(prefix="sls-hec-forwarder-check.", dir="/run")
    try:
        for name, text in wanted["secrets"].items():
            path = os.path.join(folder, name)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
                file.write(text)
            os.chown(path, account.pw_uid, account.pw_gid)
        state = os.path.join(folder, "state")
        os.mkdir(state)
        for path in (state, folder):
            os.chown(path, account.pw_uid, account.pw_gid)
        environment = {
            name: str(value).replace(wanted["credentials"], folder).replace(wanted["state"], state)
            for name, value in wanted["environment"].items()
        }
        asked = ["check", *(["--send-test-event"] if wanted["test_event"] else [])]
        account_ids = ["--reuid", wanted["user"], "--regid", str(account.pw_gid), "--init-groups"]
        rights = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        no_core_dumps()
        done = subprocess.run(  # noqa: S603 - what the play names
            ["/usr/bin/setpriv", *account_ids, *rights, "--", wanted["executable"], *asked],
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent", **environment},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=wanted["timeout"],
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        module.fail_json(msg=f"the check did not end within {wanted['timeout']} s")
    finally:
        shutil.rmtree(folder)
    said = done.stdout.replace(state, wanted["state"]).replace(folder, wanted["credentials"])
    lines = said.splitlines()
    if done.returncode:
        module.fail_json(
            msg="\n".join(lines) or f"the check ended with status {done.returncode}", lines=lines
        )
    module.exit_json(changed=False, lines=lines)


if __name__ == "__main__":
    main()
