"""The check before a roll-out: what the command is handed, and that nothing of it stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

MODULE = Path(__file__).parents[3] / "plugins" / "modules" / "sls_hec_forwarder_check.py"
SECRET = "/etc/sls-hec-forwarder/credentials/waf-1/HEC_TOKEN"
SETTINGS = "/etc/sls-hec-forwarder/instances/waf-1.env"


def check(command: str, **more: Any) -> dict[str, Any]:
    """What the module returns when that is the text of the command."""
    wanted = {
        "instance": "waf-1",
        "executable": "/opt/new/bin/sls-hec-forwarder",
        "command": command,
        "files": {SETTINGS: "HEC_INDEX=waf\n"},
        "secrets": {SECRET: "token-123"},
        **more,
    }
    done = subprocess.run(
        [sys.executable, MODULE],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": wanted}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if os.getuid():
        assert "Permission denied: '/run/" in done.stdout + done.stderr
        return {}
    returned: dict[str, Any] = json.loads(done.stdout)
    return returned


def folders() -> set[str]:
    return {name for name in os.listdir("/run") if name.startswith("sls-hec-forwarder-check.")}


def test_the_command_gets_files_that_root_alone_reads_and_no_secret_among_its_arguments() -> None:
    before = folders()
    returned = check(
        'echo "$@"; cat; cd "$2"; stat -c %a .; find . -type f -printf "%m\\n" | sort -u\n'
        f"cat .{SETTINGS} .{SECRET}; echo; find . -type f | sort",
        test_event=True,
        timeout=45,
    )
    assert folders() == before
    if returned:
        wanted = "/opt/new/bin/sls-hec-forwarder"
        first, *rest = returned["lines"]
        assert first.split()[0] == "--try"
        assert first.split()[2:] == [wanted, "45", "waf-1", "check", "--send-test-event"]
        # The secret itself is hidden by Ansible.
        assert rest[:4] == ["700", "400", "HEC_INDEX=waf", "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"]
        assert rest[4:] == ["./command", f".{SECRET}", f".{SETTINGS}"]
        assert "token-123" not in json.dumps(returned)


def test_what_a_failed_check_said_is_the_message_and_nothing_stays() -> None:
    before = folders()
    returned = check("echo 'FAILED  hec  token'; echo more >&2; exit 1")
    assert folders() == before
    if returned:
        assert (returned["failed"], returned["msg"]) == (True, "FAILED  hec  token\nmore")


def test_a_check_that_takes_too_long_says_so() -> None:
    returned = check('sleep "$4"; exit 1', timeout=1)
    if returned:
        assert returned["msg"] == "the check did not end within 1 s"
