"""The SDK's own ConsumerWorker as another member of the relay's group: a program for tests.

Sends what it reads to HEC with the relay's identity, and saves its checkpoint after each pull. Like the relay
it loses nothing: it tries for as long as HEC does not take an event, and what HEC refuses for good is written
down in the file that SDK_DEAD_LETTERS names, one identity a line. Ends on SIGTERM. Settings come from the
environment under the relay's names.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
import uuid
from typing import Any

import requests
from aliyun.log import LogException
from aliyun.log.consumer import ConsumerProcessorBase, ConsumerWorker, CursorPosition, LogHubConfig
from aliyun.log.consumer.exceptions import ClientWorkerException
from aliyun.log.pulllog_response import PullLogResponse

SLICE = 50  # events of a request
PAUSE = 0.5  # seconds between two tries
PATIENCE = 15  # questions for an acknowledgement
REFUSALS = 3  # in a row make an event a bad one: one alone may be of a server that is being changed

stopping = threading.Event()


class Forward(ConsumerProcessorBase):
    """Events in the relay's form: same source, same `sls_id`, same content."""

    def __init__(self, source: str) -> None:
        super().__init__()
        # The SDK hands the whole answer to `process`: its headers name the cursors of the groups.
        self._preprocessor = lambda response: response
        self._source = source
        self._rules = json.loads(os.environ.get("HEC_TOPIC_RULES", "{}"))
        self._hec = Hec()

    def process(self, response: PullLogResponse, check_point_tracker: Any) -> None:
        try:
            self._forward(response)
        except Exception:  # noqa: BLE001 - told, and nothing is lost
            # The SDK would go on behind the pull, and save that as its checkpoint when it leaves the shard.
            traceback.print_exc()
            os._exit(1)
        self.save_checkpoint(check_point_tracker, force=True)

    def _forward(self, response: PullLogResponse) -> None:
        first = int(response.get_header("x-log-read-last-cursor")) - response.get_loggroup_count() + 1
        envelopes = []
        for offset, group in enumerate(response.loggroup_list.LogGroups):
            tags = {f"__tag__:{tag.Key}": tag.Value for tag in group.LogTags}
            for index, log in enumerate(group.Logs):
                event = {"__topic__": group.Topic, "__source__": group.Source, **tags}
                event.update((content.Key, _text(content.Value)) for content in log.Contents)
                identity = f"{self.shard_id}|{first + offset}|{index}"
                envelopes.append(
                    {
                        "time": log.Time,
                        "source": self._source,
                        "event": event,
                        "fields": {"sls_id": identity},
                        **self._rules.get(group.Topic, {}),
                    }
                )
        for start in range(0, len(envelopes), SLICE):
            self._hec.deliver(envelopes[start : start + SLICE])


def _text(value: Any) -> str:
    """The SDK gives bytes where a log is not all UTF-8."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


class Hec:
    """Where the events go. Used by one thread."""

    def __init__(self) -> None:
        self._url = os.environ["HEC_ENDPOINTS"] + "/services/collector"
        self._dead_letters = os.environ.get("SDK_DEAD_LETTERS", "")
        self._session = self._connect()
        self._refusals = 0

    def deliver(self, envelopes: list[dict[str, Any]]) -> None:
        """Return when all of them are taken or written down as dead letters."""
        self._refusals = 0
        while not self._post(envelopes):
            if stopping.wait(PAUSE):
                # Nothing of the pull may be saved as done, and the SDK knows no other way to say so.
                os._exit(0)

    def _post(self, envelopes: list[dict[str, Any]]) -> bool:
        body = "\n".join(json.dumps(envelope) for envelope in envelopes)
        try:
            answer = self._session.post(self._url + "/event", data=body.encode(), timeout=5)
            given: dict[str, Any] = {"code": None} if answer.status_code == 413 else answer.json()
            code = given["code"]
            taken = answer.status_code == 200 and code in (0, 24, 25)
            if taken and "ackId" in given:
                return self._indexed(given["ackId"])
        except (requests.RequestException, ValueError, KeyError, TypeError, RecursionError):
            self._session.close()
            self._session = self._connect()
            return False
        if answer.status_code == 413 or (answer.status_code == 400 and code in (6, 7)):
            if len(envelopes) > 1:
                for envelope in envelopes:
                    self.deliver([envelope])
                return True
            self._refusals += 1
            return self._refusals == REFUSALS and self._bury(envelopes[0], answer.text)
        self._refusals = 0
        return bool(taken)

    def _indexed(self, ack: int) -> bool:
        """Whether the request was acknowledged within a few seconds."""
        for _ in range(PATIENCE):
            answer = self._session.post(self._url + "/ack", json={"acks": [ack]}, timeout=5)
            if answer.json()["acks"][str(ack)]:
                return True
            stopping.wait(PAUSE)
        return False

    def _bury(self, envelope: dict[str, Any], why: str) -> bool:
        if not self._dead_letters:
            self._refusals = 0
            return False
        sys.stderr.write(f"dead letter {envelope['fields']['sls_id']}: {why[:200]}\n")
        with open(self._dead_letters, "a") as file:
            file.write(envelope["fields"]["sls_id"] + "\n")
            file.flush()
            os.fsync(file.fileno())
        return True

    def _connect(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.verify = os.environ.get("HEC_CA_FILE") or True
        session.headers["Authorization"] = "Splunk " + os.environ["HEC_TOKEN"]
        session.headers["X-Splunk-Request-Channel"] = str(uuid.uuid4())
        return session


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
        heartbeat_interval=interval,  # type: ignore[arg-type]  # takes fractions
        data_fetch_interval=0.2,  # type: ignore[arg-type]
    )
    config.consumer_group_time_out = int(env["SLS_GROUP_TIMEOUT"])
    source = f"sls:{env['SLS_PROJECT']}/{env['SLS_LOGSTORE']}"
    while True:
        try:
            worker = ConsumerWorker(Forward, config, args=(source,))
            break
        except (LogException, ClientWorkerException):  # it makes the group first, and does not try that again
            time.sleep(1)

    def stop(*_: object) -> None:
        stopping.set()
        worker.shutdown()

    signal.signal(signal.SIGTERM, stop)
    worker.start()
    sys.stdout.write("started\n")
    sys.stdout.flush()
    # A bounded join at a time, so that the signal handler gets to run.
    while worker.is_alive():
        worker.join(0.5)
    sys.exit(0)


if __name__ == "__main__":
    main()
