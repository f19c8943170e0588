"""Reports the service's state to systemd: datagrams to the socket in NOTIFY_SOCKET, as in sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

from sls_hec_forwarder.untrusted import plain

#: systemd reads the socket at once; a message that cannot be sent within this time (seconds) is dropped.
_TIMEOUT = 1.0
#: Longest status (characters); a longer one is cut.
_LONGEST = 1000

_log = logging.getLogger(__name__)


class Notifier:
    """Does nothing without NOTIFY_SOCKET. Messages that cannot be sent are dropped; this is logged once.

    Thread-safe: each message is one datagram.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A leading @ means the NUL byte of the abstract namespace, see unix(7).
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        self._warned = False
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.settimeout(_TIMEOUT)
        #: How often (seconds) to call `watchdog`; None if the watchdog is off.
        self.watchdog_interval = _watchdog_interval(environ)

    def ready(self, status: str = "") -> None:
        """The service has started or reloaded."""
        self._send("READY=1", *_status(status))

    def status(self, status: str) -> None:
        """Set the status line of `systemctl status`."""
        self._send(*_status(status))

    def reloading(self) -> None:
        """Secrets and certificates are being read again; `ready` ends this."""
        # The time lets systemd distinguish this from an earlier reload: sd_notify(3).
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str = "") -> None:
        """The service has begun to stop."""
        self._send("STOPPING=1", *_status(status))

    def watchdog(self) -> None:
        """Reset the watchdog's timer."""
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
                _log.warning("cannot report this service's state to systemd at %r: %s", self._address, error)


def _status(text: str) -> list[str]:
    # It may quote untrusted text; systemd drops a message with a NUL, or one that does not fit in a datagram.
    line = plain(" ".join(text[:_LONGEST].split()))
    return [f"STATUS={line}"] if line else []


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    """Half of WATCHDOG_USEC, as sd_watchdog_enabled(3) recommends; None if it is not for this process."""
    microseconds, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not microseconds.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / 2e6 or None
