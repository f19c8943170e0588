"""Runs a command on the host, for modules that name what went wrong."""

from __future__ import annotations

import subprocess


def run(command: list[str], timeout: int) -> str:
    """What the command printed; OSError with its message if it fails or takes more than `timeout` seconds."""
    try:
        done = subprocess.run(  # noqa: S603 - made of names in root's own folders
            command, timeout=timeout, capture_output=True, text=True, errors="replace", check=False
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"{' '.join(command)} did not end within {timeout} s") from None
    if done.returncode:
        raise OSError(done.stderr.strip() or f"{' '.join(command)} ended with {done.returncode}")
    return done.stdout
