"""Events of the SLS side that metrics count. The methods here do nothing; metrics override them."""

from __future__ import annotations

from dataclasses import dataclass

from sls_hec_forwarder.times import iso


@dataclass(frozen=True)
class Lost:
    """Logs that expired before they were read; None: not known. Times are unix seconds."""

    cursor: str
    groups: int | None
    since: float | None
    until: float | None

    def __str__(self) -> str:
        groups = "an unknown number of log groups" if self.groups is None else f"{self.groups} log groups"
        return f"{groups} received from {_when(self.since)} to {_when(self.until)}"


def _when(moment: float | None) -> str:
    return "an unknown time" if moment is None else iso(moment)


class SlsObserver:
    """Called from many threads on the hot path: overrides must be quick and must not raise."""

    def lease_started(self, shard: int) -> None:
        """Reading of a shard begins."""

    def lease_ended(self, shard: int, reason: str) -> None:
        """Reading of a shard has ended: `reason` is "released", "revoked" or "failed"."""

    def pulled(self, shard: int, wire_bytes: int, raw_bytes: int, groups: int) -> None:
        """One pull was answered; `wire_bytes` before, `raw_bytes` after decompression."""

    def encoded(self, shard: int, events: int, encoded_bytes: int, repaired: int) -> None:
        """A pull was encoded into events; `repaired` of their texts were not valid UTF-8."""

    def filtered(self, topic: str, logs: int) -> None:
        """The topic filter left out so many logs."""

    def expired(self, shard: int, lost: Lost) -> None:
        """Logs expired before they were read."""

    def checkpoint_saved(self, shard: int) -> None:
        """A checkpoint was saved."""

    def failed(self, what: str, kind: str) -> None:
        """A call failed: `what` is "heartbeat", "pull", "checkpoint", "start" or "watch"."""
