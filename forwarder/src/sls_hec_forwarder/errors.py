"""The base classes of every error that the relay raises on purpose.

The first distinction is whether trying again can help. A message is one line: what happened, where, what the
relay does about it, what to do. Messages never contain a token or a key.
"""

from __future__ import annotations

from sls_hec_forwarder.untrusted import plain

#: Longest message (characters); a server's text in it may be longer.
_LONGEST = 4000


class RelayError(Exception):
    """Base of the relay's own errors; never raised directly. Its message is one plain line."""

    def __init__(self, message: str = "") -> None:
        super().__init__(plain(message, _LONGEST))


class TransientError(RelayError):
    """Trying again can help without an operator: network, overload, server faults."""


class OperatorError(RelayError):
    """Trying again helps only after an operator has changed credentials, rights, names or settings."""


class SettingsError(OperatorError):
    """Settings that cannot be used: `problems` lists all of them at once, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
