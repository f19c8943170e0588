"""Events of the HEC side that metrics count. The methods here do nothing; metrics override them."""

from __future__ import annotations


class HecObserver:
    """Called from many threads. `endpoint` is the collector's URL; `raw` and `wire` are bytes."""

    def sent(
        self, endpoint: str, status: int, code: int | None, events: int, raw: int, wire: int, seconds: float
    ) -> None:
        """One request has ended, perhaps without delivering anything; status 0: no answer."""

    def delivered(self, endpoint: str, events: int, raw: int) -> None:
        """Events are delivered; checkpoints may pass them."""

    def retried(self, endpoint: str, events: int, possible_duplicates: int) -> None:
        """Events will be sent again; `possible_duplicates` of them may have arrived already."""

    def acknowledged(self, endpoint: str, events: int, seconds: float) -> None:
        """Events are indexed, `seconds` after they were accepted."""

    def unacknowledged(self, endpoint: str, events: int) -> None:
        """Accepted events will be sent again because no acknowledgement came or can come."""

    def rerouted(self) -> None:
        """An event goes to the fallback index because its own was refused."""

    def dead_lettered(self, reason: str, code: int | None) -> None:
        """An event was refused for good and is in the spool."""

    def discarded(self, reason: str) -> None:
        """An event was refused for good, could not be saved, and is LOST, as the settings ask."""

    def dropped(self, events: int) -> None:
        """Events of a revoked shard were dropped: its new owner sends them."""

    def held(self, endpoint: str, holding: bool) -> None:
        """The endpoint began or stopped waiting for an operator."""
