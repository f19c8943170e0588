"""Logging: console and rotated file, text or JSON lines, never a secret.

A record may have fields, as in `log.info("...", extra={"shard": 3})`. They follow the text, or are members of
the JSON object, which also names the project, logstore, group and consumer.
"""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import sys
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import quote

from sls_hec_forwarder.settings.model import RelaySettings
from sls_hec_forwarder.times import iso_milliseconds
from sls_hec_forwarder.untrusted import plain

_PACKAGE = "sls_hec_forwarder"
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
#: A shorter text is not treated as a secret: hiding it would make lines unreadable.
_SHORTEST_SECRET = 4
_MASK = "***"
#: The attributes of every record; all others are fields.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Secrets:
    """Texts that must not be logged. Thread-safe."""

    def __init__(self) -> None:
        self._texts: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def add(self, values: Iterable[str]) -> None:
        """Hide these from now on, also in the forms they have inside a URL, a repr or JSON."""
        with self._lock:
            texts = set(self._texts)
            for value in values:
                if len(value) >= _SHORTEST_SECRET:
                    texts |= {value, quote(value, safe=""), repr(value)[1:-1], json.dumps(value)[1:-1]}
            # The longest first: one secret may contain another.
            self._texts = tuple(sorted(texts, key=len, reverse=True))

    def hide(self, text: str) -> str:
        """`text` with the secrets masked."""
        for secret in self._texts:
            if secret in text:
                text = text.replace(secret, _MASK)
        return text


_secrets = Secrets()


def hide(values: Iterable[str]) -> None:
    """Never log these texts, in messages, fields or tracebacks."""
    _secrets.add(values)


class TextFormatter(logging.Formatter):
    """`2026-01-31T08:00:00.123Z INFO sls.group.heartbeat: message (shard=3)`, then any traceback."""

    def __init__(self, secrets: Secrets = _secrets) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        time = iso_milliseconds(record.created)
        line = f"{time} {record.levelname} {_logger(record)}: {plain(record.getMessage())}"
        fields = _fields(record)
        if fields:
            line += f" ({', '.join(f'{name}={plain(str(value))}' for name, value in fields.items())})"
        trace = _trace(self, record)
        return self._secrets.hide(f"{line}\n{trace}" if trace else line)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, `context`, the record's fields, traceback."""

    def __init__(self, context: Mapping[str, str], secrets: Secrets = _secrets) -> None:
        super().__init__()
        self._context = context
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": iso_milliseconds(record.created),
            "level": record.levelname.lower(),
            "logger": _logger(record),
            "message": record.getMessage(),
            **self._context,
            **_fields(record),
        }
        trace = _trace(self, record)
        if trace:
            line["traceback"] = trace
        return self._secrets.hide(json.dumps(line, default=str))


class _File(logging.handlers.RotatingFileHandler):
    """On a full disk, lines are lost and one line goes to standard error; the relay continues."""

    _problem: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        before, self._problem = self._problem, None
        super().emit(record)
        if self._problem is not None and before is None:
            print(f"{self.baseFilename}: cannot be written: {self._problem}", file=sys.stderr)  # noqa: T201

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - as inherited
        self._problem = sys.exc_info()[1]
        # Its buffer is lost; the next record reopens the file.
        broken, self.stream = self.stream, None
        with contextlib.suppress(OSError):
            if broken is not None:
                broken.close()


_installed: list[logging.Handler] = []


def configure(
    settings: RelaySettings, secrets: Iterable[str] = (), context: Mapping[str, str] | None = None
) -> None:
    """Log as the settings say from now on, without `secrets`; `context` is added to every JSON line.

    Also logs Python warnings, and exceptions that end a thread or the program. May be called again. Raises
    OSError when the log file cannot be opened; then nothing has changed.
    """
    hide(secrets)
    handlers = _handlers(settings)
    shut_down()
    formatter = JsonFormatter(context or {}) if settings.log_format == "json" else TextFormatter()
    root = logging.getLogger()
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    _installed.extend(handlers)
    # Below this level libraries log their requests, headers and retries.
    root.setLevel(logging.ERROR)
    logging.getLogger(_PACKAGE).setLevel(_LEVELS[settings.log_level])
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def shut_down() -> None:
    """Close what `configure` opened."""
    while _installed:
        handler = _installed.pop()
        logging.getLogger().removeHandler(handler)
        handler.close()


def _handlers(relay: RelaySettings) -> list[logging.Handler]:
    handlers: list[logging.Handler] = []
    if relay.log_file:
        handlers.append(
            _File(
                relay.log_file,
                maxBytes=relay.log_file_bytes,
                backupCount=relay.log_files,
                encoding="utf-8",
                errors="backslashreplace",
            )
        )
    if relay.log_console:
        handlers.append(logging.StreamHandler(sys.stderr))
    return handlers


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger(_PACKAGE).critical("unexpected error", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or issubclass(args.exc_type, SystemExit):
        return
    name = args.thread.name if args.thread is not None else "a thread"
    logging.getLogger(_PACKAGE).critical(
        "%s ended with an unexpected error",
        name,
        exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
    )


def _logger(record: logging.LogRecord) -> str:
    name = record.name
    return name[len(_PACKAGE) + 1 :] if name.startswith(f"{_PACKAGE}.") else name


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    # Errors may quote untrusted text with line feeds: no line of a traceback may look like a log line.
    return "\n".join(f"  {plain(line)}" for part in parts for line in part.split("\n"))
