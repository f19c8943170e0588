"""Checks wheels against locks and digests on the controller, never against the archive that contains them.

The lock has the hashes of wheels from an index. The hashes of built wheels are only known later.
The controller writes these hashes beside the archive when it fetches the archive from the build host.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

#: An entry of a lock: name and version, the marker that limits it to some systems, and hashes.
_ENTRY = re.compile(
    r"^(?P<pin>[a-z0-9-]+==[^ ;]+)(?P<marker> ;[^\n]*?)?(?P<hashes>( --hash=sha256:[0-9a-f]{64})+)$"
)
_NOTE = re.compile(r"^(?P<what>archive|[a-z0-9-]+==[^ ]+) sha256:(?P<digest>[0-9a-f]{64})$")
_WHEEL = re.compile(r"(\./)?(?P<name>[A-Za-z0-9_]+)-(?P<version>[^-/]+)-[^/]+\.whl")
#: Lines that name the cause of a failed build, the most specific first.
_CAUSES = [
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"^.*No space left on device.*$",
        r"^\s*\S+:\d+(:\d+)?: (fatal )?error: .*$",
        r"^\s*(fatal )?error: .*$",
        r"^(E|ERROR|build-wheelhouse): .*$",
    )
]
_HEAD = "# What a roll-out compares these wheels with; written by the one that had them built.\n"


def relay_wheel_digests(archive: str, lock: str, built: Iterable[str]) -> str:
    """The digests to keep beside the file `archive`: its own, and those of the wheels that were built.

    Only packages named in `built` may have been built. Raises AnsibleFilterError if the archive contains
    anything that the lock does not allow.
    """
    pins = {pin: hashes for pin, _, hashes in _entries(lock)}
    notes = [f"archive sha256:{_digest(archive)}\n"]
    with tarfile.open(archive) as wheels:
        for member in wheels:
            if member.isdir() and member.name == ".":
                continue
            found = _WHEEL.fullmatch(member.name)
            content = wheels.extractfile(member) if member.isreg() and found else None
            if found is None or content is None:
                raise AnsibleFilterError(f"{archive} holds {member.name!r}, which is no wheel")
            pin = f"{found['name'].replace('_', '-').lower()}=={found['version']}"
            digest = hashlib.sha256(content.read()).hexdigest()
            if digest in pins.get(pin, ()):
                continue
            if pin not in pins or pin.partition("==")[0] not in built:
                raise AnsibleFilterError(
                    f"{archive} holds {member.name}, which is not what the lock says (sha256 {digest})"
                )
            notes.append(f"{pin} sha256:{digest}\n")
    return "".join([_HEAD, *sorted(notes)])


def relay_wheels_problem(archive: str) -> str:
    """Why the file `archive` must not be used; empty if it has not changed since its digests were written."""
    try:
        noted = dict(_notes(Path(f"{archive}.digests").read_text(encoding="utf-8")))
        if noted.get("archive") == _digest(archive):
            return ""
    except (OSError, AnsibleFilterError) as error:
        return f"{archive} cannot be compared with its digests, {archive}.digests: {error}"
    return (
        f"{archive} is not what it was when {archive}.digests was written. Find out who changed it; then "
        "remove both: they are built anew, or copy them once more"
    )


def relay_requirements(lock: str, digests: str, relay: str) -> str:
    """Requirements for pip: the entries of the lock, the hashes of built wheels, the line `relay`."""
    noted = dict(_notes(digests))
    noted.pop("archive", None)
    lines = []
    for pin, marker, hashes in _entries(lock):
        known = [*sorted(hashes), *([noted.pop(pin)] if pin in noted else [])]
        lines.append(f"{pin}{marker}" + "".join(f" --hash=sha256:{each}" for each in known))
    if noted:
        raise AnsibleFilterError(
            f"the digests of the wheels name {', '.join(sorted(noted))}, which the lock does not"
        )
    return "\n".join([*lines, relay, ""])


def relay_build_problem(output: str) -> str:
    """The line of a failed build's output that names the cause: the most specific one, else the last line."""
    for cause in _CAUSES:
        if found := cause.search(output):
            return found[0].strip()[:300]
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def _entries(lock: str) -> Iterable[tuple[str, str, set[str]]]:
    for line in re.sub(r" *\\\n *", " ", lock).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        found = _ENTRY.match(line)
        if not found:
            raise AnsibleFilterError(f"the lock has a line that pins nothing by hash: {line[:200]}")
        yield found["pin"], found["marker"] or "", set(re.findall(r"[0-9a-f]{64}", found["hashes"]))


def _notes(digests: str) -> Iterable[tuple[str, str]]:
    for line in digests.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        found = _NOTE.match(line)
        if not found:
            raise AnsibleFilterError(f"there is a line that is no digest: {line[:200]}")
        yield found["what"], found["digest"]


def _digest(path: str) -> str:
    whole = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            whole.update(chunk)
    return whole.hexdigest()


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, Any]:
        return {
            "relay_wheel_digests": relay_wheel_digests,
            "relay_wheels_problem": relay_wheels_problem,
            "relay_requirements": relay_requirements,
            "relay_build_problem": relay_build_problem,
        }
