"""What was indexed: counts and identities of everything, and all events or the newest of them."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Union

from sls_hec_standins.hec.envelopes import IDENTITY_FIELD, TEST_FIELD, Event, Refused
from sls_hec_standins.hec.jsontext import Node, members, scalars
from sls_hec_standins.hec.reader import Number

_REFUSED = 100_000  # refused events that are remembered


class Trace(NamedTuple):
    """What is kept of an identified event that is no longer held itself. `size` is that of its envelope."""

    received: float
    time: str
    content: Node
    size: int


Copy = Union[Event, Trace]


class Store:
    """Thread-safe. Holds all events, or with `keep` the newest that many.

    The identity of an event is its source and its indexed field "sls_id". Counts and identities are
    complete whatever `keep` is; of an event that had to go, a digest of its content stays. Of events that
    were refused one by one the identities are kept, so that it can be told why they are missing.
    """

    def __init__(self, keep: int | None = None) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._events: deque[Event] = deque()
        self._seen: dict[tuple[str, str], list[Copy]] = {}
        self._names: dict[str, str] = {}
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._refused: OrderedDict[tuple[str, str], int] = OrderedDict()
        self.total = 0
        self.bytes = 0
        self.skipped = 0
        self.unidentified = 0
        self.duplicates = 0

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._clear()

    def add(self, events: Iterable[Event], *, size: int = 0, skipped: int = 0) -> None:
        """Index `events`, which came in `size` bytes with `skipped` objects that are no events."""
        with self._lock:
            self.bytes += size
            self.skipped += skipped
            for event in events:
                self.total += 1
                self._counts[event.index, event.sourcetype, event.source] += 1
                self._remember(event)
                self._events.append(event)
                if self._keep is not None and len(self._events) > self._keep:
                    self._forget(self._events.popleft())

    def refuse(self, event: Refused) -> None:
        """Record that a single event was refused."""
        with self._lock:
            self._refused[event.source, event.sls_id] = event.code
            if len(self._refused) > _REFUSED:
                self._refused.popitem(last=False)

    def refused(self) -> dict[tuple[str, str], int]:
        """The (source, sls_id) of the events refused one by one, the newest of them, and HEC's last code."""
        with self._lock:
            return dict(self._refused)

    def count(self, events: int, *, size: int) -> None:
        """Count events that are not parsed."""
        with self._lock:
            self.total += events
            self.bytes += size

    def counts(self) -> dict[tuple[str, str, str], int]:
        """Events by (index, sourcetype, source)."""
        with self._lock:
            return dict(self._counts)

    def events(self) -> list[Event]:
        """The events held, oldest first."""
        with self._lock:
            return list(self._events)

    def newest(self, limit: int = 50) -> list[Event]:
        """The newest events, newest first."""
        with self._lock:
            return [self._events[-n] for n in range(1, min(limit, len(self._events)) + 1)]

    def find(self, limit: int = 100, wanted: Mapping[str, str] | None = None) -> list[Event]:
        """The newest held events that match, newest first.

        A name in `wanted` is index, sourcetype, source or host, else an indexed field, else a top-level
        key of the event; values are compared as text.
        """
        found: list[Event] = []
        for event in reversed(self.events()):
            if len(found) >= limit:
                break
            if all(value in _values(event, name) for name, value in (wanted or {}).items()):
                found.append(event)
        return found

    def identities(self) -> dict[tuple[str, str], int]:
        """Number of indexed copies of each (source, sls_id)."""
        with self._lock:
            return {identity: len(copies) for identity, copies in self._seen.items()}

    def copies(self, source: str, sls_id: str) -> list[Copy]:
        """All indexed copies of one event, in the order they came."""
        with self._lock:
            return list(self._seen.get((source, sls_id), ()))

    def summary(self) -> dict[str, int]:
        with self._lock:
            return {
                "events": self.total,
                "bytes": self.bytes,
                "skipped": self.skipped,
                "identities": len(self._seen),
                "duplicates": self.duplicates,
                "unidentified": self.unidentified,
                "held": len(self._events),
            }

    def _remember(self, event: Event) -> None:
        identity = self._identity(event)
        if identity is None:
            # A relay's check marks its test events so that searches can leave them out.
            self.unidentified += event.fields.get(TEST_FIELD) != "true"
            return
        copies = self._seen.get(identity)
        if copies is None:
            self._seen[identity] = [event]
        else:
            copies.append(event)
            self.duplicates += 1

    def _forget(self, event: Event) -> None:
        identity = self._identity(event)
        if identity is None:
            return
        copies = self._seen[identity]
        position = next(n for n, copy in enumerate(copies) if copy is event)
        copies[position] = Trace(event.received, event.time, event.content, len(event.envelope))

    def _identity(self, event: Event) -> tuple[str, str] | None:
        sls_id = event.fields.get(IDENTITY_FIELD)
        if not isinstance(sls_id, str):
            return None
        # One object for each source name instead of one for each event.
        return self._names.setdefault(event.source, event.source), sls_id


def _values(event: Event, name: str) -> Iterator[str]:
    if name in ("index", "sourcetype", "source", "host"):
        yield getattr(event, name)
        return
    if name in event.fields:
        value = event.fields[name]
        yield from map(_shown, value if isinstance(value, list) else [value])
    text = event.member("event")
    if text.startswith("{"):
        for member, value_text, _ in members(text):
            if member == name:
                yield from scalars(value_text)


def _shown(value: Any) -> str:
    if isinstance(value, Number):
        return value.text
    return str(value).lower() if isinstance(value, bool) else str(value)
