"""The arguments of the command line."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import platform
from importlib.metadata import version
from typing import Callable

from sls_hec_forwarder.process import allocator
from sls_hec_forwarder.replay.selection import KEYS
from sls_hec_forwarder.settings import values
from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.times import parse_moment

#: Events a second that `replay send` sends.
REPLAY_RATE = 500.0
#: Seconds between the two samples of `status`, and between the refreshes of `--watch`.
SAMPLE_INTERVAL = 5.0

_EXIT_STATUS = """exit status:
  0  success; for `run`: stopped as asked, or the backfill is complete
  1  failure: a check failed, SLS or the instance does not answer, `health` found a condition, the relay
     could not continue, or `reset` is not possible now; for `replay`: some selected events are still in
     the folder or cannot be read
  2  wrong settings or arguments; a restart does not help
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="sls-hec-forwarder",
        description="Relays logs from an SLS consumer group to the Splunk HTTP Event Collector.",
        epilog=f"Settings are environment variables, described in docs/settings.md.\n\n{_EXIT_STATUS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    runtime = f"{platform.python_implementation()} {platform.python_version()}"
    top.add_argument(
        "--version", action="version", version=f"sls-hec-forwarder {version('sls-hec-forwarder')} ({runtime})"
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = _add(commands, "run", "relay until stopped; SIGTERM drains, SIGHUP reads secrets again")
    run.set_defaults(command=_command("run"))

    check = _add(commands, "check", "test everything that `run` needs, and say how to fix what fails")
    check.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    check.add_argument(
        "--send-test-event",
        action="store_true",
        help="send one event for each index and sourcetype of the settings; without this, nothing is sent",
    )
    check.set_defaults(command=_command("check"))

    health = _add(commands, "health", "show the health of the running instance, through RELAY_METRICS")
    health.add_argument("--json", action="store_true", help="print the report as JSON")
    health.add_argument(
        "--fail-on",
        choices=("critical", "warning", "never"),
        default="critical",
        help="conditions of this severity make the exit status 1 (default: %(default)s)",
    )
    health.set_defaults(command=_command("health"))

    status = _add(commands, "status", "show the consumer group as SLS knows it")
    status.add_argument(
        "--json", action="store_true", help="print JSON, one object per line, instead of a table"
    )
    status.add_argument("--watch", action="store_true", help="refresh until interrupted")
    status.add_argument(
        "--interval",
        type=_seconds,
        default=SAMPLE_INTERVAL,
        metavar="SECONDS",
        help="time between the two samples that show how fast lag shrinks, and between refreshes "
        "(default: %(default)g); 0: a single sample",
    )
    status.set_defaults(command=_command("status"))
    _reset(commands)
    _replay(commands)
    return top


def _reset(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    reset = _add(commands, "reset", "move the group's checkpoints; only while none of its members is alive")
    reset.add_argument(
        "--to",
        type=_place,
        required=True,
        metavar="PLACE",
        help="begin, end, a time (unix seconds, or with its zone such as 2026-01-31T08:00:00Z) at which SLS "
        "received the logs, or a cursor of one shard",
    )
    reset.add_argument(
        "--shard", type=int, action="append", metavar="N", help="only this shard; may be repeated"
    )
    reset.add_argument(
        "--yes", action="store_true", help="change the checkpoints; without this, nothing is changed"
    )
    reset.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    reset.set_defaults(command=_command("reset"))


def _replay(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    what = "list, show and resend the dead letters in RELAY_SPOOL_DIR"
    replay = commands.add_parser("replay", help=what, description=f"{what[0].upper()}{what[1:]}.")
    actions = replay.add_subparsers(title="actions", metavar="ACTION", required=True)
    listed = _add(actions, "list", "count them by file and by the collector's answer")
    shown = _add(actions, "show", "show each of them, with its envelope")
    sent = _add(actions, "send", "send them, and remove the accepted ones from the folder")
    for action in (listed, shown, sent):
        action.set_defaults(command=_command("replay"))
        action.add_argument("--json", action="store_true", help="print JSON, one object per line")
        _selection(
            action.add_argument_group("which dead letters; an option may be repeated to allow several values")
        )
    listed.set_defaults(action="list")
    shown.set_defaults(action="show")
    sent.set_defaults(action="send")
    for action in (shown, sent):
        action.add_argument("--limit", type=_count, metavar="N", help="at most this many, oldest first")
    edits = sent.add_argument_group("what to change before sending")
    for key in KEYS:
        edits.add_argument(f"--set-{key}", type=_text, metavar=key.upper(), help=f"use this {key} instead")
    sent.add_argument(
        "--dry-run", action="store_true", help="only show what would be sent; with --json, each envelope"
    )
    sent.add_argument(
        "--rate", type=_rate, default=REPLAY_RATE, metavar="N", help="events a second (default: %(default)g)"
    )
    sent.add_argument(
        "--patience",
        type=_seconds,
        metavar="SECONDS",
        help="give up after this long without any event accepted or refused (default: HEC_ACK_TIMEOUT)",
    )


def _selection(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--reason", action="append", choices=("refused", "oversize", "blocked"), help="kind of refusal"
    )
    group.add_argument("--status", action="append", type=int, metavar="N", help="HTTP status")
    group.add_argument("--code", action="append", type=_code, metavar="N", help="HEC code, or none")
    group.add_argument("--shard", action="append", type=int, metavar="N", help="shard of the event")
    group.add_argument("--id", action="append", metavar="ID", help="sls_id of the event")
    for key in KEYS:
        group.add_argument(f"--{key}", action="append", metavar="TEXT", help=f"{key}; '' for events without")
    group.add_argument("--file", action="append", metavar="GLOB", help="name of the file")
    group.add_argument("--since", type=_moment, metavar="TIME", help="first refused then or later")
    group.add_argument("--until", type=_moment, metavar="TIME", help="first refused before")
    group.add_argument("--below", type=_count, metavar="N", help="refused fewer times than this")


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, what: str
) -> argparse.ArgumentParser:
    added = commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=_EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added.add_argument(
        "--env-file",
        action="append",
        default=[],
        metavar="FILE",
        help="take the settings from this file, in the syntax of systemd's EnvironmentFile, instead of the "
        "environment; may be repeated, the last one wins",
    )
    return added


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    """The command's function, whose module is imported only when it is called."""

    def call(arguments: argparse.Namespace) -> int:
        if name != "run":  # `run` does so itself, once signals are blocked and its settings are right
            allocator.tune()
        module = importlib.import_module(f"sls_hec_forwarder.cli.{name}")
        status: int = module.command(arguments)
        return status

    return call


def _place(text: str) -> str:
    """begin, end, a time as in SLS_START_POSITION, or a cursor."""
    with contextlib.suppress(ValueError):
        return cursors.encode(cursors.decode(text))
    try:
        return values.start(text)
    except ValueError as error:
        reason = f" ({error})" if str(error) else ""
        raise argparse.ArgumentTypeError(
            "expected begin, end, unix seconds, a time with its zone such as 2026-01-31T08:00:00Z, or a "
            f"cursor{reason}"
        ) from None


def _moment(text: str) -> float:
    """Unix seconds, from the forms of SLS_START_POSITION."""
    try:
        return parse_moment(text)
    except ValueError as error:
        reason = f" ({error})" if str(error) else ""
        raise argparse.ArgumentTypeError(
            f"expected unix seconds, or a time with its zone such as 2026-01-31T08:00:00Z{reason}"
        ) from None


def _code(text: str) -> int | None:
    return None if text == "none" else int(text)


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("expected a whole number from 1")
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not 0.01 <= value <= 100_000:
        raise argparse.ArgumentTypeError("expected events a second, from 0.01 to 100000")
    return value


def _text(text: str) -> str:
    if not text or not text.isprintable():
        raise argparse.ArgumentTypeError("expected a text without control characters")
    return text


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 86400:
        raise argparse.ArgumentTypeError("expected seconds from 0 to 86400")
    return value
