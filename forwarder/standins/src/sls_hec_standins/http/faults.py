"""Faults on demand: which requests are affected, how, how often and for how long.

The plan only. The server carries out the kinds in `SERVER_KINDS`; an application declares kinds of its
own and asks for them with `Faults.take`.
"""

from __future__ import annotations

import fnmatch
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Callable, Union

ParamTypes = Mapping[str, Union[type, tuple[type, ...]]]

NUMBER = (int, float)

SERVER_KINDS: Mapping[str, ParamTypes] = {
    # Answered in the service's own error format, without the request being handled.
    "error": {"status": int, "code": (int, str), "text": str, "headers": dict},
    # `delay` seconds before the request is handled.
    "latency": {"delay": NUMBER},
    # No answer for at most `delay` seconds (600), then closed. With `handled` the request takes effect.
    "hang": {"delay": NUMBER, "handled": bool},
    # TCP reset after the head and before the body of the request is read.
    "reset_before": {},
    # TCP reset after the share `at` (0.5) of the request body, or of the answer if there is no body.
    "reset_during": {"at": NUMBER},
    # TCP reset after the request took effect: the answer is lost.
    "reset_after": {},
    # The answer ends after the share `at` (0.5) of its announced length.
    "truncate": {"at": NUMBER},
    # `flips` (8) bytes of the answer's body are changed.
    "corrupt": {"flips": int},
    # The answer comes `size` (16) bytes at a time, `delay` (0.05) seconds apart.
    "drip": {"size": int, "delay": NUMBER},
    # The port refuses connections; open ones are cut unless `keep_open`. Whole server, not by route.
    "refuse": {"keep_open": bool},
    # The TLS handshake of new connections is answered with a fatal alert. Whole server, not by route.
    "tls": {},
}

_WHOLE_SERVER = ("refuse", "tls")

_RANGES: Mapping[str, tuple[float, float]] = {
    "at": (0, 1),
    "delay": (0, 86400),
    "flips": (1, 1_000_000),
    "size": (1, 1_000_000),
    "status": (200, 599),
}

# Faults that ran out are kept for `fired(number)` and the admin API, up to this number.
_HISTORY = 256


class Fault:
    """One instruction: mistreat requests of the routes that match the glob `route`.

    `probability` is drawn per matching request, `times` bounds how often it fires, `seconds` how long
    after `Faults.add` it is active (real time). `params` depend on the kind, see `SERVER_KINDS`.
    """

    def __init__(
        self,
        kind: str,
        route: str = "*",
        *,
        probability: float = 1.0,
        times: int | None = None,
        seconds: float | None = None,
        **params: Any,
    ) -> None:
        if not 0 <= probability <= 1:
            raise ValueError(f"probability must be between 0 and 1, not {probability!r}")
        if times is not None and times < 1:
            raise ValueError(f"times must be at least 1, not {times!r}")
        if seconds is not None and not seconds > 0:
            raise ValueError(f"seconds must be above 0, not {seconds!r}")
        self.kind = kind
        self.route = route
        self.probability = probability
        self.times = times
        self.seconds = seconds
        self.params: Mapping[str, Any] = params

    def get(self, name: str, default: Any) -> Any:
        return self.params.get(name, default)

    def as_json(self) -> dict[str, Any]:
        plain = {
            "kind": self.kind,
            "route": self.route,
            "probability": self.probability,
            "times": self.times,
            "seconds": self.seconds,
        }
        return {**plain, **self.params}

    @classmethod
    def from_json(cls, obj: Any) -> Fault:
        """The fault described by a JSON object as in `as_json`. Raises ValueError saying what is wrong."""
        if not isinstance(obj, dict):
            raise ValueError("a fault is a JSON object")
        given = dict(obj)
        kind = given.pop("kind", None)
        if not isinstance(kind, str):
            raise ValueError('"kind" is missing or not a string')
        for name, types in _COMMON_TYPES.items():
            if given.get(name) is None:
                given.pop(name, None)
            else:
                _check_type(name, given[name], types)
        return cls(kind, **given)

    def __repr__(self) -> str:
        return f"Fault({', '.join(f'{k}={v!r}' for k, v in self.as_json().items() if v is not None)})"


_COMMON_TYPES: ParamTypes = {"route": str, "probability": NUMBER, "times": int, "seconds": NUMBER}


class _Active:
    """An active fault, with its own random stream: its k-th decision depends only on the seed."""

    def __init__(self, number: int, fault: Fault, seed: int, now: float) -> None:
        self.number = number
        self.fault = fault
        self.rng = random.Random(f"{seed}/{number}")
        self.until = None if fault.seconds is None else now + fault.seconds
        self.fired = 0
        self.removed = False

    def expired(self, now: float) -> bool:
        return self.until is not None and now >= self.until

    def over(self, now: float) -> bool:
        return self.expired(now) or (self.fault.times is not None and self.fired >= self.fault.times)


