"""Both stand-ins, the front before them, and the settings of what goes through it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from sls_hec_standins.hec import Token
from sls_hec_standins.hec.compare import Comparison, compare
from sls_hec_standins.hec.standin import DEMO_TOKEN, HecStandin
from sls_hec_standins.http import ServerTls
from sls_hec_standins.http.tls import ThrowawayCa
from sls_hec_standins.sls.standin import SlsStandin

from .front import Front

PROJECT, LOGSTORE, GROUP = "audit-project", "audit-logs", "splunk"
SHARDS = 4
GROUP_TIMEOUT = 8
#: Collectors, all of them the stand-in; those with TLS are reached through a tunnel.
HOSTS = (
    "http://hec-1.test:8088",
    "http://hec-2.test:8088",
    "https://hec-3.test:8443",
    "https://hec-4.test:8443",
)
_KEY = {"AccessKeyId": "STS.role-key", "AccessKeySecret": "role-secret", "SecurityToken": "role-token"}


class World:
    """Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self.sls = SlsStandin()
        self.hec = HecStandin(tokens=[Token(DEMO_TOKEN, name="demo", use_ack=True)], ack_latency=0.1)
        self.loaded = 0

    def __enter__(self) -> World:
        self._stack.enter_context(self.sls)
        self._stack.enter_context(self.hec)
        self.sls.add_key(_KEY["AccessKeyId"], _KEY["AccessKeySecret"], token=_KEY["SecurityToken"])
        self.logstore = self.sls.create_logstore(PROJECT, LOGSTORE, shards=SHARDS)
        self._ca = ThrowawayCa(self.folder / "ca")
        made = self._ca.server(["hec-3.test", "hec-4.test"])
        tls: ssl.SSLContext = ServerTls(made.cert, made.key).context()
        self.front = Front(self.sls.port, self.hec.server.port, tls, _KEY)
        self._stack.enter_context(self.front)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def load(self, logs: int) -> None:
        self.sls.load(PROJECT, LOGSTORE, logs=logs, logs_per_group=10)
        self.loaded += logs

    @property
    def indexed(self) -> int:
        """Different events at the collector."""
        return self.hec.store.summary()["identities"]

    def compare(self) -> Comparison:
        return compare(self.hec.store, self.sls.service.truth(PROJECT, LOGSTORE))

    @property
    def proxy(self) -> str:
        return f"http://user:secret@127.0.0.1:{self.front.port}"

    def environ(self, metrics: str, spool: Path) -> dict[str, str]:
        """Of a whole relay, with short time-outs."""
        return {
            "SLS_ENDPOINT": self.sls.endpoint,
            "SLS_RAM_ROLE": "relay",
            "SLS_METADATA_URL": f"http://127.0.0.1:{self.front.port}",
            "SLS_PROXY": self.proxy,
            "SLS_PROJECT": PROJECT,
            "SLS_LOGSTORE": LOGSTORE,
            "SLS_CG": GROUP,
            "SLS_CONSUMER": "relay-1",
            "SLS_HEARTBEAT_INTERVAL": "1",
            "SLS_GROUP_TIMEOUT": str(GROUP_TIMEOUT),
            "SLS_FETCH_INTERVAL": "0.1",
            "SLS_TIMEOUT": "1",
            "HEC_ENDPOINTS": ",".join(HOSTS),
            "HEC_TOKEN": DEMO_TOKEN,
            "HEC_CA_FILE": str(self._ca.cert),
            "HEC_PROXY": self.proxy,
            "HEC_TIMEOUT": "1",
            "HEC_CONNECTIONS": "2",
            "HEC_RETRY_MAX_DELAY": "0.3",
            "HEC_ACK_TIMEOUT": "10",
            "HEC_BATCH_AGE": "0.05",
            "RELAY_UNFOLD": "{}",
            "RELAY_BYTES_IN_FLIGHT": "8M",
            "RELAY_CHECKPOINT_INTERVAL": "0.5",
            "RELAY_STOP_TIMEOUT": "5",
            "RELAY_SPOOL_DIR": str(spool),
            "RELAY_METRICS": metrics,
        }

    def given(self, cursor: str) -> dict[str, str]:
        """What `client_calls.py` is told."""
        event: Mapping[str, str] = {"event": "single", "source": "client rows"}
        return {
            "port": str(self.front.port),
            "proxy": self.proxy,
            "endpoint": self.sls.endpoint,
            "ak_id": _KEY["AccessKeyId"],
            "ak_key": _KEY["AccessKeySecret"],
            "sts_token": _KEY["SecurityToken"],
            "project": PROJECT,
            "logstore": LOGSTORE,
            "group": "probe",
            "group_timeout": "30",
            "hec": HOSTS[0],
            "token": DEMO_TOKEN,
            "cursor": cursor,
            "event": str(dict(event)).replace("'", '"'),
        }
