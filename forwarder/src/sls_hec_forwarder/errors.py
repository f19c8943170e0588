"""Every error the relay raises on purpose.

The first fork is whether trying again can help. A message is one line: what happened, where, what the relay
does about it, what to do. Messages never hold a token or a key.
"""

from __future__ import annotations

from sls_hec_forwarder.untrusted import plain

#: Longest message (characters); servers may say more.
_LONGEST = 4000


class RelayError(Exception):
    """Base of the relay's own errors; never raised itself. Its message is one plain line."""

    def __init__(self, message: str = "") -> None:
        super().__init__(plain(message, _LONGEST))


class TransientError(RelayError):
    """Trying again can help, with nothing changed by an operator: network, overload, server faults."""


class OperatorError(RelayError):
    """Trying again helps only after somebody changed something: credentials, rights, names, settings."""


class SettingsError(OperatorError):
    """Settings that cannot be used: `problems`, one line each, all of them at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