class Faults:
    """The active faults. Thread-safe; cheap to query while there are none.

    `kinds` adds an application's kinds and their parameters to `SERVER_KINDS`.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        kinds: Mapping[str, ParamTypes] | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seed = seed
        self.kinds: Mapping[str, ParamTypes] = {**SERVER_KINDS, **(kinds or {})}
        self._timer = timer
        self._lock = threading.RLock()
        self._numbers = 0
        self._active: dict[int, _Active] = {}
        self._ended: deque[_Active] = deque()
        self._forgotten: Counter[str] = Counter()  # how often those fired that are not kept, by kind
        self._listeners: list[Callable[[], None]] = []

    def add(self, fault: Fault) -> int:
        """Activate `fault`, return its number. ValueError for a kind or parameter not known."""
        self.check(fault)
        with self._lock:
            self._numbers += 1
            self._active[self._numbers] = _Active(self._numbers, fault, self.seed, self._timer())
            number = self._numbers
        self._tell()
        return number

    def remove(self, number: int) -> bool:
        """End one fault; False if it is not in force (any more)."""
        with self._lock:
            found = self._active.pop(number, None)
            if found is not None:
                found.removed = True
                self._end(found)
        self._tell()
        return found is not None

    def clear(self) -> None:
        """End all faults."""
        with self._lock:
            for active in self._active.values():
                self._end(active)
            self._active.clear()
            for active in self._ended:
                active.removed = True
        self._tell()

    def take(self, kind: str, route: str = "", fits: Callable[[Fault], bool] | None = None) -> Fault | None:
        """The fault of this kind that hits this request, if any; counted as fired.

        `fits` tells which faults concern the request at all, by their parameters.
        """
        if not self._active:
            return None
        with self._lock:
            self._expire()
            for active in self._active.values():
                fault = active.fault
                if fault.kind != kind or not fnmatch.fnmatchcase(route, fault.route):
                    continue
                if fits is not None and not fits(fault):
                    continue
                if fault.probability < 1 and active.rng.random() >= fault.probability:
                    continue
                active.fired += 1
                return fault
        return None

    def peek(self, kind: str) -> Fault | None:
        """The first active fault of this kind, without counting it as fired."""
        if not self._active:
            return None
        with self._lock:
            self._expire()
            return next((a.fault for a in self._active.values() if a.fault.kind == kind), None)

    def in_force(self, fault: Fault) -> bool:
        """Whether `fault` was neither removed nor has its time passed. `times` plays no part here."""
        with self._lock:
            active = self._find(fault)
            return active is not None and not active.removed and not active.expired(self._timer())

    def fired(self, number: int | None = None, *, kind: str | None = None) -> int:
        """How often fault `number`, or all faults (of a kind), fired, ended ones included."""
        with self._lock:
            forgotten = 0
            if number is None:
                forgotten = sum(self._forgotten.values()) if kind is None else self._forgotten[kind]
            return forgotten + sum(
                a.fired
                for a in [*self._active.values(), *self._ended]
                if number in (None, a.number) and kind in (None, a.fault.kind)
            )

    def as_json(self) -> list[dict[str, Any]]:
        """All faults in force and the latest ended ones, oldest first, with "id", "fired" and "active"."""
        with self._lock:
            self._expire()
            rows = sorted([*self._active.values(), *self._ended], key=lambda a: a.number)
            return [
                {"id": a.number, "active": a.number in self._active, "fired": a.fired, **a.fault.as_json()}
                for a in rows
            ]

    def rng(self, fault: Fault) -> random.Random:
        """The random stream of `fault`, for everything besides the decision whether it fires."""
        with self._lock:
            active = self._find(fault)
            return random.Random(self.seed) if active is None else active.rng

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each `add`, `remove` and `clear`, in the calling thread."""
        self._listeners.append(listener)

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()

    def _find(self, fault: Fault) -> _Active | None:
        return next((a for a in [*self._active.values(), *self._ended] if a.fault is fault), None)

    def _expire(self) -> None:
        now = self._timer()
        for number in [n for n, active in self._active.items() if active.over(now)]:
            self._end(self._active.pop(number))

    def _end(self, active: _Active) -> None:
        self._ended.append(active)
        if len(self._ended) > _HISTORY:
            oldest = self._ended.popleft()
            self._forgotten[oldest.fault.kind] += oldest.fired

    def check(self, fault: Fault) -> None:
        """ValueError unless the kind and its parameters are known here."""
        known = self.kinds.get(fault.kind)
        if known is None:
            raise ValueError(f"unknown fault kind {fault.kind!r}; known: {', '.join(sorted(self.kinds))}")
        if fault.kind in _WHOLE_SERVER and fault.route != "*":
            raise ValueError(f"fault {fault.kind!r} is for the whole server and takes no route")
        if fault.kind == "refuse" and (fault.times is not None or fault.probability != 1):
            raise ValueError("fault 'refuse' takes neither times nor probability: the port is closed or open")
        for name, value in fault.params.items():
            if name not in known:
                allowed = ", ".join(sorted(known)) or "none"
                raise ValueError(f"unknown parameter {name!r} of fault {fault.kind!r}; known: {allowed}")
            _check_type(name, value, known[name])
            if name in _RANGES and not _RANGES[name][0] <= value <= _RANGES[name][1]:
                raise ValueError(f"{name!r} must be between {_RANGES[name][0]} and {_RANGES[name][1]}")


def _check_type(name: str, value: Any, types: type | tuple[type, ...]) -> None:
    allowed = types if isinstance(types, tuple) else (types,)
    # bool is an int in Python, but not in JSON.
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        names = " or ".join(sorted({t.__name__ for t in allowed}))
        raise ValueError(f"{name!r} must be {names}, not {value!r}")
