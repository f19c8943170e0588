"""Chooses the encoder of pulls: the native one or the one in Python. Both produce the same bytes."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from sls_hec_forwarder.wire.encoder import Encoded, Encoder
from sls_hec_forwarder.wire.native import NativeEncoder, NotAvailable, library
from sls_hec_forwarder.wire.rules import Rules

AUTO, NATIVE, PYTHON = CHOICES = ("auto", "native", "python")
"""`auto` is native where that is installed, and python everywhere else."""


class PullEncoder(Protocol):
    """The interface of all encoders; threads may share one."""

    def encode(self, data: bytes, *, shard: int, first_cursor: int | None, max_bytes: int) -> Encoded:
        """As `Encoder.encode`."""
        ...


class Choice(NamedTuple):
    """The chosen encoder, `native` or `python`, and why the native one is not used."""

    name: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}" if self.reason else self.name


def choose(wanted: str) -> Choice:
    """Choose by one of CHOICES. Raises NotAvailable if only the native one is wanted and cannot be used."""
    if wanted == PYTHON:
        return Choice(PYTHON, "RELAY_ENCODER says so")
    try:
        library()
    except NotAvailable as error:
        if wanted == NATIVE:
            raise NotAvailable(
                f"RELAY_ENCODER is native, but {error}; install it, or set RELAY_ENCODER to auto or python"
            ) from error
        return Choice(PYTHON, str(error))
    return Choice(NATIVE)


def encoder(choice: Choice, rules: Rules) -> PullEncoder:
    """Create the encoder that was chosen."""
    return NativeEncoder(rules) if choice.name == NATIVE else Encoder(rules)
