"""`run`: settings, memory management that fits, logging, then the service."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import version

from sls_hec_forwarder import settings as configuration
from sls_hec_forwarder import signals
from sls_hec_forwarder.errors import RelayError, SettingsError
from sls_hec_forwarder.settings import Settings
from sls_hec_forwarder.settings.env_file import environment

#: PyPy reads these only when it starts. The defaults let the process grow to 1.3 GB at full load before old
#: memory is looked through.
PYPY_GC = {"PYPY_GC_MAJOR_COLLECT": "1.3", "PYPY_GC_NURSERY": "16MB"}
#: glibc reads these when it starts (mallopt(3)). Pulls and batches, of megabytes each, go back to the system
#: at once when they are freed; by default every thread keeps a heap full of holes, twice as much in all.
MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072"}

_log = logging.getLogger(__name__)


def command(arguments: argparse.Namespace) -> int:
    """Returns when the relay has ended."""
    # First of all: Service answers signals, but loading it takes a while. Starting anew keeps them blocked.
    signals.block()
    environ = environment(os.environ, arguments.env_file)
    settings = configuration.load(environ)
    _tune_memory()
    _log_from_now_on(settings)

    from sls_hec_forwarder.service import Service

    try:
        return Service(settings, environ).run()
    except RelayError as problem:
        _log.critical("%s", problem)
        return 1


def _tune_memory() -> None:
    """Start this process anew, under the same id, unless its memory management was tuned from outside."""
    wanted = {**MALLOC, **PYPY_GC} if platform.python_implementation() == "PyPy" else MALLOC
    missing = {name: value for name, value in wanted.items() if name not in os.environ}
    if not missing:
        return
    started_as_module = getattr(sys.modules["__main__"], "__spec__", None) is not None
    program = ["-m", "sls_hec_forwarder.cli"] if started_as_module else [sys.argv[0]]
    arguments = [sys.executable, *program, *sys.argv[1:]]
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
