"""Compares what instances were started with to the files on disk and to the inventory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

UNITS = "/etc/systemd/system/sls-hec-forwarder"
ETC = "/etc/sls-hec-forwarder"


def relay_digests(files: Mapping[str, str], instances: Iterable[str], release: str) -> dict[str, str]:
    """The digest of each instance, computed as `sls-hec-instance` does; `files`: the texts by path."""
    return {name: _digest(files, name, release) for name in instances}


def relay_to_start(
    instances: Iterable[str], starts: Mapping[str, Mapping[str, str]], digests: Mapping[str, str]
) -> list[str]:
    """The instances that do not run, or whose digest at the start is not the one in `digests`."""
    return sorted(
        name
        for name in instances
        if (found := starts.get(name, {})).get("state") != "active" or found["noted"] != digests.get(name)
    )


def relay_differing(starts: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """A message for each instance that runs with other settings than those on disk."""
    return {
        name: "it is not known with which settings it runs: run site.yml"
        if found["noted"] == "-"
        else f"settings on disk differ from what runs since {found['since']}: run site.yml, or restart it"
        for name, found in sorted(starts.items())
        if found["state"] == "active" and found["noted"] != found["disk"]
    }


def _digest(files: Mapping[str, str], name: str, release: str) -> str:
    secrets = f"{ETC}/credentials/{name}/"
    paths = [f"{UNITS}@.service", f"{UNITS}@{name}.service.d/instance.conf", f"{ETC}/instances/{name}.env"]
    paths += sorted(path for path in files if path.startswith(secrets))
    lines = [f"{hashlib.sha256(str(files[path]).encode()).hexdigest()}  {path}\n" for path in paths]
    return hashlib.sha256("".join([f"{release}\n", *lines]).encode()).hexdigest()


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, Any]:
        return {
            "relay_digests": relay_digests,
            "relay_to_start": relay_to_start,
            "relay_differing": relay_differing,
        }
