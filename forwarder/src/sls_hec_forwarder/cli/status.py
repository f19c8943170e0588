"""`status`: the consumer group as SLS knows it, once or refreshed."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sls_hec_forwarder import settings as configuration
from sls_hec_forwarder.cli.output import complain, flush, say, say_json
from sls_hec_forwarder.errors import RelayError
from sls_hec_forwarder.settings.env_file import environment

if TYPE_CHECKING:
    from sls_hec_forwarder.sls.api.read_client import ReadClient
    from sls_hec_forwarder.sls.group.status import GroupStatus

_CLEAR = "\x1b[H\x1b[2J"
#: Shortest pause (seconds) between refreshes.
_SHORTEST = 0.5


def command(arguments: argparse.Namespace) -> int:
    """Returns 1 if SLS does not answer."""
    settings = configuration.load(environment(os.environ, arguments.env_file)).sls

    from sls_hec_forwarder.sls.api.credentials import credentials_for
    from sls_hec_forwarder.sls.api.read_client import ReadClient

    credentials = credentials_for(settings)
    client = ReadClient(settings, settings.consumer, credentials)
    try:
        for now, before in _looks(client, arguments):
            _show(client.place, now, before, arguments)
    except RelayError as problem:
        complain(problem)
        return 1
    finally:
        client.close()
        credentials.close()
    return 0


def _looks(
    client: ReadClient, arguments: argparse.Namespace
) -> Iterator[tuple[GroupStatus, GroupStatus | None]]:
    """The group now, and at the previous look."""
    from sls_hec_forwarder.sls.group.status import group_status

    before = None
    if arguments.interval and not arguments.watch:
        before = group_status(client)
        time.sleep(arguments.interval)
    while True:
        now = group_status(client)
        yield now, before
        if not arguments.watch:
            return
        before = now
        time.sleep(max(arguments.interval, _SHORTEST))


def _show(place: str, now: GroupStatus, before: GroupStatus | None, arguments: argparse.Namespace) -> None:
    from sls_hec_forwarder.cli.pages import as_object, as_text

    if arguments.json:
        say_json(as_object(now, before))
    else:
        if arguments.watch and sys.stdout.isatty():
            sys.stdout.write(_CLEAR)
        say(*as_text(place, now, before))
    flush()
