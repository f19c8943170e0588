"""`health`: shows the health of the running instance, read through RELAY_METRICS."""

from __future__ import annotations

import argparse
import http.client
import os
import socket
from typing import Any

from sls_hec_forwarder import settings as configuration
from sls_hec_forwarder.cli.output import complain, duration, say, say_json, table
from sls_hec_forwarder.settings.env_file import environment
from sls_hec_forwarder.untrusted import parse_json

#: Time-out (seconds) for the instance's answer, and the answer's size limit (bytes).
_TIMEOUT = 5.0
_LARGEST = 4 * 1024 * 1024
#: For each value of --fail-on: the statuses that make the exit status 1.
_FAILING = {"critical": ("critical",), "warning": ("critical", "warning"), "never": ()}


class NotAnswered(Exception):
    """The instance did not answer; the message says what to do."""


def command(arguments: argparse.Namespace) -> int:
    """Returns 1 if the instance does not answer, or a condition at or above --fail-on is active."""
    # A missing file (a secret, say) does not keep a running instance from answering.
    where = configuration.load_one(environment(os.environ, arguments.env_file), "RELAY_METRICS")
    try:
        report = ask(where)
        lines = page(report)
    except NotAnswered as problem:
        if arguments.json:
            say_json({"status": "unknown", "ready": False, "conditions": [], "problem": str(problem)})
        else:
            complain(problem)
        return 1
    if arguments.json:
        say_json(report)
    else:
        say(*lines)
    failing = report["status"] in _FAILING[arguments.fail_on]
    return 1 if failing or (not report["ready"] and arguments.fail_on != "never") else 0


def ask(where: str) -> dict[str, Any]:
    """The health report of the instance that serves metrics at `where`. Raises NotAnswered."""
    if where == "off":
        raise NotAnswered(
            "RELAY_METRICS is off, so the instance's health cannot be read: set it to unix:/path or a port"
        )
    connection = http.client.HTTPConnection("localhost", timeout=_TIMEOUT)
    try:
        connection.sock = _connect(where)
        connection.request("GET", "/healthz")
        report = parse_json(connection.getresponse().read(_LARGEST))
        if not isinstance(report, dict) or not {"status", "ready", "conditions"} <= report.keys():
            raise ValueError("not a health report")
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NotAnswered(
            f"no answer at RELAY_METRICS={where} ({reason}): is the instance running?"
        ) from error
    finally:
        connection.close()
    return report


def _connect(where: str) -> socket.socket:
    if where.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(_TIMEOUT)
        try:
            sock.connect(where[len("unix:") :])
        except OSError:
            sock.close()
            raise
        return sock
    return socket.create_connection(("127.0.0.1", int(where)), _TIMEOUT)


def page(report: dict[str, Any]) -> list[str]:
    """The report as lines of text. Raises NotAnswered if it is not a health report."""
    try:
        return _page(report)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NotAnswered(
            f"the answer at RELAY_METRICS is not a health report ({type(error).__name__}): is it the relay?"
        ) from error


def _page(report: dict[str, Any]) -> list[str]:
    shards = report.get("shards", {})
    lag = shards.get("worst_lag_seconds")
    lines = [
        f"{report['status']}: {'ready' if report['ready'] else 'NOT READY'}, "
        f"{shards.get('owned', 'an unknown number of')} shards, "
        f"lag {'unknown' if lag is None else duration(lag)}"
    ]
    lines += [
        f"{each['severity'].upper()} {each['name']} {each['subject']} since {each['since']} "
        f"({each['count']} times): {each['text']}; {each['does']}; {each['todo']}"
        for each in report["conditions"]
    ]
    held = [
        (
            str(each["shard"]),
            each["phase"],
            *(
                duration(each[f"{name}_seconds"])
                for name in ("lag", "oldest_undelivered", "last_pull", "last_delivery", "last_checkpoint")
            ),
        )
        for each in shards.get("held", [])
    ]
    if held:
        titles = ("SHARD", "PHASE", "LAG", "OLDEST UNDELIVERED", "LAST PULL", "DELIVERY", "CHECKPOINT")
        lines += ["", *table(held, titles)]
    return lines
