"""Reads the output of `sls-hec-instance --starts`."""

from __future__ import annotations

import re

#: The command that prints it.
COMMAND = "/usr/local/sbin/sls-hec-instance"
_LINE = re.compile(r"(?m)^(\S+) (\S+) ([0-9a-f]{64}) (\S+) (\S+)$")


def parse(text: str) -> dict[str, dict[str, str]]:
    """Per instance: systemd's `state`, the digest on `disk`, the one `noted` at the start, and `since`."""
    return {
        name: {"state": state, "disk": disk, "noted": noted, "since": since}
        for name, state, disk, noted, since in _LINE.findall(text)
    }
