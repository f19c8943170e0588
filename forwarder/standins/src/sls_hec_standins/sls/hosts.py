"""The project of a Host header: `<project>.<endpoint>`, or the bare endpoint for none."""

from __future__ import annotations

import re
from collections.abc import Sequence

_IPV4 = re.compile(r"(?:(?P<project>[^.]+)\.)?\d{1,3}(?:\.\d{1,3}){3}")


def project_of(host: str, endpoints: Sequence[str]) -> str:
    """The project, "" for none. `endpoints` are bare host names; an address or localhost is always one.

    Of a host under none of them the first label is taken, so that any endpoint name works for calls that
    name a project.
    """
    name = host.lower()
    if not name.endswith("]"):
        name = name.rpartition(":")[0] if ":" in name else name
    address = _IPV4.fullmatch(name)
    if address:
        return address["project"] or ""
    for endpoint in ("localhost", *endpoints):
        if name == endpoint:
            return ""
        if name.endswith("." + endpoint):
            return name[: -len(endpoint) - 1]
    return name.partition(".")[0] if "." in name else ""
