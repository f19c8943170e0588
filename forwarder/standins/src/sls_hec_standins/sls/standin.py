"""The stand-in as a whole: the service, its server and its admin API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sls_hec_standins.http import Clock, Faults, Server, ServerTls, Standin, admin_server
from sls_hec_standins.sls.admin import Admin
from sls_hec_standins.sls.app import SlsApp
from sls_hec_standins.sls.auth import Key, Keys
from sls_hec_standins.sls.console import Console
from sls_hec_standins.sls.errors import SlsError
from sls_hec_standins.sls.loading import Load, Loader, LoadPlan
from sls_hec_standins.sls.pulls import PullCache
from sls_hec_standins.sls.service import REGION, Service
from sls_hec_standins.sls.store import Logstore, Project, Store
from sls_hec_standins.sls.switches import Switches
from sls_hec_standins.sls.truth import Row

ENDPOINT = "sls.test"
DEMO_KEY = "demo:demo-secret"  # id and secret that the command accepts unless told otherwise


class SlsStandin(Standin):
    """An SLS service on `host`:`port` (0: a free one), as a context manager.

    Clients reach it as a forward proxy (`proxy_url`) with any endpoint name, or directly if the names
    resolve to it. `tls` makes it an https server; `tunnel_tls` has it answer https URLs sent to it as a
    proxy. `endpoints` are the host names that name no project. `pull_cache` is in bytes. `console` is what an
    administrator does meanwhile: groups and logstores deleted, checkpoints reset, rights withdrawn.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        admin_host: str = "127.0.0.1",
        admin_port: int = 0,
        tls: ServerTls | None = None,
        tunnel_tls: ServerTls | None = None,
        endpoints: Sequence[str] = (ENDPOINT,),
        region: str = REGION,
        seed: int = 0,
        switches: Switches | None = None,
        clock: Clock | None = None,
        pull_cache: int = 256 * 1024 * 1024,
    ) -> None:
        self.service = Service.new(
            seed=seed,
            clock=clock,
            switches=Switches() if switches is None else switches,
            endpoints=tuple(endpoints),
            region=region,
            pulls=PullCache(pull_cache),
        )
        self.console = Console(self.service)
        self.loader = Loader(self.service.store)
        server = Server(
            SlsApp(self.service),
            host=host,
            port=port,
            tls=tls,
            tunnel_tls=tunnel_tls,
            faults=self.service.faults,
            max_body=64 * 1024 * 1024,
        )
        routes = Admin(self.service, self.loader).routes()
        admin = admin_server(self.faults, self.clock, routes, host=admin_host, port=admin_port)
        super().__init__(server, admin)

    def stop(self) -> None:
        """End all loads, close all ports and connections; RuntimeError if a thread does not end."""
        try:
            self.loader.stop()
        finally:
            super().stop()

    # Where it is.

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def proxy_url(self) -> str:
        """What a client sets as http_proxy (and https_proxy)."""
        return self.server.url

    @property
    def endpoint(self) -> str:
        """An endpoint for clients that use the stand-in as their proxy."""
        return f"http://{self.service.endpoints[0]}"

    # What it holds.

    @property
    def store(self) -> Store:
        return self.service.store

    @property
    def keys(self) -> Keys:
        return self.service.keys

    @property
    def faults(self) -> Faults:
        return self.service.faults

    @property
    def clock(self) -> Clock:
        return self.service.clock

    @property
    def switches(self) -> Switches:
        return self.service.switches

    def switch(self, **changes: Any) -> None:
        """Change switches by name."""
        self.service.switches = self.service.switches.replace(changes)

    def add_key(self, key_id: str, secret: str, **options: Any) -> Key:
        """Make an access key known; `options` as in `Key`."""
        return self.keys.put(Key(key_id, secret, **options))

    def create_project(self, name: str) -> Project:
        """The project, made if there is none."""
        try:
            return self.store.project(name)
        except SlsError:
            return self.store.create_project(name)

    def create_logstore(self, project: str, name: str, *, shards: int = 2, ttl: int = 30) -> Logstore:
        """A new logstore, in a project that is made if there is none. `ttl` in days."""
        return self.create_project(project).create_logstore(name, ttl=ttl, shards=shards)

    def load(self, project: str, logstore: str, **plan: Any) -> Load:
        """Load generated logs; `plan` as in `LoadPlan`. Returns when done, or at once if there is a rate."""
        return self.loader.start(LoadPlan(project, logstore, **plan))

    def truth(self, project: str, logstore: str, **span: int | None) -> Iterator[Row]:
        """What is stored, log by log; `span` (shard, start, stop) as in `Service.truth`."""
        return self.service.truth(project, logstore, **span)
