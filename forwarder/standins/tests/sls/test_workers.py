"""The SDK's own ConsumerWorker in processes of its own, on every interpreter to be supported.

RELAY_TEST_PYTHONS lists the interpreters, separated by colons; each has the SDK. Without it, the running one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from sls_hec_standins.sls import wire
from sls_hec_standins.sls.groups import WAIT, Record
from sls_hec_standins.sls.standin import SlsStandin
from sls_hec_standins.sls.store import Logstore

PYTHONS = [path for path in os.environ.get("RELAY_TEST_PYTHONS", "").split(":") if path] or [sys.executable]
HEARTBEAT = 1
TIMEOUT = 6
PATIENCE = 90.0  # seconds to wait for what takes a few


class Consumers:
    """Worker processes of one group, what they recorded, and what the group looks like."""

    def __init__(self, sls: SlsStandin, python: str, folder: Path) -> None:
        self._sls = sls
        self._python = python
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.record = folder / "record"
        self.record.touch()

    def start(self, name: str, *, in_order: bool = False, **options: Any) -> None:
        settings = {
            "record": str(self.record),
            "timeout": TIMEOUT,
            "endpoint": self._sls.endpoint,
            "access_key_id": "ak",
            "access_key": "sk",
            "project": "proj",
            "logstore": "store",
            "consumer_group_name": "group",
            "consumer_name": name,
            "heartbeat_interval": HEARTBEAT,
            "data_fetch_interval": 0.1,
            "in_order": in_order,
            "worker_pool_size": 8,
            **options,
        }
        environment = {
            name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
        }
        environment["http_proxy"] = self._sls.proxy_url
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [self._python, str(Path(__file__).with_name("worker.py")), json.dumps(settings)],
                env=environment,
                stdout=log,
                stderr=log,
            )

    def end(self, name: str, number: int) -> None:
        """Send a signal and wait until the process is gone."""
        process = self._processes.pop(name)
        process.send_signal(number)
        process.wait(PATIENCE)

    def end_all(self) -> None:
        for name in list(self._processes):
            self.end(name, signal.SIGKILL)

    def batches(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.record.read_text().splitlines()]

    def seen(self) -> set[str]:
        return {value for batch in self.batches() for value in batch["values"]}

    def active(self) -> set[str]:
        """The consumers that got something."""
        return {batch["consumer"] for batch in self.batches()}

    def records(self) -> dict[int, Record]:
        logstore = self._sls.store.logstore("proj", "store")
        with logstore.lock:
            group = logstore.groups.get("group")
            return {} if group is None else group.view(self._sls.clock.now())

    def counts(self) -> dict[str, int]:
        """How many shards each consumer holds."""
        holders = [record.holder for record in self.records().values() if record.holder]
        return {holder: holders.count(holder) for holder in sorted(set(holders))}

    def wait(self, what: str, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not met():
            if time.monotonic() > deadline:
                logs = "\n".join(path.read_text()[-3000:] for path in self._folder.glob("*.log"))
                pytest.fail(f"never saw {what}; the group: {self.records()}\n{logs}")
            time.sleep(0.05)

    def wait_until_seen(self, values: set[str]) -> None:
        self.wait(f"all of {len(values)} logs", lambda: self.seen() >= values)
        assert self.seen() == values


@pytest.fixture
def consumers(sls: SlsStandin, python: str, tmp_path: Path) -> Iterator[Consumers]:
    made = Consumers(sls, python, tmp_path)
    yield made
    made.end_all()


@pytest.fixture(params=PYTHONS, ids=lambda path: Path(path).parent.parent.name + "-" + Path(path).name)
def python(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(sls: SlsStandin) -> Logstore:
    """Of four shards."""
    logstore = sls.store.logstore("proj", "store")
    with logstore.lock:
        for number in (0, 1):
            logstore.split(number)
            logstore.remove(number)
    return logstore


def fill(logstore: Logstore, label: str, groups: int, shard: int | None = None) -> set[str]:
    """Store log groups of one log each; returns the values of the logs."""
    values = [f"{label}-{number}" for number in range(groups)]
    with logstore.lock:
        for value in values:
            data = wire.write_log_group([(int(time.time()), None, [("value", value)])])
            logstore.append(data, 1, shard=shard)
    return set(values)


def test_several_workers_share_the_shards_and_one_takes_over_from_a_killed_peer(
    consumers: Consumers, store: Logstore
) -> None:
    values = fill(store, "first", 200)
    for name in ("one", "two"):
        consumers.start(name)
    consumers.wait("two shards each", lambda: consumers.counts() == {"one": 2, "two": 2})
    consumers.wait_until_seen(values)
    values |= fill(store, "second", 200)
    consumers.wait_until_seen(values)
    assert consumers.active() == {"one", "two"}
    consumers.end("two", signal.SIGKILL)
    values |= fill(store, "third", 200)
    consumers.wait_until_seen(values)
    assert consumers.counts() == {"one": 4}


def test_rebalance_on_join_and_leave(consumers: Consumers, store: Logstore) -> None:
    values = fill(store, "alone", 40)
    consumers.start("one")
    consumers.wait_until_seen(values)
    assert consumers.counts() == {"one": 4}
    consumers.start("two")
    consumers.wait("two shards each", lambda: consumers.counts() == {"one": 2, "two": 2})
    values |= fill(store, "shared", 40)
    consumers.wait_until_seen(values)
    consumers.end("two", signal.SIGTERM)
    values |= fill(store, "left", 40)
    consumers.wait_until_seen(values)
    assert consumers.counts() == {"one": 4}
    # Nobody crashed, so every hand-over was clean: nothing was delivered twice.
    delivered = [value for batch in consumers.batches() for value in batch["values"]]
    assert len(delivered) == len(values)


@pytest.mark.parametrize("in_order", [False, True], ids=["unordered", "in-order"])
def test_workers_follow_a_split(consumers: Consumers, sls: SlsStandin, in_order: bool) -> None:
    logstore = sls.store.logstore("proj", "store")
    values = fill(logstore, "parent", 60, shard=0)
    with logstore.lock:
        children = [shard.number for shard in logstore.split(0)[1:]]
    for child in children:
        values |= fill(logstore, f"child{child}", 20, shard=child)
    consumers.start("one", in_order=in_order, max_fetch_log_group_size=10)
    consumers.wait("the parent held", lambda: consumers.records().get(0, Record("")).holder == "one")
    waiting = {consumers.records()[child].state for child in children} == {WAIT}
    assert waiting == in_order
    consumers.wait_until_seen(values)

    with logstore.lock:  # and once more under the eyes of the worker
        grandchildren = [shard.number for shard in logstore.split(children[0])[1:]]
    for child in grandchildren:
        values |= fill(logstore, f"grandchild{child}", 20, shard=child)
    consumers.wait_until_seen(values)
    if in_order:
        order = [batch["shard"] for batch in consumers.batches()]
        for parent, child in [(0, n) for n in children] + [(children[0], n) for n in grandchildren]:
            assert max(i for i, n in enumerate(order) if n == parent) < order.index(child)
