"""A shard's events, an outbox and a running sender around a HEC stand-in, and what they saw."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Callable

from sls_hec_forwarder.delivery.lease import Fence, Lease
from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.health.catalogue import ConditionKind
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.hec.observer import HecObserver
from sls_hec_forwarder.hec.send.sender import Sender
from sls_hec_forwarder.settings.model import HecSettings
from sls_hec_standins.hec import DEMO_TOKEN, HecStandin

SOURCE = "sls:project/store"
LONG = 120.0  # bounds waits that end much sooner when all is well


class Said(Conditions):
    """The conditions of one rig; `begun` and `ended` are the lines that the log has of them."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[str] = []
        self.ended: list[str] = []

    def _log(self, level: int, subject: str, kind: ConditionKind, text: str) -> None:  # type: ignore[override]
        lines = self.begun if level >= logging.WARNING else self.ended
        lines.append(f"{kind.name} {subject}: {text}")

    @property
    def open(self) -> list[str]:
        return [f"{each.name} {each.subject}" for each in self.standing()]


class Counts(HecObserver):
    """Counts what an observer is told."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[int, int | None]] = Counter()
        self.by_endpoint: Counter[str] = Counter()
        self.totals: Counter[str] = Counter()
        self.dead: Counter[tuple[str, int | None]] = Counter()
        self.holds: list[bool] = []
        self.largest_request = 0
        self._lock = threading.Lock()

    def sent(
        self, endpoint: str, status: int, code: int | None, events: int, raw: int, wire: int, seconds: float
    ) -> None:
        assert events > 0
        assert raw > 0
        assert wire > 0 or not status  # nothing is sent where there is no connection
        assert seconds >= 0
        with self._lock:
            self.answers[status, code] += 1
            self.totals["wire"] += wire
            self.totals["raw"] += raw
            self.largest_request = max(self.largest_request, raw)

    def delivered(self, endpoint: str, events: int, raw: int) -> None:
        with self._lock:
            self.totals["delivered"] += events
            self.by_endpoint[endpoint] += events

    def retried(self, endpoint: str, events: int, possible_duplicates: int) -> None:
        with self._lock:
            self.totals["retried"] += events
            self.totals["possible duplicates"] += possible_duplicates

    def acknowledged(self, endpoint: str, events: int, seconds: float) -> None:
        assert seconds >= 0
        with self._lock:
            self.totals["acknowledged"] += events

    def unacknowledged(self, endpoint: str, events: int) -> None:
        with self._lock:
            self.totals["unacknowledged"] += events

    def rerouted(self) -> None:
        with self._lock:
            self.totals["rerouted"] += 1

    def dead_lettered(self, reason: str, code: int | None) -> None:
        with self._lock:
            self.dead[reason, code] += 1

    def discarded(self, reason: str) -> None:
        with self._lock:
            self.totals["discarded"] += 1

    def dropped(self, events: int) -> None:
        with self._lock:
            self.totals["dropped"] += events

    def held(self, endpoint: str, holding: bool) -> None:
        with self._lock:
            self.holds.append(holding)


def envelope(name: str, **more: Any) -> bytes:
    """One event with an identity."""
    whole = {"source": SOURCE, "event": {"name": name}, "fields": {"sls_id": name}, **more}
    return json.dumps(whole, separators=(",", ":")).encode()


class Rig:
    """Events go in by `feed`; `settled` says when all of them are delivered."""

    def __init__(self, *urls: str, **more: Any) -> None:
        options: dict[str, Any] = {
            "token": DEMO_TOKEN,
            "endpoints": urls,
            "timeout": 20.0,
            "connections": 3,
            "retry_max_delay": 0.4,
            "batch_bytes": 1500,
            "batch_age": 0.01,
        }
        outside = {name: more.pop(name, None) for name in ("read_token", "spool", "drop_unsaved")}
        max_bytes: int = more.pop("max_bytes", 10_000_000)
        self.settings = HecSettings(**{**options, **more})
        self.fence = Fence(3600)
        self.leases: list[Lease] = []
        self.said = Said()
        self.counts = Counts()
        self.fed: list[str] = []
        self.ends: dict[int, str] = {}
        self._cursors = itertools.count()
        self.outbox = Outbox(
            max_bytes=max_bytes, batch_bytes=self.settings.batch_bytes, batch_age=self.settings.batch_age
        )
        self.sender = Sender(
            self.settings,
            self.outbox,
            conditions=self.said,
            observer=self.counts,
            **{name: value for name, value in outside.items() if value is not None},
            rng=random.Random(7),
        )
        self.lease = self.assign()

    def assign(self) -> Lease:
        self.leases.append(Lease(len(self.leases), "start", self.fence))
        return self.leases[-1]

    def feed(self, events: int, *, lease: Lease | None = None, per_chunk: int = 10, **more: Any) -> list[str]:
        """Events as pulls of one chunk each; their names."""
        owner = lease or self.lease
        first = len(self.fed)
        names = [f"{owner.shard}|{number}" for number in range(first, first + events)]
        self.fed += names
        for at in range(0, events, per_chunk):
            lines = [envelope(name, **more) for name in names[at : at + per_chunk]]
            self.put(lines, owner)
        return names

    def put(self, lines: list[bytes], lease: Lease | None = None) -> None:
        owner = lease or self.lease
        self.ends[owner.shard] = f"c{next(self._cursors)}"
        pull = owner.begin(self.ends[owner.shard], 1, time.monotonic())
        assert self.outbox.put(pull, b"\n".join(lines), len(lines), LONG)

    def settled(self, timeout: float = LONG) -> bool:
        return all(lease.wait_settled(timeout) for lease in self.leases)


@contextlib.contextmanager
def running(*urls: str, **more: Any) -> Iterator[Rig]:
    """A rig whose sender runs; checks that all its threads end and nothing is left over."""
    rig = Rig(*urls, **more)
    before = set(threading.enumerate())
    rig.sender.start()
    try:
        yield rig
    finally:
        rig.outbox.close()
        assert rig.sender.stop(LONG)
        mine = [t for t in set(threading.enumerate()) - before if t.name.startswith("hec-")]
        assert mine == []


def indexed(hec: HecStandin) -> Counter[str]:
    """How often each identity was indexed."""
    return Counter({name: count for (_, name), count in hec.store.identities().items()})


def wait_until(condition: Callable[[], object], timeout: float = LONG) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.01)
