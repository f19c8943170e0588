"""The SDK's own ConsumerWorker as another member of the relay's group: a program for tests.

Sends what it reads to HEC with the relay's identity, one request per pull, and saves its checkpoint after
each. Ends on SIGTERM. Settings come from the environment under the relay's names.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import requests
from aliyun.log.consumer import ConsumerProcessorBase, ConsumerWorker, CursorPosition, LogHubConfig
from aliyun.log.pulllog_response import PullLogResponse


class Forward(ConsumerProcessorBase):
    """Events in the relay's form: same source, same `sls_id`, same content."""

    def __init__(self, source: str) -> None:
        super().__init__()
        # The SDK hands the whole answer to `process`: its headers name the cursors of the groups.
        self._preprocessor = lambda response: response
        self._source = source
        self._url = os.environ["HEC_ENDPOINTS"] + "/services/collector/event"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = "Splunk " + os.environ["HEC_TOKEN"]

    def process(self, response: PullLogResponse, check_point_tracker: Any) -> None:
        first = int(response.get_header("x-log-read-last-cursor")) - response.get_loggroup_count() + 1
        envelopes = []
        for offset, group in enumerate(response.loggroup_list.LogGroups):
            tags = {f"__tag__:{tag.Key}": tag.Value for tag in group.LogTags}
            for index, log in enumerate(group.Logs):
                event = {"__topic__": group.Topic, "__source__": group.Source, **tags}
                event.update((content.Key, content.Value) for content in log.Contents)
                identity = f"{self.shard_id}|{first + offset}|{index}"
                envelopes.append(
                    {
                        "time": log.Time,
                        "source": self._source,
                        "event": event,
                        "fields": {"sls_id": identity},
                    }
                )
        body = "\n".join(json.dumps(envelope) for envelope in envelopes)
        answer = self._session.post(self._url, data=body.encode(), timeout=30)
        answer.raise_for_status()
        check_point_tracker.save_check_point(True)


def main() -> None:
    env = os.environ
    interval = float(env["SLS_HEARTBEAT_INTERVAL"])
    config = LogHubConfig(
        env["SLS_ENDPOINT"],
        env["SLS_AK_ID"],
        env["SLS_AK_KEY"],
        env["SLS_PROJECT"],
        env["SLS_LOGSTORE"],
        env["SLS_CG"],
        env["SLS_CONSUMER"],
        cursor_position=CursorPosition.BEGIN_CURSOR,
        heartbeat_interval=interval,
        data_fetch_interval=0.2,
    )
    config.consumer_group_time_out = int(env["SLS_GROUP_TIMEOUT"])
    worker = ConsumerWorker(Forward, config, args=(f"sls:{env['SLS_PROJECT']}/{env['SLS_LOGSTORE']}",))
    signal.signal(signal.SIGTERM, lambda *_: worker.shutdown())
    worker.start()
    sys.stdout.write("started\n")
    sys.stdout.flush()
    # A bounded join at a time, so that the signal handler gets to run.
    while worker.is_alive():
        worker.join(0.5)
    sys.exit(0)


if __name__ == "__main__":
    main()
