"""What may stand on the command line."""

from __future__ import annotations

import argparse
import importlib
import platform
from importlib.metadata import version
from typing import Callable

#: Seconds between the two samples of `status`, and between the refreshes of `--watch`.
SAMPLE_INTERVAL = 5.0

_EXIT_STATUS = """exit status:
  0  all is well; for `run`: stopped as asked, or the backfill is complete
  1  failed: a check did, SLS cannot be asked, or the relay could not go on
  2  wrong settings or arguments; starting again changes nothing
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

    check = _add(commands, "check", "try everything that `run` needs, and say what to do about what fails")
    check.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    check.add_argument(
        "--send-test-event",
        action="store_true",
        help="send one event to each index of the settings; nothing is sent otherwise",
    )
    check.set_defaults(command=_command("check"))

    status = _add(commands, "status", "show the consumer group as SLS knows it")
    status.add_argument("--json", action="store_true", help="JSON, one object a line, instead of a table")
    status.add_argument("--watch", action="store_true", help="show it again and again")
    status.add_argument(
        "--interval",
        type=_seconds,
        default=SAMPLE_INTERVAL,
        metavar="SECONDS",
        help="time between the two samples that tell how fast lag shrinks, and between refreshes "
        "(default: %(default)g); 0: a single sample",
    )
    status.set_defaults(command=_command("status"))
    return top


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
        "environment; may be given again, the last one wins",
    )
    return added


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    """The command's function, whose module is imported only when it is called."""

    def call(arguments: argparse.Namespace) -> int:
        module = importlib.import_module(f"sls_hec_forwarder.cli.{name}")
        status: int = module.command(arguments)
        return status

    return call


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 86400:
        raise argparse.ArgumentTypeError("expected seconds from 0 to 86400")
    return value
