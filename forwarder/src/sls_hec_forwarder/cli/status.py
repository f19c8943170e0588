"""`status`: the consumer group as SLS knows it, once or again and again."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sls_hec_forwarder import settings as configuration
from sls_hec_forwarder.errors import RelayError
from sls_hec_forwarder.settings.env_file import environment

if TYPE_CHECKING:
    from sls_hec_forwarder.sls.read_client import ReadClient

_CLEAR = "\x1b[H\x1b[2J"
#: Least pause (seconds) between refreshes.
_SHORTEST = 0.5


def command(arguments: argparse.Namespace) -> int:
    """1 when SLS cannot be asked."""
    settings = configuration.load(environment(os.environ, arguments.env_file)).sls

    from sls_hec_forwarder.sls.credentials import credentials_for
    from sls_hec_forwarder.sls.read_client import ReadClient

    credentials = credentials_for(settings)
    client = ReadClient(settings, settings.consumer, credentials)
    try:
        for page in _pages(client, arguments):
            print(page)
            sys.stdout.flush()
    except RelayError as problem:
        print(problem, file=sys.stderr)
        return 1
    finally:
        client.close()
        credentials.close()
    return 0


def _pages(client: ReadClient, arguments: argparse.Namespace) -> Iterator[str]:
    from sls_hec_forwarder.cli.pages import as_json, as_text
    from sls_hec_forwarder.sls.inspect import group_status

    before = None
    if arguments.interval and not arguments.watch:
        before = group_status(client)
        time.sleep(arguments.interval)
    clear = _CLEAR if sys.stdout.isatty() and arguments.watch and not arguments.json else ""
    while True:
        now = group_status(client)
        yield clear + (as_json(now, before) if arguments.json else as_text(client.place, now, before))
        if not arguments.watch:
            return
        before = now
        time.sleep(max(arguments.interval, _SHORTEST))
