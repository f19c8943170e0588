"""`run`: settings, memory management, logging, then the service."""

from __future__ import annotations

import argparse
import logging
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version

from sls_hec_forwarder import settings as configuration
from sls_hec_forwarder.errors import RelayError, SettingsError
from sls_hec_forwarder.process import allocator, signals
from sls_hec_forwarder.settings import Settings
from sls_hec_forwarder.settings.env_file import environment

_log = logging.getLogger(__name__)


def command(arguments: argparse.Namespace) -> int:
    """Returns when the relay has ended."""
    # First of all: Service handles signals, but takes a while to load. They stay blocked across the re-exec.
    signals.block()
    environ = environment(os.environ, arguments.env_file)
    settings = configuration.load(environ)
    allocator.tune()
    _log_from_now_on(settings)

    from sls_hec_forwarder.service import Service

    try:
        return Service(settings, environ).run()
    except RelayError as problem:
        _log.critical("%s", problem)
        return 1


def _log_from_now_on(settings: Settings) -> None:
    from sls_hec_forwarder.process import logs

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
