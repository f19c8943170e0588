"""Loading generated groups, at once or at a rate, into a logstore of this process or through PutLogs.

At once into a `Logstore`, and over HTTP at 2000 logs a second until the block ends::

    load(Generator(seed=1).groups(logs=100_000), into(logstore))

    groups = Generator(seed=2, clock=time.time_ns).groups()
    with PutLogs("http://sls.test", "project", "logstore", key_id, secret, proxy=standin.url) as client:
        with LoadThread(groups, client.put, logs_per_second=2000) as loading:
            ...
    loading.totals
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable
from typing import Callable, Optional

from . import wire
from .store import Logstore
from .truth import Totals

# Takes one LogGroup, and the hash key (32 hex digits) that says which shard gets it; None: any shard.
Put = Callable[[bytes, Optional[str]], None]

_STOP_TIMEOUT = 60.0


class Pace:
    """Computes when the next amount may be sent, so that `rate` per second are sent.

    What could not be done in time is made up for, but only the last `patience` seconds of it: after a long
    halt there is no flood. Times are seconds of any clock that does not go back.
    """

    def __init__(self, rate: float, now: float, patience: float = 1.0) -> None:
        if not rate > 0:
            raise ValueError(f"a rate is above 0, not {rate}")
        self._rate = rate
        self._patience = patience
        self._due = now

    def wait(self, now: float) -> float:
        """Seconds until the next may go, 0 if it may now."""
        return max(0.0, self._due - now)

    def spend(self, amount: float, now: float) -> None:
        self._due = max(self._due, now - self._patience) + amount / self._rate


def into(logstore: Logstore, *, shard: int | None = None, received: Callable[[], float] | None = None) -> Put:
    """A `Put` that stores in a logstore of this process.

    Groups go to `shard` if given, else to that of their hash key, else to the shards in turn. `received`
    tells the receive time of each (Unix seconds); it is now without.
    """

    def put(group: bytes, key: str | None) -> None:
        logs = wire.count_logs(group)
        at = None if received is None else received()
        with logstore.lock:
            logstore.append(group, logs, shard=shard, key=None if key is None else int(key, 16), received=at)

    return put


def load(
    groups: Iterable[bytes],
    put: Put,
    *,
    by_key: bool = False,
    logs_per_second: float | None = None,
    bytes_per_second: float | None = None,
    stop: threading.Event | None = None,
    progress: Callable[[Totals], None] | None = None,
) -> Totals:
    """Put groups until there are no more or `stop` is set; returns, and tells `progress`, what was put.

    Group after group goes to the next shard, or to one chosen by hash key (`by_key`). Both rates may be
    given. Raises what `groups` and `put` raise.
    """
    stop = threading.Event() if stop is None else stop
    start = time.monotonic()
    log_pace = None if logs_per_second is None else Pace(logs_per_second, start)
    byte_pace = None if bytes_per_second is None else Pace(bytes_per_second, start)
    totals = Totals(0, 0, 0)
    for group in groups:
        # Not secret, only spread evenly: this is the hash the service cuts its shards by.
        put(group, hashlib.md5(b"%d" % totals.groups).hexdigest() if by_key else None)  # noqa: S324
        logs = wire.count_logs(group)
        totals = Totals(totals.groups + 1, totals.logs + logs, totals.bytes + len(group))
        if progress is not None:
            progress(totals)
        now = time.monotonic()
        pause = 0.0
        for pace, amount in ((log_pace, logs), (byte_pace, len(group))):
            if pace is not None:
                pace.spend(amount, now)
                pause = max(pause, pace.wait(now))
        if stop.wait(pause) if pause else stop.is_set():
            break
    return totals


class LoadThread:
    """`load` in a thread, from `start` (or entering the context) to the end of the groups or `stop`."""

    def __init__(
        self,
        groups: Iterable[bytes],
        put: Put,
        *,
        by_key: bool = False,
        logs_per_second: float | None = None,
        bytes_per_second: float | None = None,
    ) -> None:
        self.totals = Totals(0, 0, 0)
        self.error: Exception | None = None
        self._stop = threading.Event()

        def run() -> None:
            try:
                load(
                    groups,
                    put,
                    by_key=by_key,
                    logs_per_second=logs_per_second,
                    bytes_per_second=bytes_per_second,
                    stop=self._stop,
                    progress=self._progress,
                )
            except Exception as error:  # noqa: BLE001  # kept for stop(), which raises it where it is expected
                self.error = error

        self._thread = threading.Thread(target=run, name="load", daemon=True)

    def start(self) -> LoadThread:
        self._thread.start()
        return self

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the end of the load; False if it still runs."""
        self._thread.join(timeout)
        return not self.running

    def stop(self) -> Totals:
        """End the load after the current group; returns what was put, or raises what ended the load."""
        self._stop.set()
        if not self.wait(_STOP_TIMEOUT):
            raise RuntimeError(f"the load did not stop within {_STOP_TIMEOUT} seconds")
        if self.error is not None:
            raise self.error
        return self.totals

    def __enter__(self) -> LoadThread:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _progress(self, totals: Totals) -> None:
        self.totals = totals
