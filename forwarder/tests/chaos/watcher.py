"""Asks every relay for its health each second, as a monitoring system does."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .sightings import NO_ANSWER, Sighting, Sightings

INTERVAL = 1.0
PATIENCE = 2.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))


def ask(path: Path) -> tuple[int, dict[str, Any]]:
    """Status and report of /healthz on a unix socket. OSError, ValueError or HTTPException without one."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        report: dict[str, Any] = json.loads(response.read())
        return response.status, report
    finally:
        connection.close()


class HealthWatcher:
    """`sockets` by the relays' names. `wrong` gets what contradicts itself."""

    def __init__(
        self,
        sockets: Mapping[str, Path],
        wrong: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sockets = sockets
        self._wrong = wrong
        self._clock = clock
        self._sightings = Sightings()
        self._latest: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=item, name=f"health-{item[0]}", daemon=True)
            for item in sockets.items()
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No more looks: relays that end in good order are no trouble."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(10)

    def sightings(self) -> list[Sighting]:
        with self._lock:
            return self._sightings.all()

    def standing(self, but: frozenset[str]) -> list[str]:
        """What stood at the last look, other than conditions of the names `but`, with the relays' words."""
        with self._lock:
            names = {name: list(lines) for name, lines in self._latest.items()}
        return [
            f"{relay}: {line}"
            for relay in self._sockets
            for line in names.get(relay, ["never asked"])
            if line.split()[0].rstrip(":") not in but
        ]

    def _watch(self, relay: str, path: Path) -> None:
        while not self._stop.is_set():
            self._look(relay, path)
            self._stop.wait(INTERVAL)

    def _look(self, relay: str, path: Path) -> None:
        try:
            status, report = ask(path)
        except (OSError, ValueError, http.client.HTTPException) as problem:
            found, lines = [(NO_ANSWER, "")], [f"{NO_ANSWER} {problem!r}"]
        else:
            conditions = report["conditions"]
            found = [(each["name"], each["subject"]) for each in conditions]
            lines = [f"{each['name']} {each['subject']}: {each['text']}" for each in conditions]
            critical = any(each["severity"] == "critical" for each in conditions)
            if critical and status == http.HTTPStatus.OK:
                self._wrong(f"{relay} answered {status} to /healthz though critical: {lines}")
        with self._lock:
            self._sightings.look(relay, found, self._clock())
            self._latest[relay] = lines
