"""Tells systemd how the service is: datagrams to the socket that NOTIFY_SOCKET names, as in sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

from sls_hec_forwarder.untrusted import plain

#: systemd reads the socket at once; a message that cannot be sent in this time (seconds) is given up.
_TIMEOUT = 1.0
#: Characters of a status that are sent.
_LONGEST = 1000

_log = logging.getLogger(__name__)


class Notifier:
    """Does nothing without NOTIFY_SOCKET. Messages that cannot be sent are dropped, and that is logged once.

    Thread-safe: each message is one datagram.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the NUL of the abstract namespace, see unix(7).
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        self._warned = False
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.settimeout(_TIMEOUT)
        #: How often (seconds) to call `watchdog`, or None when nobody watches.
        self.watchdog_interval = _watchdog_interval(environ)

    def ready(self, status: str = "") -> None:
        """Started, or reloaded, completely."""
        self._send("READY=1", *_status(status))

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send(*_status(status))

    def reloading(self) -> None:
        """Reading secrets and certificates anew; `ready` ends it."""
        # systemd wants to know that this is not an answer to an earlier reload: sd_notify(3).
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str = "") -> None:
        """The way down has begun."""
        self._send("STOPPING=1", *_status(status))

    def watchdog(self) -> None:
        """A sign of life."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        connection = self._socket
        if connection is None or not lines:
            return
        try:
            connection.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._warned:
                self._warned = True
                _log.warning("cannot tell systemd at %r how this service is: %s", self._address, error)


def _status(text: str) -> list[str]:
    # Words of others stand in it; systemd drops a message with a NUL, and what does not fit in a datagram.
    line = plain(" ".join(text[:_LONGEST].split()))
    return [f"STATUS={line}"] if line else []


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    """Half of WATCHDOG_USEC, if it is meant for this process, as sd_watchdog_enabled(3) recommends."""
    microseconds, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not microseconds.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / 2e6 or None
