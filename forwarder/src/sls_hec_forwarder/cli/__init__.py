"""The command line: arguments and printing, nothing else.

Each command imports what it needs, so that a wrong setting is reported without waiting for the SDK to load.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from sls_hec_forwarder.cli.arguments import parser
from sls_hec_forwarder.cli.output import complain, flush, prepare
from sls_hec_forwarder.errors import SettingsError
from sls_hec_forwarder.process.stderr import make_harmless

__all__ = ["EXIT_FAILED", "EXIT_OK", "EXIT_WRONG", "main"]

EXIT_OK = 0
EXIT_FAILED = 1
#: Wrong settings or arguments: a restart does not help.
EXIT_WRONG = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    make_harmless()
    prepare()
    arguments = parser().parse_args(argv)
    # `run` adds handlers; the other commands print their own messages.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        status: int = arguments.command(arguments)
        flush()
    except SettingsError as error:
        for problem in error.problems:
            complain(problem)
        return EXIT_WRONG
    except KeyboardInterrupt:
        return EXIT_OK
    except BrokenPipeError:
        # The reader closed the pipe; without this, Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    return status
