"""`replay send`: resends dead letters, file by file."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import logging
import signal
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Callable

from sls_hec_forwarder import settings as configuration
from sls_hec_forwarder.cli.output import complain, flush, say, say_json
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.process.logs import Secrets
from sls_hec_forwarder.replay.reading import chosen_files, left_alone
from sls_hec_forwarder.replay.resend import GivenUp, Resend
from sls_hec_forwarder.replay.selection import KEYS, Selection
from sls_hec_forwarder.settings import Settings
from sls_hec_forwarder.spool.locked_file import SpoolFile, SpoolFileError

_log = logging.getLogger("sls_hec_forwarder")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def edits_of(arguments: argparse.Namespace) -> dict[str, str]:
    """The changes that `--set-index` and similar options ask for, by key of the envelope."""
    given = vars(arguments)
    return {key: given[f"set_{key}"] for key in KEYS if given[f"set_{key}"] is not None}


def unreadable(path: Path, count: int) -> str:
    """A line about a damaged file."""
    return f"{path}: {count} bytes are not dead letters; they are left in the file"


class _Lines(logging.Handler):
    """The sender's log records, as plain lines on standard error."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__(logging.INFO)
        self._secrets = secrets

    def emit(self, record: logging.LogRecord) -> None:
        text = self._secrets.hide(self.format(record))
        complain(" ".join(text.splitlines()))


class Sending:
    """`replay send`."""

    def __init__(
        self,
        folder: Path,
        selection: Selection,
        settings: Settings,
        environ: Mapping[str, str],
        arguments: argparse.Namespace,
    ) -> None:
        self._folder = folder
        self._selection = selection
        self._settings = settings
        self._environ = environ
        self._arguments = arguments
        self._left = arguments.limit
        self._failed = False

    def run(self) -> int:
        arguments, settings = self._arguments, self._settings
        secrets = Secrets()
        secrets.add(configuration.secrets(settings))
        patience = settings.hec.ack_timeout if arguments.patience is None else arguments.patience
        resend = Resend(
            settings,
            rate=arguments.rate,
            patience=patience,
            conditions=Conditions(),
            read_token=self._read_token(secrets),
            edits=edits_of(arguments),
        )
        with _said(secrets), _stopped_by_signals(resend), resend:
            self._files(resend)
        return self._report(resend)

    def _read_token(self, secrets: Secrets) -> Callable[[], str]:
        def read() -> str:
            settings = configuration.reload_secrets(self._settings, self._environ)
            secrets.add(configuration.secrets(settings))
            return settings.hec.token

        return read

    def _files(self, resend: Resend) -> None:
        for line in left_alone(self._folder, self._selection):
            self._fail(line)
        for path in chosen_files(self._folder, self._selection):
            if resend.stop.is_set() or self._left == 0:
                return
            try:
                with SpoolFile(path) as file:
                    self._file(resend, file)
            except FileNotFoundError:
                continue  # another replay finished and removed it
            except SpoolFileError as problem:
                self._fail(str(problem))
            except GivenUp as problem:
                self._fail(f"gave up: {problem}; events that were not accepted are still in {self._folder}")
                return

    def _file(self, resend: Resend, file: SpoolFile) -> None:
        meant = (number for number in file.numbers() if self._selection.takes(file.letter(number)))
        numbers = list(islice(meant, self._left))
        if file.unreadable:
            self._fail(unreadable(file.path, file.unreadable))
        if not numbers:
            return
        if self._left is not None:
            self._left -= len(numbers)
        file.reserve()
        result = resend.file(file, numbers)
        if not self._arguments.json:
            left = len(numbers) - result.accepted - result.refused - result.unsent
            say(f"{file.path.name}: {_counts(dataclasses.asdict(result), left)}")
            flush()

    def _fail(self, text: str) -> None:
        self._failed = True
        complain(text)

    def _report(self, resend: Resend) -> int:
        total = dataclasses.asdict(resend.total)
        if resend.stop.is_set():
            self._fail("interrupted; events that were not accepted are still there")
        if self._arguments.json:
            say_json(total)
        else:
            say(_counts(total))
        return 1 if self._failed or resend.total.refused or resend.total.unsent else 0


def _counts(result: Mapping[str, int], left: int = 0) -> str:
    text = f"{result['accepted']} accepted, {result['refused']} refused again"
    if result["unsent"]:
        text += f", {result['unsent']} cannot be sent as they are"
    return f"{text}, {left} not tried" if left else text


@contextlib.contextmanager
def _said(secrets: Secrets) -> Iterator[None]:
    lines, level = _Lines(secrets), _log.level
    _log.addHandler(lines)
    _log.setLevel(logging.INFO)
    try:
        yield
    finally:
        _log.setLevel(level)
        _log.removeHandler(lines)


@contextlib.contextmanager
def _stopped_by_signals(resend: Resend) -> Iterator[None]:
    """The first signal ends the replay in good order, the second one at once."""

    def stop(_number: int, _frame: object) -> None:
        resend.stop.set()
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
