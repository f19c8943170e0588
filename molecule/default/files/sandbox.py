"""Compares the sandbox of a `sls-hec-instance` command with that of the service, and ends the command in all ways.

sandbox.py INSTANCE
"""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time

COMMAND = "/usr/local/sbin/sls-hec-instance"
#: Properties that must be equal in both units.
PROPERTIES = (
    "User Group EnvironmentFiles UMask LimitCORE CoredumpFilter MemoryMax MemorySwapMax TasksMax NoNewPrivileges "
    "CapabilityBoundingSet AmbientCapabilities PrivateUsers PrivateTmp PrivateDevices PrivateMounts PrivateIPC "
    "ProtectSystem ProtectHome ProtectProc ProcSubset ProtectClock ProtectHostname ProtectKernelTunables "
    "ProtectKernelModules ProtectKernelLogs ProtectControlGroups DevicePolicy RestrictAddressFamilies "
    "RestrictNamespaces RestrictRealtime RestrictSUIDSGID LockPersonality RemoveIPC KeyringMode "
    "SystemCallArchitectures SystemCallFilter SystemCallErrorNumber StateDirectory StateDirectoryMode LoadCredential"
)


def systemd_says(unit: str) -> list[str]:
    asked = ["systemctl", "show", f"--property={PROPERTIES.replace(' ', ',')}", unit]
    return sorted(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines())


def kernel_says(pid: int) -> list[str]:
    """Rights, filters, limits and mounts of a process."""
    said = []
    for name, wanted in (
        ("status", r"(?m)^(?:Uid|Gid|Groups|Cap\w+|NoNewPrivs|Seccomp\w*):.*$"),
        ("limits", r"(?m)^Max (?:core|processes|open).*$"),
        ("coredump_filter", r".+"),
    ):
        with open(f"/proc/{pid}/{name}") as file:
            said += re.findall(wanted, file.read())
    with open(f"/proc/{pid}/mountinfo") as file:
        for line in file:
            # Mount point and options; without the mounts that differ between units.
            _, _, _, _, place, how, *_ = line.split()
            if not re.search(r"sls-hec-|/credentials|/run/systemd/", place):
                said.append(f"{place} {how}")
    return sorted(said)


def main_process(unit: str) -> int:
    asked = ["systemctl", "show", "--value", "--property=MainPID", unit]
    return int(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)


def started(unit: str) -> int:
    """The process of the command, as soon as it runs as the user of the service."""
    for _ in range(300):
        pid = main_process(unit)
        if pid and os.stat(f"/proc/{pid}").st_uid:
            return pid
        time.sleep(0.1)
    sys.exit(f"{unit} was not started")


def units() -> str:
    asked = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "sls-hec-instance-*"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout


def expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        sys.exit(f"{what}: {found!r}, not {wanted!r}")


def compare(instance: str) -> None:
    """A running command has the same properties as the service."""
    command = subprocess.Popen([COMMAND, instance, "status", "--watch"], stdout=subprocess.PIPE)
    assert command.stdout is not None
    command.stdout.readline()
    service, own = (
        f"sls-hec-forwarder@{instance}.service",
        f"sls-hec-instance-{instance}-{command.pid}.service",
    )
    found, wanted = systemd_says(own), systemd_says(service)
    expect("systemd", [line for line in found if line not in wanted], [])
    expect("systemd", len(found), len(wanted))
    expect("kernel", set(kernel_says(main_process(own))) ^ set(kernel_says(main_process(service))), set())
    command.terminate()
    expect("SIGTERM", command.wait(30), 128 + signal.SIGTERM)


def interrupt(instance: str) -> None:
    """Ctrl-C in a terminal, which signals all processes in the foreground."""
    pid, terminal = pty.fork()
    if not pid:
        os.execv(COMMAND, [COMMAND, instance, "status", "--watch"])  # noqa: S606
    while b"SHARD" not in os.read(terminal, 4096):
        pass
    os.write(terminal, b"\x03")
    _, status = os.waitpid(pid, 0)
    expect("Ctrl-C", os.waitstatus_to_exitcode(status), 0)
    os.close(terminal)


def hang_up(instance: str) -> None:
    """The terminal is closed."""
    pid, terminal = pty.fork()
    if not pid:
        os.execv(COMMAND, [COMMAND, instance, "status", "--watch"])  # noqa: S606
    while b"SHARD" not in os.read(terminal, 4096):
        pass
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    expect("hang-up", os.waitstatus_to_exitcode(status), 128 + signal.SIGHUP)


def kill(instance: str) -> None:
    """The command itself is killed."""
    command = subprocess.Popen([COMMAND, instance, "status", "--watch"], stdout=subprocess.DEVNULL)
    os.kill(started(f"sls-hec-instance-{instance}-{command.pid}.service"), signal.SIGKILL)
    expect("SIGKILL", command.wait(30), 255)


def main() -> None:
    (instance,) = sys.argv[1:]
    for each in (compare, interrupt, hang_up, kill):
        each(instance)
        expect(f"left after {each.__name__}", units(), "")


if __name__ == "__main__":
    main()
