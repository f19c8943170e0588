"""What `sls-hec-instance --starts` prints on a host."""

from __future__ import annotations

import re

#: The command for operators, which prints it.
COMMAND = "/usr/local/sbin/sls-hec-instance"
_LINE = re.compile(r"(?m)^(\S+) (\S+) ([0-9a-f]{64}) (\S+) (\S+)$")


def parse(text: str) -> dict[str, dict[str, str]]:
    """By instance: systemd's `state`, the digest on `disk`, the one `noted` at its start, and `since`."""
    return {
        name: {"state": state, "disk": disk, "noted": noted, "since": since}
        for name, state, disk, noted, since in _LINE.findall(text)
    }
