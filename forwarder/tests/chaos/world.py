"""A site for chaos: both stand-ins over TLS, secrets in files, members that are killed and come again."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sls_hec_forwarder.spool import files as spool_files
from sls_hec_forwarder.spool.dead_letter import DeadLetter
from sls_hec_standins.hec.standin import HecStandin
from sls_hec_standins.hec.tokens import Token
from sls_hec_standins.http import ServerTls
from sls_hec_standins.http.tls import Certificate, ThrowawayCa
from sls_hec_standins.sls import cursors, wire
from sls_hec_standins.sls.auth import Key
from sls_hec_standins.sls.groups import Group
from sls_hec_standins.sls.standin import SlsStandin
from sls_hec_standins.sls.switches import Switches

from ..e2e.relay_process import interpreters
from ..e2e.site import GROUP, LOGSTORE, PROJECT, Site, wait_until
from ..spool.letters import read
from .member import Relay
from .watcher import HealthWatcher

IN_FLIGHT = 2 * 1024 * 1024
UNSAVED = 1024 * 1024  # what a relay may repeat when it is killed, beside a pull for each shard
PULL = 64 * 1024  # bytes of a pull, which as JSON are up to twice as many
GROUP_TIMEOUT = 6  # seconds
BATCH = 100 * 1024
EVENT_MAX = 200_000  # bytes of an event that HEC takes
BODY_MAX = 400_000  # bytes of a body
SPOOL = 1024 * 1024
FORBIDDEN_TOPIC = "chaos-forbidden"
# What goes to an index that tokens may write to, but for the time that it is taken from them.
INDEX_TOPIC, INDEX = "chaos-index", "second"
RULES = {FORBIDDEN_TOPIC: {"index": "forbidden"}, INDEX_TOPIC: {"index": INDEX}}
# A text that a firewall may look for.
MARKER = "chaos-marker"
# Logs in these texts are defects, whatever the trouble.
# A level, that is: the word is also in the line that tells of conditions.
DEFECTS = ("Traceback", "unexpected error", "Exception in thread", "Z CRITICAL ")


class Busy(Exception):
    """A trouble cannot begin now; later it may."""


class World(Site):
    """Use as a context manager. `keep` bounds the events that the HEC stand-in holds in full."""

    def __init__(self, folder: Path, seed: int, *, keep: int | None = None) -> None:
        rng = random.Random(f"{seed}/world")
        self.profile = rng.choice(("enterprise", "cloud", "atomic"))
        self.ca_file = folder / "ca-in-use.pem"
        self._ca_number = 0
        self._folder = folder
        self.ca = self._new_ca()
        sls_cert = self.ca.server(["sls.test", f"{PROJECT}.sls.test"])
        self.sls_ca = self.ca.cert
        super().__init__(
            folder,
            shards=6,
            sls=SlsStandin(
                seed=seed,
                tunnel_tls=ServerTls(sls_cert.cert, sls_cert.key),
                switches=Switches(pull_bytes=PULL),
            ),
            hec=HecStandin(
                seed=seed,
                profile=self.profile,
                nodes=2 if self.profile == "cloud" else 1,
                switches={"max_event_size": EVENT_MAX, "max_content_length": BODY_MAX},
                tokens=[self._token("sdk", "sdk-token")],
                tls=self._tls(self.ca.server(["127.0.0.1"])),
                keep=keep,
            ),
        )
        self.rng = rng
        self.spool = folder / "spool"
        self.sdk_dead = folder / "sdk-dead-letters"
        self.planted: dict[str, str] = {}  # sls_id to the way in which the event is bad
        self.uncertain: set[str] = set()  # by sls_id: good now, refused when they came, or not
        self.defects: list[str] = []
        self.repeatable = 0  # bytes that may come again, beside what the logs of the relays explain
        self.lost_answers = 0  # each may repeat a batch
        cpython, pypy = self._pythons()
        # A socket's path has at most 107 bytes, which a test's folder may exceed.
        self._socket_folder = Path(tempfile.mkdtemp(prefix="chaos-health-"))
        self.health_sockets = {name: self._socket_folder / f"{name}.sock" for name in ("relay-1", "relay-2")}
        self.relays = {
            "relay-1": self._relay("relay-1", cpython, SLS_COMPRESSION="lz4", HEC_GZIP="1"),
            "relay-2": self._relay("relay-2", pypy, SLS_COMPRESSION="zstd"),
        }
        self.health = HealthWatcher(self.health_sockets, self.defects.append)
        self.sdk: subprocess.Popen[bytes] | None = None
        self._watching = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def __enter__(self) -> World:
        super().__enter__()
        self._stack.callback(self._end)
        self.new_hec_token()
        self.new_sts_key()
        for relay in self.relays.values():
            relay.start()
        self._watcher.start()
        self.health.start()
        return self

    def _end(self) -> None:
        self._watching.set()
        if self._watcher.is_alive():
            self._watcher.join(10)
        self.health.stop()
        for relay in self.relays.values():
            relay.end()
        shutil.rmtree(self._socket_folder)

    @staticmethod
    def _pythons() -> tuple[str, str]:
        """One relay on each interpreter."""
        paths = interpreters()
        return paths[0], paths[-1]

    def _relay(self, name: str, python: str, **changes: str) -> Relay:
        def environ() -> dict[str, str]:
            return self.environ(name, **changes)

        return Relay(name, python, self.folder, environ, self.defects)

    def environ(self, consumer: str, **changes: str) -> dict[str, str]:
        shared = {
            "https_proxy": self.sls.proxy_url,
            "SLS_ENDPOINT": "https://sls.test",
            "SLS_CA_FILE": str(self.sls_ca),
            "SLS_GROUP_TIMEOUT": str(GROUP_TIMEOUT),
            "SLS_TIMEOUT": "3",
            "SLS_FETCH_INTERVAL": "0.2",
            "HEC_CA_FILE": str(self.ca_file),
            "HEC_TIMEOUT": "3",
            "HEC_ACK_TIMEOUT": "10",
            "HEC_RETRY_MAX_DELAY": "2",
            "HEC_BATCH_BYTES": str(BATCH),
            "HEC_ON_ERROR": "atomic" if self.profile == "atomic" else "prefix",
            "HEC_TOPIC_RULES": json.dumps(RULES),
            "RELAY_BYTES_IN_FLIGHT": str(IN_FLIGHT),
            "RELAY_BYTES_UNSAVED": str(UNSAVED),
            "RELAY_CHECKPOINT_INTERVAL": "0.5",
            "RELAY_STOP_TIMEOUT": "5",
            "RELAY_SPOOL_DIR": str(self.spool),
            "RELAY_SPOOL_BYTES": str(SPOOL),
        }
        if not consumer.startswith("sdk"):
            shared.update(
                {
                    "SLS_AK_ID": "",
                    "SLS_AK_KEY": "",
                    "SLS_AK_ID_FILE": str(self.folder / "ak-id"),
                    "SLS_AK_KEY_FILE": str(self.folder / "ak-key"),
                    "SLS_STS_TOKEN_FILE": str(self.folder / "sts-token"),
                    "HEC_TOKEN": "",
                    "HEC_TOKEN_FILE": str(self.folder / "hec-token"),
                    "RELAY_METRICS": f"unix:{self.health_sockets[consumer]}",
                }
            )
        else:
            shared.update(
                {
                    "HEC_TOKEN": "sdk-token",
                    "REQUESTS_CA_BUNDLE": str(self.sls_ca),
                    "SDK_DEAD_LETTERS": str(self.sdk_dead),
                }
            )
        return super().environ(consumer, **{**shared, **changes})

    # Secrets and certificates.

    def _token(self, name: str, value: str) -> Token:
        # Whoever is not acknowledged would not notice when an indexer dies with its queue.
        return Token(value, name=name, use_ack=True, indexes=("main", INDEX))

    def new_hec_token(self) -> str:
        """A token in the relays' file; the name, to take it away by."""
        name = value = str(uuid.UUID(int=self.rng.getrandbits(128)))
        self.hec.tokens.put(self._token(name, value))
        write(self.folder / "hec-token", value)
        return name

    def new_sts_key(self) -> str:
        """A temporary key in the relays' files; its id."""
        key = Key(f"STS.{self.rng.getrandbits(60):x}", f"{self.rng.getrandbits(120):x}", "sts-" + "x" * 20)
        self.sls.keys.put(key)
        write(self.folder / "ak-id", key.id)
        write(self.folder / "ak-key", key.secret)
        write(self.folder / "sts-token", key.token)
        return key.id

    def expire_key(self, key_id: str) -> None:
        key = self.sls.keys.get(key_id)
        assert key is not None
        self.sls.keys.put(Key(key.id, key.secret, key.token, expires=self.sls.clock.now() - 1))

    @property
    def key_id(self) -> str:
        return (self.folder / "ak-id").read_text()

    def _new_ca(self) -> ThrowawayCa:
        self._ca_number += 1
        ca = ThrowawayCa(self._folder / f"ca-{self._ca_number}")
        write(self.ca_file, ca.cert.read_text())
        return ca

    def new_hec_certificate(self, *, ca: bool) -> None:
        """With `ca` of a new authority, which the file that the relays were given names from now on."""
        if ca:
            self.ca = self._new_ca()
        self.hec.server.set_tls(self._tls(self.ca.server(["127.0.0.1"])))

    @staticmethod
    def _tls(certificate: Certificate) -> ServerTls:
        return ServerTls(certificate.cert, certificate.key)

    # Events.

    def plant(self, way: str, logs: list[bytes], bad: set[int], topic: str = "chaos") -> None:
        """Add a log group of texts, those in `bad` being what HEC refuses."""
        with self.logstore.lock:
            names = self._append(logs, topic)
            self.planted.update({names[index]: way for index in bad})

    def plant_uncertain(self, logs: list[bytes], topic: str) -> None:
        """Add a log group of which each event may be refused, if it comes early enough."""
        with self.logstore.lock:
            self.uncertain.update(self._append(logs, topic))

    def _append(self, logs: list[bytes], topic: str) -> list[str]:
        now = int(self.sls.clock.now())
        group = wire.write_log_group([(now, None, [("text", log)]) for log in logs], topic, "chaos")
        shard, cursor = self.logstore.append(group, len(logs))
        return [f"{shard}|{cursor}|{index}" for index in range(len(logs))]

    def never_indexed(self) -> set[str]:
        """Those of the uncertain events that are not indexed."""
        source = f"sls:{PROJECT}/{LOGSTORE}"
        return {name for name in self.uncertain if not self.hec.store.copies(source, name)}

    def dead_letters(self) -> Counter[str]:
        """What was saved as dead letters, by identity."""
        found: Counter[str] = Counter()
        for path in spool_files.files(self.spool):
            found.update(identity(letter) for letter in read(path))
        if self.sdk_dead.exists():
            found.update(self.sdk_dead.read_text().split())
        return found

    # Members.

    # What may come again, beside what the logs of the relays tell.

    def forgotten(self) -> None:
        """Each relay sends again what was not acknowledged, or read since the others looked."""
        self.repeatable += len(self.relays) * (UNSAVED + self._open_shards() * 2 * PULL)

    def sdk_pulls(self) -> int:
        """The SDK's consumer saves after each pull."""
        return self._open_shards() * 2 * PULL

    def _open_shards(self) -> int:
        """Shards that are not read to their end."""
        with self.logstore.lock:
            group = self.logstore.groups.get(GROUP)
            records = {} if group is None else group.view(self.sls.clock.now())
            saved = {number: cursors.decode(record.checkpoint) or 0 for number, record in records.items()}
            return sum(
                not shard.readonly or saved.get(number, 0) < shard.next
                for number, shard in self.logstore.shards.items()
            )

    def _watch(self) -> None:
        while not self._watching.wait(0.3):
            for relay in self.relays.values():
                relay.look()

    def start_sdk(self) -> None:
        self.sdk = self.sdk_worker("sdk-1")

    def stop_sdk(self, number: signal.Signals) -> None:
        if self.sdk is None:
            return
        if self.sdk.poll() is not None:
            self.defects.append(f"the SDK's worker ended by itself with {self.sdk.returncode}")
        self.sdk.send_signal(number)
        try:
            self.sdk.wait(30)
        except subprocess.TimeoutExpired:  # the SDK has threads that wait longer
            self.sdk.kill()
            self.sdk.wait(10)
        self.sdk = None

    def group(self) -> Group:
        """As it is on the server. `Busy` while there is none."""
        group = self.logstore.groups.get(GROUP)
        if group is None:
            raise Busy
        return group

    def await_group(self) -> None:
        """Somebody has deleted it just now, maybe; the relays create it again."""
        wait_until(lambda: GROUP in self.logstore.groups, "the consumer group to be there", 120)

    def kick(self, consumer: str) -> None:
        with self.logstore.lock:
            self.group().kick(consumer, self.sls.clock.now())

    def log_defects(self) -> Iterator[str]:
        # Only relays: the SDK prints tracebacks for ordinary trouble.
        for name in self.relays:
            for line in (self.folder / f"{name}.log").read_text(errors="replace").splitlines():
                if any(word in line for word in DEFECTS):
                    yield f"{name}: {line}"


def identity(letter: DeadLetter) -> str:
    fields: dict[str, Any] = json.loads(letter.envelope)["fields"]
    return str(fields["sls_id"])


def write(path: Path, text: str) -> None:
    """Replace a file at once, as whoever rotates secrets does."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    os.replace(new, path)


def serving() -> int:
    """Connections that the stand-ins still serve, each in a thread of this process."""
    return sum(thread.name.startswith("connection-") for thread in threading.enumerate())
