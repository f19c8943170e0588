"""Keeps exactly one owner for a batch from when it is taken until it is settled, even after errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sls_hec_forwarder.delivery.batcher import Batch
from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.hec.send.isolate import Share


class Custody:
    """The batches that one thread has taken out of the outbox and not settled yet.

    After an error they are still here, and the thread puts them back before it does anything else. None is
    put back twice, because settled ones have left. Used by one thread.
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
        """The batches that an error left here."""
        return list(self._mine)

    def adopt(self, batches: Iterable[Batch]) -> None:
        """Make this thread responsible for these batches too."""
        self._mine += batches

    def divide(self, batch: Batch, shares: Sequence[Share]) -> list[Batch]:
        """Split `batch` into one batch for each share. The shares must cover it without overlapping.

        Every event stays in custody all the time, even if this raises.
        """
        owners = sorted((*span, number) for number, share in enumerate(shares) for span in share.spans)
        parts: dict[int, Batch] = {}
        at, end, rest = 0, batch.events, batch
        for start, stop, number in owners:
            if start != at or start >= stop or stop > end:
                raise ValueError(f"{end} events cannot be divided into {shares}")
            part, at = rest, stop
            if stop < end:
                rest = part.cut(stop - start)
                self._mine.append(rest)
            if number in parts:
                parts[number].pieces = parts[number].pieces + part.pieces
                self._mine.remove(part)
            else:
                parts[number] = part
        if at != end or len(parts) != len(shares):
            raise ValueError(f"{end} events cannot be divided into {shares}")
        return [parts[number] for number in range(len(shares))]

    def release(self, batch: Batch) -> None:
        """Hand it over: this thread is no longer its owner."""
        self._mine.remove(batch)

    def keep(self, batch: Batch) -> None:
        """It is accepted but not acknowledged; it stays in custody."""
        self._outbox.keep(batch)

    def put_back(self, batch: Batch, delay: float) -> None:
        """Let any thread take it again, at the earliest in `delay` seconds."""
        self._outbox.put_back(batch, delay)
        self._mine.remove(batch)

    def delivered(self, batch: Batch) -> None:
        self._mine.remove(batch)
        self._outbox.delivered(batch)

    def dropped(self, batch: Batch) -> None:
        self._mine.remove(batch)
        self._outbox.dropped(batch)
