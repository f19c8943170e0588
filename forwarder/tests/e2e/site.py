"""Both stand-ins with one logstore between them, and the programs that join its consumer group."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable

from sls_hec_standins.hec.compare import SAMPLES, Comparison, compare
from sls_hec_standins.hec.standin import DEMO_TOKEN, HecStandin
from sls_hec_standins.sls.standin import SlsStandin

from .relay_process import RelayProcess

PROJECT, LOGSTORE, GROUP = "audit-project", "audit-logs", "splunk"
PATIENCE = 120.0  # seconds to wait for what takes a few


def wait_until(true: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:g} s in vain for: {what}")
        time.sleep(0.05)


class Site:
    """Use as a context manager; ends every program that it started."""

    def __init__(
        self, folder: Path, *, shards: int = 8, sls: SlsStandin | None = None, hec: HecStandin | None = None
    ) -> None:
        self.folder = folder
        self.sls = SlsStandin() if sls is None else sls
        self.hec = HecStandin() if hec is None else hec
        self._shards = shards
        self._stack = ExitStack()

    def __enter__(self) -> Site:
        self._stack.enter_context(self.sls)
        self._stack.enter_context(self.hec)
        self.sls.add_key("access-key-id", "access-key-secret")
        self.logstore = self.sls.create_logstore(PROJECT, LOGSTORE, shards=self._shards)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def environ(self, consumer: str, **changes: str) -> dict[str, str]:
        """Settings of one consumer, with heartbeats fast enough for tests."""
        return {
            "http_proxy": self.sls.proxy_url,
            "no_proxy": "127.0.0.1",
            "SLS_ENDPOINT": self.sls.endpoint,
            "SLS_AK_ID": "access-key-id",
            "SLS_AK_KEY": "access-key-secret",
            "SLS_PROJECT": PROJECT,
            "SLS_LOGSTORE": LOGSTORE,
            "SLS_CG": GROUP,
            "SLS_CONSUMER": consumer,
            "SLS_HEARTBEAT_INTERVAL": "1",
            "SLS_GROUP_TIMEOUT": "6",
            "HEC_ENDPOINTS": self.hec.url,
            "HEC_TOKEN": DEMO_TOKEN,
            # The stand-in's ground truth has the texts of fields as they are.
            "RELAY_UNFOLD": "{}",
            **changes,
        }

    def relay(self, python: str, consumer: str, **changes: str) -> RelayProcess:
        """A relay, started; ended with the site unless it ends before."""
        relay = RelayProcess(python, self.environ(consumer, **changes), self.folder)
        return self._stack.enter_context(relay)

    def sdk_worker(self, consumer: str, **changes: str) -> subprocess.Popen[bytes]:
        """The SDK's ConsumerWorker as a member of the same group, started."""
        program = Path(__file__).with_name("sdk_consumer.py")
        inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        with open(self.folder / f"{consumer}.log", "ab") as log:
            worker = subprocess.Popen(
                [sys.executable, str(program)],
                env={**inherited, **self.environ(consumer, **changes)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._stack.callback(_end, worker)
        return worker

    def load(self, **plan: Any) -> None:
        self.sls.load(PROJECT, LOGSTORE, **plan)

    def holders(self) -> dict[int, str]:
        """Who holds each shard, as the group on the server has it."""
        with self.logstore.lock:
            group = self.logstore.groups.get(GROUP)
            view = group.view(self.sls.clock.now()) if group else {}
        return {shard: record.holder for shard, record in view.items()}

    def wait_shares(self, *consumers: str) -> None:
        """Wait until exactly these consumers hold all the shards, evenly."""

        def shared() -> bool:
            held = [*self.holders().values()]
            counts = [held.count(consumer) for consumer in consumers]
            return 0 < sum(counts) == len(held) and max(counts) - min(counts) <= 1

        wait_until(shared, f"the shards to be shared by {', '.join(consumers)}")

    @property
    def indexed(self) -> int:
        """Different events at the HEC stand-in."""
        return self.hec.store.summary()["identities"]

    def wait_indexed(self, events: int, patience: float = PATIENCE) -> None:
        wait_until(lambda: self.indexed >= events, f"{events} events indexed", patience)

    def compare(self, name_missing: int = SAMPLES) -> Comparison:
        """What was indexed against what SLS holds."""
        truth = self.sls.service.truth(PROJECT, LOGSTORE)
        return compare(self.hec.store, truth, name_missing=name_missing)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait(10)
