"""Loads: generated audit logs into a logstore, all at once or at a rate."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from dataclasses import dataclass
from typing import Any

from sls_hec_standins.sls import loader
from sls_hec_standins.sls.errors import SlsError
from sls_hec_standins.sls.generator import Generator, parse_mix
from sls_hec_standins.sls.store import Store

_JOIN = 30.0


@dataclass(frozen=True)
class LoadPlan:
    """What to load. Without `rate` everything at once, with it that many logs a second.

    `logs` and `megabytes` (10^6 bytes of LogGroups) bound the load; one of them is needed unless there is a
    rate. `shard` is the one to fill, all in turn without it. `over` spreads the receive times over so many
    seconds before now. The rest goes to `Generator`; `mix` is text as `parse_mix` takes it.
    """

    project: str
    logstore: str
    logs: int | None = None
    megabytes: float | None = None
    rate: float | None = None
    shard: int | None = None
    over: float = 0.0
    seed: int = 0
    mix: str = ""
    nasty: float = 0.0
    large: float = 0.0
    logs_per_group: int = 100
    group_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        """Raises ValueError saying what is wrong."""
        if self.rate is None and self.logs is None and self.megabytes is None:
            raise ValueError("a load without a rate needs logs or megabytes")
        for name in ("logs", "megabytes", "rate"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be above 0, not {value}")
        if self.over < 0 or (self.over and self.rate is not None):
            raise ValueError("over is a number of seconds >= 0, and not for a load at a rate")

    def generator(self, clock: Any) -> Generator:
        options: dict[str, Any] = {"mix": parse_mix(self.mix)} if self.mix else {}
        return Generator(
            self.seed,
            nasty=self.nasty,
            large=self.large,
            logs_per_group=self.logs_per_group,
            group_bytes=self.group_bytes,
            clock=clock,
            **options,
        )

    @property
    def size(self) -> float:
        """Bytes, infinite if not bounded."""
        return float("inf") if self.megabytes is None else self.megabytes * 1e6

    @property
    def count(self) -> float:
        """Logs, infinite if not bounded."""
        return float("inf") if self.logs is None else self.logs


class Load:
    """One load, run by `run` in any thread. ValueError or `SlsError` for a plan that cannot be."""

    def __init__(self, number: int, plan: LoadPlan, store: Store) -> None:
        self.number = number
        self.plan = plan
        self._clock = store.clock
        self._logstore = store.logstore(plan.project, plan.logstore)
        self._received = 0.0
        self._generator = plan.generator(self._time_of_group)
        self._stop = threading.Event()
        self.finished = threading.Event()
        self.error: SlsError | None = None

    @property
    def logs(self) -> int:
        """Logs loaded so far."""
        return self._generator.made_logs

    @property
    def bytes(self) -> int:
        """Bytes of LogGroups loaded so far."""
        return self._generator.made_bytes

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """Load until done or stopped, or refused: then `error` says why."""
        try:
            self._run()
        except SlsError as error:
            self.error = error
        finally:
            self.finished.set()

    def _run(self) -> None:
        groups = self._generator.groups(logs=self.plan.count, size=self.plan.size)
        put = loader.into(self._logstore, shard=self.plan.shard, received=lambda: self._received)
        loader.load(groups, put, logs_per_second=self.plan.rate, stop=self._stop)

    def _time_of_group(self) -> int:
        """The receive time of the next group, in nanoseconds."""
        self._received = self._receive_time()
        return int(self._received * 1e9)

    def _receive_time(self) -> float:
        now, plan = self._clock.now(), self.plan
        if not plan.over:
            return now
        done = max(self.logs / plan.count, self.bytes / plan.size)
        return now - plan.over * (1 - done)

    def as_json(self) -> dict[str, Any]:
        plan = {name: value for name, value in dataclasses.asdict(self.plan).items() if value is not None}
        return {
            "id": self.number,
            "loaded_logs": self.logs,
            "loaded_bytes": self.bytes,
            "running": not self.finished.is_set(),
            "error": None if self.error is None else str(self.error),
            **plan,
        }


class Loader:
    """Starts loads and stops them. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._loads: dict[int, Load] = {}
        self._threads: dict[int, threading.Thread] = {}

    def start(self, plan: LoadPlan) -> Load:
        """Carry out a plan: at once and before this returns, or in a thread if it has a rate.

        ValueError or `SlsError` if it cannot be.
        """
        load = Load(next(self._numbers), plan, self._store)
        with self._lock:
            self._loads[load.number] = load
        if plan.rate is None:
            load.run()
            if load.error is not None:
                raise load.error
        else:
            thread = threading.Thread(target=load.run, name=f"load-{load.number}", daemon=True)
            with self._lock:
                self._threads[load.number] = thread
            thread.start()
        return load

    def loads(self) -> list[Load]:
        with self._lock:
            return list(self._loads.values())

    def stop(self, number: int | None = None) -> bool:
        """Stop one load, or all, and wait for them; False if there is no such load."""
        chosen = [load for load in self.loads() if number in (None, load.number)]
        for load in chosen:
            load.stop()
            if not load.finished.wait(_JOIN):
                raise RuntimeError(f"load {load.number} did not stop")
        return bool(chosen)
