"""Baseline, do not use: the program of Alibaba Cloud's integration guide for SIEMs, written anew.

Benchmarks run it beside the relay. It has what the guide describes, and its faults: the SDK's consumer
worker and decoder, one POST per log, and a checkpoint that moves on past what could not be delivered. One
thing differs: the log travels as `event`, because Splunk takes the guide's envelope, which has only `fields`,
for a metric and indexes nothing.

Settings come from the environment: those of SLS under the guide's names, those of the collector, which the
guide has in its code, under the relay's. With the stand-ins::

    export http_proxy=<url of sls-standin> no_proxy=127.0.0.1
    export SLS_ENDPOINT=http://sls.test SLS_AK_ID=<id> SLS_AK_KEY=<secret>
    export SLS_PROJECT=<project> SLS_LOGSTORE=<logstore> SLS_CG=<group>
    export HEC_HOST=127.0.0.1 HEC_PORT=<port> HEC_HTTPS=false HEC_TOKEN=<token>
    python bench/sample_guide.py

It ends on SIGTERM and SIGINT, after what it is sending.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
from typing import Any, NamedTuple

import requests
from aliyun.log import PullLogResponse
from aliyun.log.consumer import ConsumerProcessorBase, ConsumerWorker, CursorPosition, LogHubConfig

log = logging.getLogger("sample_guide")


class Hec(NamedTuple):
    """Where events go. `defaults` are the members that every envelope has; `timeout` is in seconds."""

    host: str
    port: int
    https: bool
    token: str
    timeout: float
    verify: bool
    defaults: dict[str, str]

    @property
    def url(self) -> str:
        return f"{'https' if self.https else 'http'}://{self.host}:{self.port}/services/collector/event"


def sls_options() -> LogHubConfig:
    env = os.environ
    return LogHubConfig(
        env["SLS_ENDPOINT"],
        env["SLS_AK_ID"],
        env["SLS_AK_KEY"],
        env["SLS_PROJECT"],
        env["SLS_LOGSTORE"],
        env["SLS_CG"],
        f"{env['SLS_CG']}-{os.getpid()}",
        cursor_position=CursorPosition.SPECIAL_TIMER_CURSOR,
        cursor_start_time="begin",
        heartbeat_interval=20,
        data_fetch_interval=1,
    )


def hec_options() -> Hec:
    env = os.environ
    names = {"sourcetype": "HEC_SOURCETYPE", "index": "HEC_INDEX", "source": "HEC_SOURCE"}
    return Hec(
        host=env["HEC_HOST"],
        port=int(env.get("HEC_PORT", "8088")),
        https=env.get("HEC_HTTPS", "false") == "true",
        token=env["HEC_TOKEN"],
        timeout=float(env.get("HEC_TIMEOUT", "120")),
        verify=env.get("HEC_SSL_VERIFY", "true") == "true",
        defaults={member: env[name] for member, name in names.items() if env.get(name)},
    )


class Forward(ConsumerProcessorBase):
    """Sends what one shard delivers to Splunk; the worker makes one for each shard."""

    def __init__(self, hec: Hec) -> None:
        super().__init__()
        self._hec = hec
        socket.create_connection((hec.host, hec.port), timeout=hec.timeout).close()
        self._session = requests.Session()
        self._session.verify = hec.verify
        self._session.headers["Authorization"] = f"Splunk {hec.token}"

    def process(self, log_groups: Any, check_point_tracker: Any) -> None:
        logs = PullLogResponse.loggroups_to_flattern_list(log_groups, time_as_str=True, decode_bytes=True)
        lost = 0
        for each in logs:
            envelope = {**self._hec.defaults, "time": each.pop("__time__"), "event": each}
            try:
                answer = self._session.post(
                    self._hec.url, data=json.dumps(envelope, sort_keys=True), timeout=self._hec.timeout
                )
                answer.raise_for_status()
            except requests.RequestException as error:
                lost += 1
                log.debug("not delivered: %s", error)
        log.info("shard %s: %d logs, %d lost", self.shard_id, len(logs), lost)
        self.save_checkpoint(check_point_tracker)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(threadName)s %(levelname)s %(message)s")
    worker = ConsumerWorker(Forward, sls_options(), args=(hec_options(),))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.shutdown())
    worker.start(join=True)


if __name__ == "__main__":
    main()
