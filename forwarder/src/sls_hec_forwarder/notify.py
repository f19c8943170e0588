"""Tells systemd how the service is: sd_notify(3), by its datagram protocol."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

_log = logging.getLogger(__name__)

# A service manager that does not read must not hold the relay up.
_SEND_TIMEOUT = 1.0


class Notifier:
    """Sends states to the socket that NOTIFY_SOCKET names; does nothing where there is none.

    `watchdog_interval` is how often (seconds) `watchdog` should be called, or None when nobody watches:
    half of WATCHDOG_USEC, as sd_watchdog_enabled(3) recommends.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):  # an abstract socket
            self._address = "\0" + self._address[1:]
        self.watchdog_interval = _watchdog_interval(environ)

    def ready(self, status: str) -> None:
        self._send("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        self._send(f"STATUS={status}")

    def reloading(self) -> None:
        """Must be followed by `ready`. systemd asks for the monotonic time in microseconds."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str) -> None:
        self._send("STOPPING=1", f"STATUS={status}")

    def watchdog(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(_SEND_TIMEOUT)
                channel.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            _log.warning("cannot tell systemd %s: %s", lines[0], error)


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    microseconds, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not microseconds.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / 1_000_000 / 2 or None
