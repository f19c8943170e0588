"""`run`: settings, the right garbage collector, logging, then the service."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import version

from sls_hec_forwarder import settings as configuration
from sls_hec_forwarder.errors import RelayError, SettingsError
from sls_hec_forwarder.settings import Settings
from sls_hec_forwarder.settings.env_file import environment

#: PyPy reads these only when it starts. They keep the process at 290 MB at full load; the defaults let it
#: grow to 1.3 GB before old memory is looked through.
PYPY_GC = {"PYPY_GC_MAJOR_COLLECT": "1.3", "PYPY_GC_NURSERY": "16MB"}

_log = logging.getLogger(__name__)


def command(arguments: argparse.Namespace) -> int:
    """Returns when the relay has ended."""
    environ = environment(os.environ, arguments.env_file)
    settings = configuration.load(environ)
    _tune_pypy()
    _log_from_now_on(settings)

    from sls_hec_forwarder.service import Service

    try:
        return Service(settings, environ).run()
    except RelayError as problem:
        _log.critical("%s", problem)
        return 1


def _tune_pypy() -> None:
    """Start this process anew, under the same id, if PyPy's garbage collector is left at its defaults."""
    missing = {name: value for name, value in PYPY_GC.items() if name not in os.environ}
    if platform.python_implementation() != "PyPy" or not missing:
        return
    started_as_module = getattr(sys.modules["__main__"], "__spec__", None) is not None
    program = ["-m", "sls_hec_forwarder.cli"] if started_as_module else [sys.argv[0]]
    arguments = [sys.executable, *program, *sys.argv[1:]]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, arguments, {**os.environ, **missing})  # noqa: S606 - ourselves, without a shell


def _log_from_now_on(settings: Settings) -> None:
    from sls_hec_forwarder import logs

    sls = settings.sls
    context: Mapping[str, str] = {
        "project": sls.project,
        "logstore": sls.logstore,
        "group": sls.group,
        "consumer": sls.consumer,
    }
    try:
        logs.configure(settings.relay, configuration.secrets(settings), context)
    except OSError as error:
        raise SettingsError([f"RELAY_LOG_FILE: cannot be opened: {error.strerror}"]) from error
    changed = [
        f"{name}={text}" for name, text, is_default in configuration.describe(settings) if not is_default
    ]
    _log.info(
        "sls-hec-forwarder %s on %s %s: %s",
        version("sls-hec-forwarder"),
        platform.python_implementation(),
        platform.python_version(),
        " ".join(changed),
    )
