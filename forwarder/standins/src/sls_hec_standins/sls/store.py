"""What the stand-in holds: projects, their logstores, and the shards and consumer groups of those."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from sls_hec_standins.http.clock import Clock
from sls_hec_standins.sls import errors
from sls_hec_standins.sls.groups import Group, ShardFacts
from sls_hec_standins.sls.shards import KEY_SPACE, Shard

DAY = 86_400
FOR_EVER = 3650  # days; a ttl of this keeps logs without end (CreateLogstore page)

_PROJECT_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_LOGSTORE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]")


class Logstore:
    """Shards and consumer groups under one name.

    Not thread-safe: hold `lock` around every use, several uses included when they belong together.
    """

    def __init__(self, name: str, ttl: int, shards: int, clock: Clock, not_before: int = 0) -> None:
        """`ttl` in days. Raises `SlsError` if a value is out of its range.

        It counts as made at the Unix time `not_before` at the earliest.
        """
        if not _LOGSTORE_NAME.fullmatch(name):
            raise errors.logstore_info_invalid(f"store name {name} is invalid")
        if shards < 1:
            raise errors.logstore_info_invalid("shard count is invalid")
        self.name = name
        self.lock = threading.RLock()
        self._clock = clock
        now = max(clock.now(), not_before)
        self.created = self.modified = int(now)
        self.set_ttl(ttl)
        self.options: dict[str, Any] = {
            "enable_tracking": False,
            "autoSplit": False,
            "maxSplitShard": 64,
            "appendMeta": False,
        }
        self.groups: dict[str, Group] = {}
        self._turn = 0
        edges = [index * KEY_SPACE // shards for index in range(shards)] + [KEY_SPACE - 1]
        self.shards = {n: Shard(n, edges[n], edges[n + 1], now) for n in range(shards)}
        self._next_number = shards

    def set_ttl(self, days: int) -> None:
        if not 1 <= days <= FOR_EVER:
            raise errors.logstore_info_invalid(f"ttl {days} is invalid")
        self.ttl = days

    def check_group_quota(self, quota: int, status: int) -> None:
        """Raises `SlsError` if there is no room for one more consumer group."""
        if len(self.groups) >= quota:
            raise errors.group_quota_exceed(status, quota)

    def expire(self) -> int:
        """Forget what is older than the ttl; returns how many log groups."""
        if self.ttl >= FOR_EVER:
            return 0
        limit = self._clock.now() - self.ttl * DAY
        return sum(shard.expire_before(limit) for shard in self.shards.values())

    # Writing.

    def append(
        self,
        data: bytes,
        logs: int,
        *,
        shard: int | None = None,
        key: int | None = None,
        received: float | None = None,
    ) -> tuple[int, int]:
        """Store a LogGroup in shard `shard`, or that of hash key `key`, or the next one in turn.

        Returns the shard's number and the cursor. `received` is now unless given (Unix seconds). Raises
        `SlsError` if there is no such shard to write to.
        """
        target = self._target(shard, key)
        return target.number, target.append(data, logs, self._clock.now() if received is None else received)

    def _target(self, number: int | None, key: int | None) -> Shard:
        if number is not None:
            return self._writable(number)
        writable = [shard for shard in self.shards.values() if not shard.readonly]
        if not writable:
            raise errors.logstore_without_shard()
        if key is not None:
            return next(shard for shard in writable if shard.covers(key))
        self._turn += 1
        return writable[self._turn % len(writable)]

    # Shards.

    def split(self, number: int, key: int | None = None, count: int = 2) -> list[Shard]:
        """Split a readwrite shard at `key`, or into `count` equal parts: [old, new...].

        Raises `SlsError` (ParameterInvalid) if that is impossible.
        """
        old = self._writable(number)
        if key is None:
            edges = [old.begin + (old.end - old.begin) * part // count for part in range(count)]
        else:
            edges = [old.begin, key]
        edges.append(old.end)
        if any(low >= high for low, high in zip(edges, edges[1:])):
            raise errors.parameter_invalid("invalid mid hash.")
        old.readonly = True
        return [old, *(self._add(low, high, [old]) for low, high in zip(edges, edges[1:]))]

    def merge(self, number: int) -> list[Shard]:
        """Merge a readwrite shard with its readwrite right neighbour: [new, left, right]."""
        left = self._writable(number)
        right = next((s for s in self.shards.values() if s.begin == left.end and not s.readonly), None)
        if right is None:
            raise errors.parameter_invalid("can not merge the last shard.")
        left.readonly = right.readonly = True
        return [self._add(left.begin, right.end, [left, right]), left, right]

    def remove(self, number: int) -> None:
        """Forget a readonly shard for good, as happens when its last data expired."""
        shard = self.shards.get(number)
        if shard is None or not shard.readonly:
            raise errors.parameter_invalid("invalid shard id.")
        del self.shards[number]

    def _writable(self, number: int) -> Shard:
        shard = self.shards.get(number)
        if shard is None or shard.readonly:
            raise errors.parameter_invalid("invalid shard id.")
        return shard

    def _add(self, begin: int, end: int, parents: Iterable[Shard]) -> Shard:
        shard = Shard(self._next_number, begin, end, self._clock.now(), [p.number for p in parents])
        self.shards[shard.number] = shard
        self._next_number += 1
        return shard

    def facts(self) -> list[ShardFacts]:
        """The shards as consumer groups see them."""
        return [
            ShardFacts(shard.number, shard.parents, shard.readonly, shard.next)
            for shard in self.shards.values()
        ]


class Project:
    """Logstores and stored processors (name to SPL) under one name. `lock` guards both."""

    def __init__(
        self, name: str, description: str, clock: Clock, deleted: Mapping[str, int] | None = None
    ) -> None:
        """`deleted` are logstores of an earlier project of that name, and when they were made."""
        if not _PROJECT_NAME.fullmatch(name):
            raise errors.parameter_invalid(f"project name {name} is invalid")
        self.name = name
        self.description = description
        self.lock = threading.Lock()
        self.created = self.modified = int(clock.now())
        self.forbidden = False
        self.processors: dict[str, str] = {}
        self._clock = clock
        self._logstores: dict[str, Logstore] = {}
        self._deleted = dict(deleted or {})

    def create_logstore(self, name: str, *, ttl: int = 30, shards: int = 2) -> Logstore:
        """`ttl` in days. Raises `SlsError` if the name is taken or a value is wrong.

        Made again after it was deleted, it has a later creation time, a second at least, and other cursors.
        """
        with self.lock:
            not_before = self._deleted.get(name, -1) + 1
            made = Logstore(name, ttl, shards, self._clock, not_before)
            if name in self._logstores:
                raise errors.logstore_already_exist(name)
            self._logstores[name] = made
        return made

    def delete_logstore(self, name: str) -> None:
        with self.lock:
            gone = self._logstores.pop(name, None)
            if gone is None:
                raise errors.logstore_not_exist(name)
            self._deleted[name] = gone.created

    def ages(self) -> dict[str, int]:
        """When each logstore was made, deleted ones included."""
        with self.lock:
            return {**self._deleted, **{name: each.created for name, each in self._logstores.items()}}

    def logstore(self, name: str) -> Logstore:
        """The logstore, freed of what has expired."""
        with self.lock:
            found = self._logstores.get(name)
        if found is None:
            raise errors.logstore_not_exist(name)
        with found.lock:
            found.expire()
        return found

    def logstores(self) -> list[Logstore]:
        with self.lock:
            return sorted(self._logstores.values(), key=lambda logstore: logstore.name)


class Store:
    """All projects. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._projects: dict[str, Project] = {}
        self._deleted: dict[str, dict[str, int]] = {}  # project to logstores and when they were made

    def create_project(self, name: str, description: str = "") -> Project:
        with self._lock:
            made = Project(name, description, self.clock, self._deleted.get(name))
            if name in self._projects:
                raise errors.project_already_exist(name)
            self._projects[name] = made
        return made

    def delete_project(self, name: str) -> None:
        with self._lock:
            gone = self._projects.pop(name, None)
            if gone is None:
                raise errors.project_not_exist(name)
            self._deleted[name] = gone.ages()

    def project(self, name: str) -> Project:
        with self._lock:
            found = self._projects.get(name)
        if found is None:
            raise errors.project_not_exist(name)
        return found

    def projects(self) -> list[Project]:
        with self._lock:
            return sorted(self._projects.values(), key=lambda project: project.name)

    def logstore(self, project: str, logstore: str) -> Logstore:
        return self.project(project).logstore(logstore)
