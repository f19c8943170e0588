"""Logging: where lines go, how they look, that no secret is in them, and one line for a trouble that lasts."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timezone
from logging.handlers import RotatingFileHandler
from typing import Callable

from sls_hec_forwarder.settings.model import RelaySettings

_MASK = "(secret)"
_handlers: list[logging.Handler] = []


def configure(settings: RelaySettings, secrets: Iterable[str] = ()) -> None:
    """Send the root logger's records where the settings say. Raises OSError if the log file cannot be opened."""
    handlers: list[logging.Handler] = []
    if settings.log_console:
        handlers.append(logging.StreamHandler(sys.stderr))
    if settings.log_file:
        handlers.append(
            RotatingFileHandler(
                settings.log_file,
                maxBytes=settings.log_file_bytes,
                backupCount=settings.log_files,
                encoding="utf-8",
            )
        )
    shut_down()
    root = logging.getLogger()
    root.setLevel(settings.log_level.upper())
    form = JsonFormatter if settings.log_format == "json" else TextFormatter
    for handler in handlers:
        handler.setFormatter(form(secrets))
        root.addHandler(handler)
    _handlers.extend(handlers)
    # Both report every connection and retry of their own; what matters is reported here.
    for chatty in ("urllib3", "aliyun"):
        logging.getLogger(chatty).setLevel(logging.ERROR)


def hide(secrets: Iterable[str]) -> None:
    """Secrets have changed: mask these too, from now on."""
    for handler in _handlers:
        if isinstance(handler.formatter, _Formatter):
            handler.formatter.hide(secrets)


def shut_down() -> None:
    """Close what `configure` opened."""
    while _handlers:
        handler = _handlers.pop()
        logging.getLogger().removeHandler(handler)
        handler.close()


class _Formatter(logging.Formatter):
    """One line a record. The masking is a second line of defence: no message should hold a secret."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets: frozenset[str] = frozenset()
        self.hide(secrets)

    def hide(self, secrets: Iterable[str]) -> None:
        self._secrets |= {secret for secret in secrets if secret}

    def format(self, record: logging.LogRecord) -> str:
        line = self.line(record, record.getMessage())
        for secret in self._secrets:
            line = line.replace(secret, _MASK)
        return line

    def line(self, record: logging.LogRecord, message: str) -> str:
        raise NotImplementedError

    def trace(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info else ""


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")


class TextFormatter(_Formatter):
    """`2026-01-31T00:00:00.000+00:00 WARNING sls.heartbeat: message`."""

    def line(self, record: logging.LogRecord, message: str) -> str:
        name = record.name.replace("sls_hec_forwarder.", "", 1)
        text = f"{_time(record)} {record.levelname} {name}: {message}"
        trace = self.trace(record)
        return f"{text}\n{trace}" if trace else text


class JsonFormatter(_Formatter):
    """One JSON object a line: time, level, logger, thread, message, and trace if there is one."""

    def line(self, record: logging.LogRecord, message: str) -> str:
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": message,
        }
        trace = self.trace(record)
        if trace:
            entry["trace"] = trace
        return json.dumps(entry, ensure_ascii=False)


class Episodes:
    """Says once when something begins and once when it ends, with the count in between. Thread-safe."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, tuple[float, int]] = {}  # when it began, how often it happened

    def begin(self, key: str, message: str) -> None:
        """It happens: logs a warning the first time."""
        with self._lock:
            first = key not in self._open
            since, count = self._open.get(key, (self._clock(), 0))
            self._open[key] = since, count + 1
        if first:
            self._logger.warning("%s", message)

    def again(self, key: str) -> None:
        """It happened once more. Nothing is logged, and nothing counted unless it has begun."""
        with self._lock:
            if key in self._open:
                since, count = self._open[key]
                self._open[key] = since, count + 1

    def end(self, key: str, message: str) -> None:
        """It is over: logs how often and how long, if it had begun."""
        with self._lock:
            found = self._open.pop(key, None)
        if found is not None:
            since, count = found
            self._logger.info("%s, after %d times in %.0f s", message, count, self._clock() - since)
