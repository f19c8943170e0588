"""The active conditions. All trouble is reported here, and their log lines are written here."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Callable

from sls_hec_forwarder.health.catalogue import CATALOGUE, ConditionKind, Severity
from sls_hec_forwarder.untrusted import plain

_LEVELS = {Severity.WARNING: logging.WARNING, Severity.CRITICAL: logging.ERROR}
_PACKAGE = "sls_hec_forwarder"


@dataclass(frozen=True)
class Condition:
    """One active condition. `since`: unix seconds; `count`: how often it occurred."""

    name: str
    subject: str
    severity: Severity
    since: float
    count: int
    text: str
    does: str
    todo: str

    def __str__(self) -> str:
        return f"{self.name} {self.subject}: {self.text}" if self.subject else f"{self.name}: {self.text}"


@dataclass
class _Standing:
    kind: ConditionKind
    text: str
    todo: str
    begun: float  # on the monotonic clock
    since: float  # unix seconds
    latest: float
    count: int = 0
    causes: set[str] = field(default_factory=set)
    next_line: int = 10
    escalated: bool = False

    def severity(self, now: float) -> Severity:
        kind = self.kind
        lasting = kind.critical_after is not None and now - self.begun >= kind.critical_after
        often = kind.critical_count is not None and self.count >= kind.critical_count
        return Severity.CRITICAL if lasting or often else kind.severity


class Conditions:
    """`subject` distinguishes conditions of one name, such as "https://idx1:8088" or "shard 3".

    Logged are: the begin, each further `cause` once, the 10th, 100th... occurrence, when a warning becomes
    critical, and the end. Call `tick` about once a second. Thread-safe.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._lock = threading.Lock()
        self._standing: dict[tuple[str, str], _Standing] = {}
        self._totals: dict[str, int] = {}

    def begin(self, name: str, subject: str, text: str, *, todo: str = "", cause: str = "") -> None:
        """Begin the condition, or count it once more if it is active. `todo` replaces the catalogue's."""
        self._note(name, subject, text, todo, cause, 1)

    def occurred(self, name: str, subject: str, text: str, *, count: int = 1, todo: str = "") -> None:
        """Count `count` occurrences; the condition ends when there are none for `quiet` seconds."""
        assert CATALOGUE[name].quiet is not None
        self._note(name, subject, text, todo, "", count)

    def measured(self, name: str, subject: str, text: str) -> None:
        """As `begin`, for conditions that are measured regularly: repeating it does not count."""
        self._note(name, subject, text, "", "", int(not self.is_active(name, subject)))

    def end(self, name: str, subject: str, text: str = "") -> None:
        """End the condition if it is active. `text` replaces the catalogue's words in the log line."""
        if not self.is_active(name, subject):  # the usual case, on the hot path
            return
        with self._lock:
            known = self._standing.pop((name, subject), None)
        if known is not None:
            self._log_end(subject, known, text)

    def tick(self) -> None:
        """End conditions that were quiet long enough, and log warnings that became critical."""
        now = self._clock()
        ended, escalated = [], []
        with self._lock:
            for key, known in list(self._standing.items()):
                quiet = known.kind.quiet
                if quiet is not None and now - known.latest >= quiet:
                    del self._standing[key]
                    ended.append((key[1], known))
                elif (
                    not known.escalated
                    and known.kind.severity is Severity.WARNING
                    and known.severity(now) is Severity.CRITICAL
                ):
                    known.escalated = True
                    escalated.append((key[1], known))
        for subject, known in ended:
            self._log_end(subject, known, "")
        for subject, known in escalated:
            text = f"critical now, for {now - known.begun:.0f} s ({known.count} times): {known.text}"
            self._log(logging.ERROR, subject, known.kind, f"{text}; {known.kind.does}; {known.todo}")

    def standing(self) -> list[Condition]:
        """The active conditions: the critical ones first, then by age."""
        now = self._clock()
        with self._lock:
            found = [
                Condition(
                    name=name,
                    subject=subject,
                    severity=known.severity(now),
                    since=known.since,
                    count=known.count,
                    text=known.text,
                    does=known.kind.does,
                    todo=known.todo,
                )
                for (name, subject), known in self._standing.items()
            ]
        return sorted(found, key=lambda each: (each.severity is not Severity.CRITICAL, each.since))

    def is_active(self, name: str, subject: str) -> bool:
        return (name, subject) in self._standing

    def total(self, name: str) -> int:
        """How often it began or occurred since the process started, over all subjects."""
        with self._lock:
            return self._totals.get(name, 0)

    def _note(self, name: str, subject: str, text: str, todo: str, cause: str, count: int) -> None:
        kind = CATALOGUE[name]
        text, todo = plain(text, _LONGEST), plain(todo, _LONGEST)
        now = self._clock()
        with self._lock:
            self._totals[name] = self._totals.get(name, 0) + count
            known = self._standing.get((name, subject))
            new = known is None
            if known is None:
                known = _Standing(kind, text, todo or kind.todo, now, self._wall(), now)
                self._standing[name, subject] = known
            known.text, known.todo, known.latest = text, todo or kind.todo, now
            known.count += count
            logged = new or cause not in known.causes
            # Causes come from outside and may be many: only the first ones are logged.
            if len(known.causes) < 16:
                known.causes.add(cause)
            elif not new:
                logged = False
            tenfold = kind.quiet is not None and known.count >= known.next_line
            while known.count >= known.next_line:
                known.next_line *= 10
            total, severity = known.count, known.severity(now)
            if severity is Severity.CRITICAL:
                known.escalated = True
        if logged or tenfold:
            so_far = "" if new else f"{total} so far: " if kind.quiet is not None else ""
            self._log(_LEVELS[severity], subject, kind, f"{so_far}{text}; {kind.does}; {known.todo}")

    def _log_end(self, subject: str, known: _Standing, text: str) -> None:
        lasted = self._clock() - known.begun
        over = text or known.kind.over
        self._log(logging.INFO, subject, known.kind, f"{over}, after {lasted:.0f} s ({known.count} times)")

    @staticmethod
    def _log(level: int, subject: str, kind: ConditionKind, text: str) -> None:
        logger = logging.getLogger(f"{_PACKAGE}.{kind.area}")
        logger.log(level, "%s%s [%s]", f"{subject}: " if subject else "", text, kind.name)


#: Longest text (characters) of a condition; longer texts from servers are cut.
_LONGEST = 1000
