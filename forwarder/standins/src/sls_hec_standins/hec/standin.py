"""The HEC stand-in put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sls_hec_standins.hec.app import HEC_KINDS, HecApp
from sls_hec_standins.hec.behaviour import PROFILES
from sls_hec_standins.hec.cluster import Cluster
from sls_hec_standins.hec.collect import Service
from sls_hec_standins.hec.console import Console
from sls_hec_standins.hec.store import Store
from sls_hec_standins.hec.tokens import Token, Tokens
from sls_hec_standins.http import Clock, Fault, Faults, Server, ServerTls, Standin, admin_server

DEMO_TOKEN = "00000000-0000-0000-0000-000000000000"  # noqa: S105 - for demos, opens nothing else


class HecStandin(Standin):
    """A HEC on a free port while used as a context manager, or between `start` and `stop`.

    `switches` change single behaviours of `profile` (see `behaviour.Behaviour`). `ack_latency` and
    `timeout` are in seconds. `keep` bounds the events held, `count_only` does not look into bodies.

    Use `url` and `admin_url` to reach it, and `store`, `faults`, `clock`, `tokens`, `cluster` and `app`
    (`answers_given`, `newest_requests`) to look into it and to play with it.
    """

    def __init__(
        self,
        *,
        profile: str = "enterprise",
        switches: Mapping[str, Any] | None = None,
        tokens: Iterable[Token] = (Token(DEMO_TOKEN, name="demo"),),
        host: str = "127.0.0.1",
        port: int = 0,
        admin_host: str = "127.0.0.1",
        admin_port: int = 0,
        tls: ServerTls | None = None,
        nodes: int = 1,
        ack_latency: float = 1.0,
        keep: int | None = None,
        count_only: bool = False,
        seed: int = 0,
        timeout: float = 120.0,
        clock: Clock | None = None,
    ) -> None:
        if profile not in PROFILES:
            raise ValueError(f"unknown profile {profile!r}; known: {', '.join(PROFILES)}")
        behaviour = PROFILES[profile].changed(**(switches or {}))
        self.store = Store(keep)
        self.faults = Faults(seed, kinds=HEC_KINDS)
        self.clock = clock or Clock()
        self.tokens = Tokens(tokens)
        self.cluster = Cluster(nodes, behaviour, seed)
        service = Service(
            behaviour, self.tokens, self.store, self.faults, self.clock, ack_latency, count_only
        )
        self.app = HecApp(service, self.cluster)
        server = Server(
            self.app,
            host=host,
            port=port,
            tls=tls,
            faults=self.faults,
            max_body=behaviour.max_content_length,
            timeout=timeout,
        )
        routes = Console(service, self.cluster, self.app).routes()
        admin = admin_server(self.faults, self.clock, routes, host=admin_host, port=admin_port)
        super().__init__(server, admin)

    def lose_answers(self, times: int | None = 1, route: str = "event") -> int:
        """Let batches be taken and their answers be lost to a connection reset; the number of the fault."""
        return self.faults.add(Fault("reset_after", route, times=times))
