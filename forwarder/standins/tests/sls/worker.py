"""A consumer for test_workers.py: the SDK's own ConsumerWorker, writing down what it was given.

Its argument is a JSON object: "record", a file that gets one JSON line for each batch, and what
`LogHubConfig` takes. It ends cleanly on SIGTERM.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from typing import Any

from aliyun.log.consumer import ConsumerProcessorBase, ConsumerWorker, LogHubConfig


class Recorder(ConsumerProcessorBase):
    """Appends what it gets to the record, whole lines at a time, then saves the checkpoint."""

    def __init__(self, path: str, consumer: str) -> None:
        super().__init__()
        self._path = path
        self._consumer = consumer

    def process(self, log_groups: Any, check_point_tracker: Any) -> None:
        values = [content.Value for g in log_groups.LogGroups for log in g.Logs for content in log.Contents]
        line = {"consumer": self._consumer, "shard": self.shard_id, "values": values}
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, json.dumps(line).encode() + b"\n")
        finally:
            os.close(descriptor)
        check_point_tracker.save_check_point(True)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options = json.loads(sys.argv[1])
    record, timeout = options.pop("record"), options.pop("timeout")
    config = LogHubConfig(**options)
    config.consumer_group_time_out = timeout
    worker = ConsumerWorker(Recorder, config, args=(record, config.consumer_name))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    worker.start()
    while worker.is_alive() and not stop.wait(0.1):
        pass
    worker.shutdown()
    worker.join(60)


if __name__ == "__main__":
    main()
