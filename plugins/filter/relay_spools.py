"""Checks folders for dead letters: the service's user will own them, so nothing else may use them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: No place for the data of a service. The service cannot see some of these folders; others are emptied.
SYSTEM = (
    *("/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/root"),
    *("/run", "/sbin", "/sys", "/tmp", "/usr", "/var/lock", "/var/run", "/var/tmp"),  # noqa: S108 - nothing is written there
)
#: Folders that all services share; no single service may own them.
SHARED = ("/media", "/mnt", "/opt", "/srv", "/var/cache", "/var/lib", "/var/log", "/var/opt", "/var/spool")
#: Paths that need no quoting in a unit, where blanks and % have a special meaning.
PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._+-]+)+")
ADVICE = "leave it out, or name a folder of its own such as /srv/sls-hec-forwarder/{instance}"


def relay_spool_problems(instances: Sequence[Mapping[str, Any]], state: str, own: Iterable[str]) -> list[str]:
    """The mistakes in RELAY_SPOOL_DIR of a host's instances.

    The folder `state` contains a folder for each instance; `own` are the other folders of the roles.
    """
    problems = []
    seen: dict[str, str] = {}
    for instance in instances:
        name, path = instance["id"], instance["settings"].get("RELAY_SPOOL_DIR", "")
        if not path:
            continue
        wrong = _wrong(path, f"{state}/{name}", (*SYSTEM, *own, state))
        for other, owner in seen.items():
            if not wrong and path == other:
                wrong = f"is that of {owner} too"
            elif not wrong and (_within(path, other) or _within(other, path)):
                wrong = f"and that of {owner}, {other}, lie one in the other"
        if wrong:
            problems.append(f"{name}: RELAY_SPOOL_DIR = {path} {wrong}; {ADVICE}")
        seen.setdefault(path, name)
    return problems


def _wrong(path: str, ours: str, taken: Sequence[str]) -> str:
    if not PATH.fullmatch(path):
        return "is not the absolute path of a folder, of letters, digits and . _ + - without .. or // in it"
    if _within(path, ours) and path != ours:
        return ""
    for folder in taken:
        if _within(path, folder):
            return f"lies in {folder}, which is not for it"
        if _within(folder, path):
            return f"holds {folder}, which would be given to the service's user with it"
    if path in SHARED:
        return "is for all services, and would be given to the service's user"
    return ""


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, Any]:
        return {"relay_spool_problems": relay_spool_problems}
