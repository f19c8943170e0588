"""An SLS stand-in with one logstore, and members of a consumer group that read it."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, Callable
from urllib.parse import urlsplit

import pytest
from aliyun.log.log_logs_raw_pb2 import LogGroupListRaw

from sls_hec_forwarder.delivery.batcher import Batch
from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.settings.model import HecSettings, RelaySettings, Settings, SlsSettings
from sls_hec_forwarder.sls.api.client import SlsClient
from sls_hec_forwarder.sls.api.credentials import credentials_for
from sls_hec_forwarder.sls.api.read_client import ReadClient
from sls_hec_forwarder.sls.group.consumer import Consumer
from sls_hec_forwarder.sls.observer import SlsObserver
from sls_hec_forwarder.wire.encoder import Chunk, Encoded
from sls_hec_standins.sls import wire
from sls_hec_standins.sls.standin import SlsStandin

PROJECT, LOGSTORE, GROUP = "proj", "store", "relay"

#: shard, position of the log group, index in the group: what names a log.
Identity = tuple[int, int, int]


def eventually(condition: Callable[[], object], what: str = "", timeout: float = 60.0) -> None:
    """Wait until `condition` holds; the time-out is for hangs, not for slowness."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"did not come true: {what}"
        time.sleep(0.02)


def encode_identities(drop_topic: str = "") -> Callable[[bytes, int, int | None], Encoded]:
    """An encoder whose events are the identities of the logs; read by the SDK's own protobuf classes."""

    def encode(raw: bytes, shard: int, first: int | None) -> Encoded:
        groups = LogGroupListRaw()
        groups.ParseFromString(raw)
        filtered: Counter[str] = Counter()
        lines = []
        for offset, group in enumerate(groups.LogGroups):
            if group.Topic == drop_topic:
                filtered[group.Topic] += len(group.Logs)
                continue
            where = "?" if first is None else first + offset
            lines += [b"%d|%s|%d" % (shard, str(where).encode(), i) for i in range(len(group.Logs))]
        chunks = [
            Chunk(b"\n".join(lines[at : at + 50]), len(lines[at : at + 50]))
            for at in range(0, len(lines), 50)
        ]
        return Encoded(chunks, len(lines), filtered, len(groups.LogGroups), 0)

    return encode


