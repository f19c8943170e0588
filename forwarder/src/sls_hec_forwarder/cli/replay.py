"""`replay list` and `replay show`; `replay send` is in its own module."""

from __future__ import annotations

import argparse
import dataclasses
import os
from itertools import islice
from pathlib import Path
from typing import Any

from sls_hec_forwarder import settings as configuration
from sls_hec_forwarder.cli.output import complain, say, say_json, table
from sls_hec_forwarder.cli.replay_send import Sending, edits_of, unreadable
from sls_hec_forwarder.errors import SettingsError
from sls_hec_forwarder.replay.reading import Reading
from sls_hec_forwarder.replay.selection import KEYS, CannotSend, Selection, edited
from sls_hec_forwarder.settings import Settings
from sls_hec_forwarder.settings.env_file import environment
from sls_hec_forwarder.spool.dead_letter import DeadLetter
from sls_hec_forwarder.times import iso_milliseconds


def command(arguments: argparse.Namespace) -> int:
    """Returns 1 if selected dead letters are still in the folder or cannot be read."""
    environ = environment(os.environ, arguments.env_file)
    settings = configuration.load(environ)
    if not settings.relay.spool_dir:
        raise SettingsError(["RELAY_SPOOL_DIR: required by replay; it is the folder of the dead letters"])
    selection = _selection(arguments)
    folder = Path(settings.relay.spool_dir)
    try:
        if arguments.action == "list":
            return _list(folder, selection, settings, arguments.json)
        if arguments.action == "show":
            return _show(folder, selection, arguments)
        if arguments.dry_run:
            return _dry_run(folder, selection, arguments)
        return Sending(folder, selection, settings, environ, arguments).run()
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        complain(f"{error.filename or folder}: {error.strerror or error}")
        return 1


def _selection(arguments: argparse.Namespace) -> Selection:
    return Selection(
        reasons=tuple(arguments.reason or ()),
        statuses=tuple(arguments.status or ()),
        codes=tuple(arguments.code or ()),
        shards=tuple(arguments.shard or ()),
        ids=tuple(arguments.id or ()),
        files=tuple(arguments.file or ()),
        envelope=tuple((key, tuple(vars(arguments)[key])) for key in KEYS if vars(arguments)[key]),
        since=arguments.since,
        until=arguments.until,
        below=arguments.below,
    )


def _complain(reading: Reading) -> int:
    problems = [unreadable(path, count) for path, count in reading.unreadable.items()]
    problems += reading.left_alone
    for problem in problems:
        complain(problem)
    return 1 if problems else 0


@dataclasses.dataclass
class _RefusedAlike:
    """Letters of one file that were refused for the same reason; times are of the first refusals."""

    events: int
    first: float
    last: float
    refusals: int


def _list(folder: Path, selection: Selection, settings: Settings, as_json: bool) -> int:
    reading = Reading(folder, selection)
    groups: dict[tuple[str, str, int, int | None, str], _RefusedAlike] = {}
    for name, letter in reading.letters():
        key = (name, letter.reason, letter.status, letter.code, letter.text)
        group = groups.setdefault(key, _RefusedAlike(0, letter.time, letter.time, 0))
        group.events += 1
        group.first = min(group.first, letter.time)
        group.last = max(group.last, letter.time)
        group.refusals = max(group.refusals, letter.refusals)
    if as_json:
        for (name, reason, status, code, text), group in groups.items():
            what = {"file": name, "reason": reason, "status": status, "code": code, "text": text}
            times = {"first": iso_milliseconds(group.first), "last": iso_milliseconds(group.last)}
            say_json({**what, **dataclasses.asdict(group), **times})
        return _complain(reading)
    titles = ("FILE", "EVENTS", "REASON", "STATUS", "CODE", "FIRST", "LAST", "REFUSED", "TEXT")
    rows = [
        (
            name,
            str(group.events),
            reason,
            str(status),
            "-" if code is None else str(code),
            iso_milliseconds(group.first),
            iso_milliseconds(group.last),
            f"{group.refusals} x",
            text,
        )
        for (name, reason, status, code, text), group in groups.items()
    ]
    if rows:
        say(*table(rows, titles), "")
    events = sum(group.events for group in groups.values())
    files = len({name for name, *_ in groups})
    say(f"{events} events in {files} files; {reading.bytes} of at most {settings.relay.spool_bytes} bytes")
    return _complain(reading)


def _show(folder: Path, selection: Selection, arguments: argparse.Namespace) -> int:
    reading = Reading(folder, selection)
    for name, letter in islice(reading.letters(), arguments.limit):
        if arguments.json:
            say_json(_object(name, letter))
        else:
            say(*_lines(name, letter))
    return _complain(reading)


def _object(name: str, letter: DeadLetter) -> dict[str, Any]:
    return {"file": name, **letter.fields()}


def _lines(name: str, letter: DeadLetter) -> list[str]:
    fields = letter.fields()
    code = "" if letter.code is None else f", code {letter.code}"
    lines = [
        f"{fields['time']}  {letter.reason}: {letter.text} (HTTP {letter.status}{code})",
        f"  shard {letter.shard}, id {fields['id'] or '-'}, by {letter.endpoint}, in {name}",
    ]
    if letter.again is not None:
        tried = "".join(f", with {key} {value}" for key, value in letter.tried.items())
        lines.append(
            f"  refused {letter.refusals} times, the last time at {iso_milliseconds(letter.again)}{tried}"
        )
    return [*lines, f"  {fields['envelope']}"]


def _dry_run(folder: Path, selection: Selection, arguments: argparse.Namespace) -> int:
    reading = Reading(folder, selection)
    edits, sent, unsent = edits_of(arguments), 0, 0
    for name, letter in islice(reading.letters(), arguments.limit):
        try:
            envelope = edited(letter.envelope, edits)
        except CannotSend as problem:
            unsent += 1
            complain(f"{name}: id {letter.fields()['id'] or '-'}: cannot be sent: {problem}")
            continue
        sent += 1
        if arguments.json:
            say_json(_object(name, dataclasses.replace(letter, envelope=envelope)))
    if not arguments.json:
        say(
            f"{sent} would be sent, in at least {sent / arguments.rate:.0f} s; "
            f"{unsent} cannot be sent as they are"
        )
    return _complain(reading) or (1 if unsent else 0)
