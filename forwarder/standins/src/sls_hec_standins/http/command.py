"""Shared by the commands of the stand-ins: addresses, certificates, and running until stopped."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from pathlib import Path
from typing import Callable

from sls_hec_standins.http.standin import Standin
from sls_hec_standins.http.tls import ServerTls


class UsageError(ValueError):
    """The command line cannot be carried out; the text says why."""


def run(name: str, service: str, make: Callable[[], Standin]) -> int:
    """Run a stand-in until SIGTERM or SIGINT; the exit code of the command.

    One line on standard output tells the addresses when both ports take requests. ValueError and OSError
    out of `make`, or while it starts, end it with a line on standard error and 2.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stopped = threading.Event()
    try:
        standin = make()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        standin.start()
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 2
    try:
        sys.stdout.write(f"{name} ready: {service} {standin.url} admin {standin.admin_url}\n")
        sys.stdout.flush()
        stopped.wait()
    finally:
        standin.stop()
    return 0


def address(option: str, text: str) -> tuple[str, int]:
    """Host and port from the value of an option; `UsageError` for anything else."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{option} must be HOST:PORT, not {text!r}")
    return host.strip("[]"), int(port)


def server_tls(
    cert: Path | None, key: Path | None, client_ca: Path | None = None, *, prefix: str = ""
) -> ServerTls | None:
    """From --<prefix>cert, --<prefix>key and --client-ca; `UsageError` unless they go together."""
    if (cert is None) != (key is None):
        raise UsageError(f"--{prefix}cert and --{prefix}key belong together")
    if cert is None or key is None:
        if client_ca is not None:
            raise UsageError("--client-ca needs --cert and --key")
        return None
    for path in (cert, key, client_ca):
        if path is not None and not path.is_file():
            raise UsageError(f"no file {path}")
    return ServerTls(cert, key, client_ca)
