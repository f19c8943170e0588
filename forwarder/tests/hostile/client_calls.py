"""Makes single calls of the relay's clients, in threads, as lines of standard input ask for them.

`{"id": 1, "call": "list groups"}` is answered with the outcome: what came, or which error. `threads`, as a
call, answers how many there are. A process of its own, so that it runs on any interpreter.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

from sls_hec_forwarder.errors import RelayError
from sls_hec_forwarder.hec.api.client import Client
from sls_hec_forwarder.hec.api.target import targets
from sls_hec_forwarder.hec.api.token import Token
from sls_hec_forwarder.http.address import Proxy
from sls_hec_forwarder.http.connection import Connection
from sls_hec_forwarder.http.tls import TlsFiles
from sls_hec_forwarder.settings.model import HecSettings, SlsSettings
from sls_hec_forwarder.sls.api import metadata_service
from sls_hec_forwarder.sls.api.client import SlsClient
from sls_hec_forwarder.sls.api.credentials import credentials_for

#: Calls at a time.
WIDTH = 16


class Calls:
    """`given` is what the table's program says: addresses, names, cursors."""

    def __init__(self, given: dict[str, str]) -> None:
        self._given = given
        self._metadata = f"http://127.0.0.1:{given['port']}"
        proxy = given["proxy"]
        sls = SlsSettings(
            endpoint=given["endpoint"],
            ak_id=given["ak_id"],
            ak_key=given["ak_key"],
            sts_token=given["sts_token"],
            project=given["project"],
            logstore=given["logstore"],
            group=given["group"],
            timeout=1.0,
            proxy=proxy,
        )
        self._sls = SlsClient(sls, "probe", credentials_for(sls))
        self._hec = HecSettings(endpoints=(given["hec"],), token=given["token"], timeout=1.0, proxy=proxy)

    def by_name(self) -> dict[str, Callable[[], object]]:
        sls, group = self._sls, int(self._given["group_timeout"])
        begin = self._given["cursor"]
        return {
            "list groups": sls.list_groups,
            "create group": lambda: sls.create_group(group, False),
            "update group": lambda: sls.update_group(group, False),
            "list shards": sls.list_shards,
            "checkpoints": sls.checkpoints,
            "cursor": lambda: sls.cursor(0, "begin"),
            "cursor time": lambda: sls.cursor_time(0, begin),
            "heartbeat": lambda: sls.heartbeat([]),
            "save checkpoint": lambda: sls.save_checkpoint(0, begin, force=True),
            "pull": self._pull,
            "credentials": lambda: metadata_service.fetch("role", self._metadata),
            "event": lambda: self._collector(lambda client: str(client.post(self._event()).answer)),
            "ack": lambda: self._collector(lambda client: client.acks(client.channel, [0])),
            "collector health": lambda: self._collector(lambda client: client.health()),
        }

    def _pull(self) -> object:
        answer = self._sls.pull(0, self._given["cursor"])
        answer.check()
        return len(answer.unpack())

    def _event(self) -> bytes:
        return self._given["event"].encode()

    def _collector(self, call: Callable[[Client], object]) -> object:
        settings = self._hec
        (target,) = targets(settings)
        proxy = Proxy.parse(settings.proxy)
        with Connection(target, TlsFiles(), settings.timeout, proxy) as connection:
            client = Client(connection, target, Token(settings.token), "00000000-0000-0000-0000-00000000abcd")
            return call(client)


def outcome(call: Callable[[], object]) -> dict[str, Any]:
    """`error` is the class of a documented error, `defect` that of any other."""
    try:
        return {"result": repr(call())[:200]}
    except RelayError as error:
        str(error).encode()  # each message can be written
        return {"error": type(error).__name__, "text": str(error)[:500]}
    except BaseException as error:  # noqa: BLE001 - that it is none of ours is the finding
        return {"defect": type(error).__name__, "text": repr(error)[:500]}


def main() -> None:
    calls = Calls(json.loads(sys.argv[1])).by_name()
    lock = threading.Lock()

    def make(number: int, name: str) -> None:
        found = outcome(calls[name])
        with lock:
            sys.stdout.write(json.dumps({"id": number, **found}) + "\n")
            sys.stdout.flush()

    pool = ThreadPoolExecutor(WIDTH)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["call"] == "threads":
            answer = {"id": asked["id"], "result": str(len(os.listdir("/proc/self/task")))}
            with lock:
                sys.stdout.write(json.dumps(answer) + "\n")
                sys.stdout.flush()
        else:
            pool.submit(make, asked["id"], asked["call"])
    pool.shutdown()


if __name__ == "__main__":
    main()
