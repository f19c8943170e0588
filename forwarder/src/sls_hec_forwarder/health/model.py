"""Health, computed once for the status line, /healthz, the metrics, `health` and the log."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Callable

from sls_hec_forwarder.health.assess import ASSESSED, assess
from sls_hec_forwarder.health.catalogue import Severity
from sls_hec_forwarder.health.conditions import Condition, Conditions
from sls_hec_forwarder.health.facts import Facts, ShardFacts
from sls_hec_forwarder.times import iso

OK = "ok"


@dataclass(frozen=True)
class Lag:
    """The worst known lag (seconds) of all shards, and the number of shards whose lag is unknown."""

    worst: float | None
    unknown: int

    @classmethod
    def of(cls, lags: Iterable[float | None]) -> Lag:
        all_lags = list(lags)
        known = [lag for lag in all_lags if lag is not None]
        return cls(max(known, default=None), len(all_lags) - len(known))

    def __str__(self) -> str:
        if self.worst is None:
            return "lag unknown" if self.unknown else "no lag to measure"
        unknown = f" (unknown for {self.unknown})" if self.unknown else ""
        return f"lag {self.worst:.0f} s{unknown}"


class Health:
    """`facts` measures; `update` is called about once a second and before every report. Thread-safe."""

    def __init__(self, conditions: Conditions, facts: Callable[[], Facts]) -> None:
        self.conditions = conditions
        self._measure = facts
        self._facts = Facts()
        self._assessed: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def update(self) -> Facts:
        """Measure, begin and end conditions accordingly, and return the facts."""
        with self._lock:
            self._facts = facts = self._measure()
            found = {(each.name, each.subject): each.text for each in assess(facts)}
            for name, subject in self._assessed - found.keys():
                self.conditions.end(name, subject)
            for (name, subject), text in found.items():
                assert name in ASSESSED
                self.conditions.measured(name, subject, text)
            self._assessed = set(found)
            self.conditions.tick()
            return facts

    @property
    def ready(self) -> bool:
        """A member of the group without a critical condition."""
        return self._facts.joined and not any(
            each.severity is Severity.CRITICAL for each in self.conditions.standing()
        )

    def report(self) -> dict[str, Any]:
        """Everything as plain JSON, times in ISO 8601 UTC."""
        facts = self.update()
        standing = self.conditions.standing()
        lag = Lag.of(shard.lag for shard in facts.shards)
        return {
            "status": worst(standing),
            "ready": self.ready,
            "joined": facts.joined,
            "heartbeat_age_seconds": facts.heartbeat_age,
            "conditions": [condition_fields(each) for each in standing],
            "shards": {
                "owned": len(facts.shards),
                "unowned": list(facts.unowned),
                "worst_lag_seconds": lag.worst,
                "lag_unknown": lag.unknown,
                "held": [_shard_fields(each) for each in facts.shards],
            },
            "dead_letters": {
                "begun": self.conditions.total("dead_letters"),
                "rerouted": self.conditions.total("events_rerouted"),
                "discarded": self.conditions.total("events_discarded"),
            },
        }

    def line(self) -> str:
        """One line for `systemctl status`; call `update` first."""
        facts, standing = self._facts, self.conditions.standing()
        text = f"{len(facts.shards)} shards, {Lag.of(shard.lag for shard in facts.shards)}"
        if not facts.joined:
            text = "not a member of the consumer group yet"
        if not standing:
            return text
        more = f" (and {len(standing) - 1} more)" if len(standing) > 1 else ""
        return f"{text}; {standing[0].severity.value.upper()} {standing[0]}{more}"


def worst(standing: Iterable[Condition]) -> str:
    """ "ok", "warning" or "critical"."""
    severities = {each.severity for each in standing}
    for severity in (Severity.CRITICAL, Severity.WARNING):
        if severity in severities:
            return str(severity.value)
    return OK


def condition_fields(condition: Condition) -> dict[str, Any]:
    """A condition as plain JSON."""
    return {
        "name": condition.name,
        "subject": condition.subject,
        "severity": condition.severity.value,
        "since": iso(condition.since),
        "count": condition.count,
        "text": condition.text,
        "does": condition.does,
        "todo": condition.todo,
    }


def _shard_fields(shard: ShardFacts) -> dict[str, Any]:
    return {
        "shard": shard.shard,
        "phase": shard.phase,
        "lag_seconds": shard.lag,
        "oldest_undelivered_seconds": shard.oldest_undelivered,
        "last_pull_seconds": shard.last_pull,
        "last_delivery_seconds": shard.last_delivery,
        "last_checkpoint_seconds": shard.last_checkpoint,
    }
