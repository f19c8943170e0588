"""One owner of a batch from the moment it is taken until it is settled, whatever goes wrong between."""

from __future__ import annotations

from collections.abc import Iterable

from sls_hec_forwarder.delivery.batcher import Batch
from sls_hec_forwarder.delivery.outbox import Outbox


class Custody:
    """The batches that one thread has taken out of the outbox and not settled yet.

    An error in between leaves them here, and the thread puts them back before it does anything else: once,
    because whatever is settled has left. Used by one thread.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._mine: list[Batch] = []

    def take(self, timeout: float) -> Batch | None:
        batch = self._outbox.take(timeout)
        if batch is not None:
            self._mine.append(batch)
        return batch

    def left(self) -> list[Batch]:
        """What an error has left here."""
        return list(self._mine)

    def adopt(self, batches: Iterable[Batch]) -> None:
        """These are to be settled by this thread, too."""
        self._mine += batches

    def divide(self, batch: Batch, parts: Iterable[Batch]) -> None:
        """`batch` was taken apart; it may be one of its parts itself."""
        parts = list(parts)
        self._mine = [each for each in self._mine if each is not batch] + parts

    def release(self, batch: Batch) -> None:
        """Somebody else owns it now."""
        self._mine.remove(batch)

    def keep(self, batch: Batch) -> None:
        """It is accepted and not acknowledged; still here."""
        self._outbox.keep(batch)

    def put_back(self, batch: Batch, delay: float) -> None:
        """To be taken again, by any thread, in `delay` seconds at the earliest."""
        self._outbox.put_back(batch, delay)
        self._mine.remove(batch)

    def delivered(self, batch: Batch) -> None:
        self._mine.remove(batch)
        self._outbox.delivered(batch)

    def dropped(self, batch: Batch) -> None:
        self._mine.remove(batch)
        self._outbox.dropped(batch)
