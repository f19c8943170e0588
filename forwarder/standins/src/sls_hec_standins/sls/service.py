"""What the calls share, and the form of one call and of its answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, NamedTuple

from sls_hec_standins.http import NUMBER, Clock, Faults, ParamTypes, Request, Response
from sls_hec_standins.sls import errors
from sls_hec_standins.sls.auth import Key, Keys
from sls_hec_standins.sls.pulls import PullCache
from sls_hec_standins.sls.shards import StoredGroup
from sls_hec_standins.sls.store import Logstore, Project, Store
from sls_hec_standins.sls.switches import Switches
from sls_hec_standins.sls.truth import Row, Totals, rows, totals

# Faults of this service, beside those of every server.
FAULT_KINDS: Mapping[str, ParamTypes] = {
    # The heartbeat does not reach the group. `answer`: "error" (500), or "ok" as if it had.
    "heartbeat_lost": {"answer": str},
    # A heartbeat finds every held shard on its way to another consumer.
    "rebalance": {},
    # The group has dropped the consumer that sends this heartbeat.
    "kick": {},
    # A pull is refused for the shard's quota: `what` is "qps" or "bytes".
    "read_quota": {"what": str},
    # A pull of log groups whose counts do not agree: the last `drop` groups (all) are not in the body, or
    # `count` is announced, whatever there is. The next cursor is that of an honest answer.
    "miscount": {"drop": int, "count": int},
    # The clock of the service is wrong by `ahead` seconds for this request's signature.
    "skew": {"ahead": NUMBER},
}

REGION = "cn-hangzhou"
ACCOUNT = "1234567890123456"


@dataclass
class Service:
    """Everything one stand-in consists of, without a socket. `switches` may be replaced at any time."""

    store: Store
    keys: Keys
    clock: Clock
    faults: Faults
    switches: Switches = field(default_factory=Switches)
    pulls: PullCache = field(default_factory=PullCache)
    endpoints: Sequence[str] = ("sls.test",)
    region: str = REGION

    @classmethod
    def new(cls, *, seed: int = 0, clock: Clock | None = None, **options: Any) -> Service:
        clock = Clock() if clock is None else clock
        return cls(Store(clock), Keys(), clock, Faults(seed, kinds=FAULT_KINDS), **options)

    def truth(
        self,
        project: str,
        logstore: str,
        *,
        shard: int | None = None,
        start: int | None = None,
        stop: int | None = None,
    ) -> Iterator[Row]:
        """The stored logs of all shards, or of one and there of cursors from `start` to before `stop`."""
        found = self.store.logstore(project, logstore)
        for number, span in _spans(found, shard, start, stop).items():
            yield from rows(project, logstore, number, span)

    def truth_totals(self, project: str, logstore: str) -> dict[int, Totals]:
        """Counts of what is stored, by shard."""
        spans = _spans(self.store.logstore(project, logstore), None, None, None)
        return {number: totals(span) for number, span in spans.items()}

    def prepare_pulls(self, logstore: Logstore, compression: str, count: int) -> int:
        """Make the answers for a client that reads every shard from its start; returns how many."""
        with logstore.lock:
            shards = list(logstore.shards.values())
        made = 0
        for shard in shards:
            position = -1
            while True:
                with logstore.lock:
                    position = max(position, shard.first)
                    groups = shard.read(position, shard.next, count, self.switches.pull_bytes)
                if not groups:
                    break
                self.pulls.get(shard, position, groups, compression)
                position += len(groups)
                made += 1
        return made


def _spans(
    logstore: Logstore, shard: int | None, start: int | None, stop: int | None
) -> dict[int, list[tuple[int, StoredGroup]]]:
    with logstore.lock:
        return {
            number: each.span(start, stop)
            for number, each in logstore.shards.items()
            if shard in (None, number)
        }


class Call(NamedTuple):
    """One authenticated request. `names` are the variable parts of its path, `key` is who signed it."""

    service: Service
    request: Request
    route: str
    project_name: str
    names: Mapping[str, str]
    key: Key

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query

    @property
    def switches(self) -> Switches:
        return self.service.switches

    @property
    def now(self) -> float:
        return self.service.clock.now()

    def project(self) -> Project:
        found = self.service.store.project(self.project_name)
        if found.forbidden:
            raise errors.project_forbidden(found.name)
        return found

    def logstore(self) -> Logstore:
        return self.project().logstore(self.names["logstore"])

    def json(self, wrong: Callable[[str], errors.SlsError]) -> Any:
        """The body as JSON; raises `wrong(text)` if it is none."""
        try:
            return json.loads(self.request.body)
        except (ValueError, RecursionError):
            raise wrong("The body is not valid json string.") from None

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A numeric query parameter; raises ParameterInvalid."""
        text = self.query.get(name) or str(default)  # the Node SDK sends what it was not given as empty
        if not (text.isascii() and text.isdecimal() and len(text) < 19 and low <= int(text) <= high):
            raise errors.parameter_invalid(f"{name} : {text} is invalid")
        return int(text)


Handler = Callable[[Call], Response]


def done() -> Response:
    """Success with nothing to say."""
    return Response(200)


def answer(obj: Any) -> Response:
    return Response(200, [("Content-Type", "application/json")], json.dumps(obj).encode())


def refusal(error: errors.SlsError) -> Response:
    body = json.dumps({"errorCode": error.code, "errorMessage": error.message}).encode()
    return Response(error.status, [("Content-Type", "application/json")], body)


def has_type(obj: Mapping[str, Any], name: str, kind: type) -> bool:
    """Whether `obj[name]` is a `kind`; a bool is not taken for an int."""
    value = obj.get(name)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
