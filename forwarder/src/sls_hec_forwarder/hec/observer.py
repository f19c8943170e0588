"""What the outside may want to count. The methods do nothing here; metrics override them."""

from __future__ import annotations


class HecObserver:
    """Called from many threads. `endpoint` is the collector's URL; `raw` and `wire` are bytes."""

    def sent(
        self, endpoint: str, status: int, code: int | None, events: int, raw: int, wire: int, seconds: float
    ) -> None:
        """One request has ended; status 0: without an answer. It may not have delivered anything."""

    def delivered(self, endpoint: str, events: int, raw: int) -> None:
        """Events are at their destination; checkpoints may pass them."""

    def retried(self, endpoint: str, events: int, possible_duplicates: int) -> None:
        """Events will be sent again; of these some may be there already."""

    def acknowledged(self, endpoint: str, events: int, seconds: float) -> None:
        """Events are indexed, so many seconds after they were accepted."""

    def unacknowledged(self, endpoint: str, events: int) -> None:
        """Accepted events whose acknowledgement did not come or cannot come; they are sent again."""

    def rerouted(self) -> None:
        """An event goes to the fallback index, its own was refused."""

    def dead_lettered(self, reason: str, code: int | None) -> None:
        """An event was refused for good and is in the spool."""

    def discarded(self, reason: str) -> None:
        """An event was refused for good and could not be saved, and is LOST, as the settings want it."""

    def dropped(self, events: int) -> None:
        """Events of a revoked shard were forgotten: its new owner sends them."""

    def held(self, endpoint: str, holding: bool) -> None:
        """The endpoint began, or ceased, to need an operator."""
