"""One group, half of it the SDK's own consumer."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import pytest
from aliyun.log.consumer import ConsumerProcessorBase, ConsumerWorker, CursorPosition, LogHubConfig
from aliyun.log.log_logs_raw_pb2 import LogGroupListRaw


class Notebook:
    """What the SDK's consumers were given: shard and content of each log."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seen: Counter[tuple[int, bytes]] = Counter()


class Processor(ConsumerProcessorBase):
    def __init__(self, notebook: Notebook) -> None:
        super().__init__()
        self._notebook = notebook

    def process(self, log_groups: Any, check_point_tracker: Any) -> None:
        with self._notebook.lock:
            for group in log_groups.LogGroups:
                for log in group.Logs:
                    self._notebook.seen[self.shard_id, log.Contents[0].Value.encode()] += 1
        check_point_tracker.save_check_point(True)


def sdk_worker(cloud: Any, name: str, notebook: Notebook) -> ConsumerWorker:
    sls = cloud.sls()
    config = LogHubConfig(
        sls.endpoint, "ak", "sk", sls.project, sls.logstore, sls.group, name,
        cursor_position=CursorPosition.BEGIN_CURSOR,
        heartbeat_interval=2,
        data_fetch_interval=0.1,  # type: ignore[arg-type]  # takes fractions
    )  # fmt: skip
    worker = ConsumerWorker(Processor, config, args=(notebook,))
    worker.start()
    return worker


def test_shards_move_between_the_sdk_and_us(
    cloud: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", cloud.standin.proxy_url)
    cloud.make(shards=4)
    notebook = Notebook()
    written: Counter[tuple[int, bytes]] = Counter()
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.wait(0.01):
            shard, content = number % 4, b"log %d" % number
            cloud.put_text(shard, content)
            written[shard, content] += 1
            number += 1

    def encode(raw: bytes, shard: int, first: int | None) -> Any:
        groups = LogGroupListRaw()
        groups.ParseFromString(raw)
        contents = [log.Contents[0].Value for group in groups.LogGroups for log in group.Logs]
        with lock:
            given.update((shard, bytes(each)) for each in contents)
        return cloud.encoder()(raw, shard, first)

    lock = threading.Lock()
    given: Counter[tuple[int, bytes]] = Counter()
    writer = threading.Thread(target=write)
    writer.start()
    workers = []
    try:
        ours = cloud.member("ours", encode=encode)
        eventually(lambda: len(ours.shards) == 4)
        workers.append(sdk_worker(cloud, "sdk-1", notebook))
        eventually(lambda: len(ours.shards) == 2 and notebook.seen)
        workers.append(sdk_worker(cloud, "sdk-2", notebook))
        eventually(lambda: sorted(Counter(r.holder for r in cloud.records.values()).values()) == [1, 1, 2])
        workers[0].shutdown()
        workers[0].join()
        eventually(lambda: len(ours.shards) == 2)
        time.sleep(1)
    finally:
        stop.set()
        writer.join()
        eventually(lambda: set(given) | set(notebook.seen) == set(written))
        for worker in workers:
            worker.shutdown()
        for worker in workers:
            worker.join()
    # Nothing twice from us, nor from a hand-over; only the SDK's own stop may outlast the group's time-out.
    assert max(given.values()) == 1
    assert max(notebook.seen.values()) == 1
