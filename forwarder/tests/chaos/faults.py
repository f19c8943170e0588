"""The faults that the stand-ins offer, with parameters drawn for chaos.

Left out is only what nobody could notice. A changed byte inside an answer that stays valid is such a thing
(neither service signs its answers; TLS does that, and is below the stand-ins' faults), so `corrupt` changes
nearly all of them. So are lies: success for what was not taken, a refusal of an event that is good.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from sls_hec_standins.http import Fault

Draw = Callable[[random.Random], Sequence[Fault]]

_SLS_ROUTES = ("PullLogs", "PullLogs", "HeartBeat", "UpdateCheckPoint", "*")
_HEC_ROUTES = ("event", "event", "event", "ack", "*")
_SPOILT = 20_000  # changed bytes: all of a short answer, and too many of a long one to decode

_SLS_ERRORS: Sequence[Mapping[str, Any]] = (
    {"status": 500},
    {"status": 503},
    {"status": 502, "code": ""},
    {"status": 401, "code": "Unauthorized"},
    {"status": 403, "code": "ShardReadQuotaExceed"},
    {"status": 429, "code": "ExceedQuota"},
    {"status": 404, "code": "LogStoreNotExist"},
    {"status": 400, "code": "ParameterInvalid"},
    {"status": 404, "code": "ConsumerNotMatch"},
    {"status": 400, "code": "RequestTimeTooSkewed"},
)
_HEC_ERRORS: Sequence[Mapping[str, Any]] = (
    {"status": 500, "code": 8},
    {"status": 500},
    {"status": 503, "code": 9},
    {"status": 429, "code": 26},
    {"status": 403, "code": 4},
    {"status": 401, "code": 3},
    {"status": 404},
    {"status": 408},
    {"status": 400, "code": 10},
)
_PROXY_PAGES: Sequence[Mapping[str, Any]] = (
    {"status": 502},
    {"status": 504, "retry_after": 1},
    {"status": 503, "retry_after": 1},
    {"status": 302, "location": "https://127.0.0.1:1/login"},
    {"status": 200, "text": "Sign in"},
    {"status": 407},
)
_STRANGE = ("", "not JSON", "[]", "{}", '{"text":"Success"}', '{"code":"0"}', '{"code":99}', "[" * 100_000)


def _often(rng: random.Random) -> float:
    return rng.choice((0.3, 0.6, 1.0))


def _at(rng: random.Random, routes: Sequence[str], kind: str, **params: Any) -> list[Fault]:
    return [Fault(kind, rng.choice(routes), probability=_often(rng), **params)]


def _tls(_: random.Random) -> Sequence[Fault]:
    # Connections that are open are cut first, else there is no handshake to spoil.
    return [Fault("refuse", seconds=0.3), Fault("tls")]


def _every_server(routes: Sequence[str]) -> dict[str, Draw]:
    return {
        "latency": lambda rng: _at(rng, routes, "latency", delay=rng.uniform(0.2, 3.0)),
        "hang": lambda rng: _at(rng, routes, "hang", delay=rng.uniform(4.0, 8.0), handled=rng.random() < 0.5),
        "reset_before": lambda rng: _at(rng, routes, "reset_before"),
        "reset_during": lambda rng: _at(rng, routes, "reset_during", at=rng.uniform(0, 0.99)),
        "reset_after": lambda rng: _at(rng, routes, "reset_after"),
        "truncate": lambda rng: _at(rng, routes, "truncate", at=rng.uniform(0, 0.99)),
        "corrupt": lambda rng: _at(rng, routes, "corrupt", flips=_SPOILT),
        "refuse": lambda rng: [Fault("refuse", keep_open=rng.random() < 0.3)],
        "tls": _tls,
    }


SLS_FAULTS: Mapping[str, Draw] = {
    **_every_server(_SLS_ROUTES),
    "error": lambda rng: _at(rng, _SLS_ROUTES, "error", **rng.choice(_SLS_ERRORS)),
    "drip": lambda rng: _at(rng, _SLS_ROUTES, "drip", size=4096, delay=0.05),
    "heartbeat_lost": lambda rng: _at(
        rng, ("HeartBeat",), "heartbeat_lost", answer=rng.choice(("error", "ok"))
    ),
    "rebalance": lambda rng: [Fault("rebalance", "HeartBeat", times=rng.randint(1, 2))],
    "kick": lambda rng: [Fault("kick", "HeartBeat", times=rng.randint(1, 2))],
    "miscount": lambda rng: _at(
        rng, ("PullLogs",), "miscount", **rng.choice(({}, {"drop": 1}, {"count": 7}))
    ),
    "read_quota": lambda rng: _at(rng, ("PullLogs",), "read_quota", what=rng.choice(("qps", "bytes"))),
    "skew": lambda rng: _at(rng, _SLS_ROUTES, "skew", ahead=rng.choice((3600, -3600))),
}

HEC_FAULTS: Mapping[str, Draw] = {
    **_every_server(_HEC_ROUTES),
    "error": lambda rng: _at(rng, _HEC_ROUTES, "error", **rng.choice(_HEC_ERRORS)),
    "drip": lambda rng: _at(rng, _HEC_ROUTES, "drip", size=8, delay=0.05),
    "busy": lambda rng: _at(
        rng, ("event",), "busy", code=rng.choice((8, 9, 23, 26, 27)),
        **({"after": rng.randint(0, 40)} if rng.random() < 0.5 else {}),
        **({"retry_after": rng.uniform(0, 2)} if rng.random() < 0.5 else {}),
    ),
    "warn": lambda rng: _at(rng, ("event",), "warn", code=rng.choice((24, 25))),
    "proxy": lambda rng: _at(rng, _HEC_ROUTES, "proxy", **rng.choice(_PROXY_PAGES)),
    "answer": lambda rng: _at(
        rng, _HEC_ROUTES, "answer", body=rng.choice(_STRANGE), handled=rng.random() < 0.5
    ),
    "ack": lambda rng: _at(
        rng, ("event",), "ack", **rng.choice(({"delay": 5.0}, {"never": True}, {"lost": True}))
    ),
    # Delivery never asks for the health, whatever is amiss; the check of a relay that starts does.
    "unhealthy": lambda rng: [
        Fault("hang", "event", times=2, delay=8.0),
        Fault("unhealthy", "health", **{rng.choice(("queues", "acks", "stopping")): True}),
    ],
}  # fmt: skip