class Sink:
    """Takes batches from an outbox as a sender does, and keeps the events that were in them."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._open = threading.Event()
        self._open.set()
        self._kept_back: Identity | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._events: list[tuple[float, Identity]] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def hold(self) -> None:
        """Deliver nothing until `go_on`, as when Splunk is down."""
        self._open.clear()

    def keep_back(self, event: Identity) -> None:
        """Do not deliver the chunk of this event until `go_on`, as when it is refused for ever."""
        self._kept_back = event

    def go_on(self) -> None:
        self._kept_back = None
        self._open.set()

    def stop(self) -> None:
        self._stop.set()
        self._open.set()
        self._outbox.close()
        self._thread.join()

    @property
    def events(self) -> list[Identity]:
        with self._lock:
            return [event for _, event in self._events]

    def events_after(self, moment: float) -> list[Identity]:
        """What was delivered after `moment` (monotonic)."""
        with self._lock:
            return [event for at, event in self._events if at > moment]

    def _run(self) -> None:
        while not self._stop.is_set():
            batch = self._outbox.take(0.1)
            if batch is None:
                continue
            self._open.wait()
            gone = batch.split_revoked()
            if gone is not None:
                self._outbox.dropped(gone)
            if not batch.pieces:
                continue
            if batch.suspended or self._stop.is_set():
                self._outbox.put_back(batch, 0.1)
                continue
            kept = [piece for piece in batch.pieces if self._kept_back in _identities(piece.body)]
            if kept:
                self._outbox.put_back(Batch(kept), 0.1)
                batch = Batch([piece for piece in batch.pieces if piece not in kept])
            if not batch.pieces:
                continue
            events = _identities(batch.body())
            with self._lock:
                now = time.monotonic()
                self._events += [(now, event) for event in events]
            self._outbox.delivered(batch)


def _identities(body: bytes) -> list[Identity]:
    lines = [line.split(b"|") for line in body.split(b"\n")]
    return [(int(shard), -1 if at == b"?" else int(at), int(index)) for shard, at, index in lines]


class Recorder(SlsObserver):
    """Keeps what a consumer tells."""

    def __init__(self) -> None:
        self.filtered_logs: Counter[str] = Counter()
        self.lost: list[tuple[int, Any]] = []
        self.failures: Counter[tuple[str, str]] = Counter()
        self.ended: list[tuple[int, str]] = []
        self.pulls: Counter[int] = Counter()

    def filtered(self, topic: str, logs: int) -> None:
        self.filtered_logs[topic] += logs

    def expired(self, shard: int, lost: Any) -> None:
        self.lost.append((shard, lost))

    def failed(self, what: str, kind: str) -> None:
        self.failures[what, kind] += 1

    def lease_ended(self, shard: int, reason: str) -> None:
        self.ended.append((shard, reason))

    def pulled(self, shard: int, wire_bytes: int, raw_bytes: int, groups: int) -> None:
        self.pulls[shard] += 1


class Member:
    """One consumer with its outbox and its sink."""

    def __init__(self, settings: Settings, name: str, **options: Any) -> None:
        relay = settings.relay
        self.name = name
        self.outbox = Outbox(max_bytes=relay.bytes_in_flight, batch_bytes=4096, batch_age=0.02)
        self.sink = Sink(self.outbox)
        self.seen = Recorder()
        self.conditions = Conditions()
        encode = options.pop("encode", None) or encode_identities()
        self.consumer = Consumer(
            settings, name, encode, self.outbox, conditions=self.conditions, observer=self.seen, **options
        )

    def start(self) -> Member:
        self.consumer.start()
        return self

    @property
    def shards(self) -> list[int]:
        return [each.shard for each in self.consumer.shards()]

    def stop(self, timeout: float | None = None) -> bool:
        clean = self.consumer.stop(timeout)
        self.sink.stop()
        return clean


class Line:
    """A TCP line to the stand-in that can be cut, for all requests or for heartbeats only."""

    def __init__(self, target: str) -> None:
        where = urlsplit(target)
        self._target = (where.hostname or "", where.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._cut = b""
        self.connections = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self, marker: bytes = b" HTTP/1.1") -> None:
        """From now on a connection ends when a request with `marker` in it is sent."""
        self._cut = marker

    def mend(self) -> None:
        self._cut = b""

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            if select.select([self._listener], [], [], 0.1)[0]:
                near, _ = self._listener.accept()
                self.connections += 1
                self._threads.append(threading.Thread(target=self._forward, args=(near,)))
                self._threads[-1].start()

    def _forward(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._target) as far:
            while not self._stop.is_set():
                for ready in select.select([near, far], [], [], 0.1)[0]:
                    data = ready.recv(1 << 16)
                    if not data or (ready is near and self._cut and self._cut in data):
                        return
                    (far if ready is near else near).sendall(data)


class Cloud:
    """The stand-in, its logstore, and the clients that a test makes."""

    def __init__(self, standin: SlsStandin) -> None:
        self.standin = standin
        self.members: list[Member] = []
        self._clients: list[ReadClient] = []
        self._lines: list[Line] = []
        standin.add_key("ak", "sk")

    def make(self, shards: int = 2, **options: Any) -> None:
        self.store = self.standin.create_logstore(PROJECT, LOGSTORE, shards=shards, **options)

    def sls(self, **changes: Any) -> SlsSettings:
        given: dict[str, Any] = {
            "endpoint": self.standin.endpoint,
            "proxy": self.standin.proxy_url,
            "ak_id": "ak",
            "ak_key": "sk",
            "project": PROJECT,
            "logstore": LOGSTORE,
            "group": GROUP,
            "heartbeat_interval": 1.0,
            "fetch_interval": 0.05,
            "timeout": 10.0,
        }
        return SlsSettings(**{**given, **changes})

    def settings(self, *, relay: Mapping[str, Any] | None = None, **sls: Any) -> Settings:
        given = {"checkpoint_interval": 0.5, "stop_timeout": 20.0}
        return Settings(self.sls(**sls), HecSettings(), RelaySettings(**{**given, **(relay or {})}))

    def client(self, consumer: str = "someone", **changes: Any) -> SlsClient:
        sls = self.sls(**changes)
        client = SlsClient(sls, consumer, credentials_for(sls))
        self._clients.append(client)
        return client

    def reader(self, **changes: Any) -> ReadClient:
        """A client that can only look."""
        sls = self.sls(**changes)
        client = ReadClient(sls, "someone", credentials_for(sls))
        self._clients.append(client)
        return client

    def line(self) -> Line:
        """A line to the stand-in; its `url` is a value for the setting `proxy`."""
        self._lines.append(Line(self.standin.proxy_url))
        return self._lines[-1]

    def member(self, name: str = "a", *, start: bool = True, **settings: Any) -> Member:
        options: dict[str, Any] = {"watch_interval": 1.0}
        options.update(
            {
                key: settings.pop(key)
                for key in ("encode", "reread", "wall", "watch_interval")
                if key in settings
            }
        )
        member = Member(self.settings(**settings), name, **options)
        self.members.append(member)
        return member.start() if start else member

    def put(
        self, shard: int, groups: int = 5, logs: int = 4, topic: str = "t", received: float | None = None
    ) -> None:
        """Write log groups into one shard."""
        with self.store.lock:
            for number in range(groups):
                data = wire.write_log_group(
                    [(1_700_000_000 + i, None, [("k", f"{number}.{i}")]) for i in range(logs)],
                    topic=topic,
                    source="10.0.0.1",
                )
                self.store.append(data, logs, shard=shard, received=received)

    def put_text(self, shard: int, text: bytes) -> None:
        """Write one log with one field."""
        with self.store.lock:
            self.store.append(wire.write_log_group([(1_700_000_000, None, [(b"k", text)])]), 1, shard=shard)

    @staticmethod
    def encoder(drop_topic: str = "") -> Any:
        return encode_identities(drop_topic)

    @property
    def truth(self) -> set[Identity]:
        rows = self.standin.service.truth(PROJECT, LOGSTORE)
        return {(row["shard"], row["cursor"], row["index"]) for row in rows}

    @property
    def records(self) -> dict[int, Any]:
        """What the group knows of its shards."""
        with self.store.lock:
            return self.store.groups[GROUP].view(self.standin.clock.now())

    def positions(self) -> dict[int, SimpleNamespace]:
        """First and next position of each shard."""
        with self.store.lock:
            return {n: SimpleNamespace(first=s.first, next=s.next) for n, s in self.store.shards.items()}

    def delivered(self) -> Counter[Identity]:
        """What all members delivered."""
        return Counter(event for member in self.members for event in member.sink.events)

    def close(self) -> None:
        for member in self.members:
            member.stop()
        for client in self._clients:
            client.close()
        for line in self._lines:
            line.stop()


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., None]:
    return eventually


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    before = set(threading.enumerate())
    with SlsStandin() as standin:
        cloud = Cloud(standin)
        try:
            yield cloud
        finally:
            cloud.close()
    left = [each for each in threading.enumerate() if each not in before and each.name.startswith("sls-")]
    assert not left, f"threads live on: {left}"
