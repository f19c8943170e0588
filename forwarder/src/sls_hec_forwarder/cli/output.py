"""The only module that prints; untrusted text reaches the terminal as plain lines or as ASCII JSON."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from typing import Any

from sls_hec_forwarder.untrusted import plain


def prepare() -> None:
    """Escape characters that the terminal's encoding lacks, instead of raising an error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def say(*lines: str) -> None:
    """Print each text as one line to standard output."""
    for line in lines:
        print(plain(line))


def say_json(value: Any) -> None:
    """Print as one line of JSON to standard output."""
    print(json.dumps(value))


def complain(line: object) -> None:
    """Print as one line to standard error."""
    print(plain(str(line)), file=sys.stderr)


def flush() -> None:
    """Flush standard output, so that a waiting reader gets the lines now."""
    if sys.stdout is not None:  # None: closed when the process started
        sys.stdout.flush()


def table(rows: Sequence[Sequence[str]], titles: Sequence[str] = ()) -> list[str]:
    """Lines with aligned columns; the last column is not padded."""
    lines = [[plain(cell) for cell in line] for line in ([titles, *rows] if titles else rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))] if lines else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]


def duration(seconds: float | None) -> str:
    """Such as `3 s`, `4 min 5 s`, `2 h 10 min`, `3 d 4 h`; `-` for None."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
