"""Locks: describes this run, tells whether the run that holds a lock has ended, and makes the refusal."""

from __future__ import annotations

import getpass
import multiprocessing
import os
import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible import context

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def relay_holder(play: str) -> dict[str, str]:
    """The description of this run for a lock; `play` is used where the name of the playbook is not known."""
    # Ansible runs tasks in child processes of the run.
    parent = multiprocessing.parent_process()
    pid = parent.pid if parent else os.getpid()
    node, boot = platform.node(), _boot()
    return {
        "run": f"{node} {boot} {pid}",
        "who": f"{os.environ.get('SUDO_USER') or getpass.getuser()}@{node}",
        "what": " ".join(context.CLIARGS.get("args") or [play]),
        "since": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "node": node,
        "boot": boot,
        "pid": str(pid),
    }


def relay_run_is_over(held: Mapping[str, str]) -> bool:
    """Whether the run that holds a lock has surely ended: it ran on this machine and its process is gone."""
    if held.get("node") != platform.node() or held.get("boot") != _boot():
        return False
    pid = held.get("pid", "")
    return pid.isdecimal() and not _runs(int(pid))


def relay_lock_refusal(held: Mapping[str, Mapping[str, str]], over: str) -> str:
    """The message if other runs have locked hosts, else empty. `over`: the variable that breaks a lock."""
    hosts: dict[str, list[str]] = {}
    for host, holder in held.items():
        if holder:
            hosts.setdefault(_described(holder), []).append(host)
    if not hosts:
        return ""
    return "\n".join(
        [
            "somebody else is at work on these hosts; nothing was touched:",
            *(f"- {', '.join(having)}: {holder}" for holder, having in hosts.items()),
            f"Wait until that has ended. If it was killed and can no longer end, say -e {over}=true.",
        ]
    )


def _described(holder: Mapping[str, str]) -> str:
    said = holder.get("who", "somebody")
    if holder.get("what"):
        said += f" with {holder['what']}"
    if holder.get("pid"):
        said += f" (process {holder['pid']} on {holder.get('node')})"
    if holder.get("since"):
        said += f" since {holder['since']}{_ago(holder['since'])}"
    return said


def _ago(since: str) -> str:
    try:
        then = datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return ""
    return f", {max(0, round((datetime.now(timezone.utc) - then).total_seconds() / 60))} minutes ago"


def _boot() -> str:
    """The boot id of this machine, which changes at each boot; empty if the system has none."""
    return _BOOT.read_text(encoding="ascii").strip() if _BOOT.exists() else ""


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A zombie process has an empty command line.
    command = Path(f"/proc/{pid}/cmdline")
    return not command.exists() or command.read_bytes() != b""


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, Any]:
        return {
            "relay_holder": relay_holder,
            "relay_run_is_over": relay_run_is_over,
            "relay_lock_refusal": relay_lock_refusal,
        }
