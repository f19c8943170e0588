"""Where dead letters may be kept: in folders that nothing else uses, for the service's user gets them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: Nothing in these is for data of a service; what lies in some of them it does not even see, or not for long.
SYSTEM = (
    *("/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/root"),
    *("/run", "/sbin", "/sys", "/tmp", "/usr", "/var/lock", "/var/run", "/var/tmp"),  # noqa: S108 - nothing is written there
)
#: Folders of all services: one of them must not be given to a single one.
SHARED = ("/media", "/mnt", "/opt", "/srv", "/var/cache", "/var/lib", "/var/log", "/var/opt", "/var/spool")
#: What needs no quoting in a unit, where a blank or % would mean something else.
PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._+-]+)+")
ADVICE = "leave it out, or name a folder of its own such as /srv/sls-hec-forwarder/{instance}"


def relay_spool_problems(instances: Sequence[Mapping[str, Any]], state: str, own: Iterable[str]) -> list[str]:
    """What is wrong with RELAY_SPOOL_DIR of a host's instances.

    In the folder `state` each instance has one of its own; `own` are the other folders of the roles.
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
    """What Ansible asks for."""

    def filters(self) -> dict[str, Any]:
        return {"relay_spool_problems": relay_spool_problems}
