"""The commands as their users run them: processes, against both stand-ins."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from sls_hec_forwarder import settings as configuration
from sls_hec_forwarder.sls.api.client import SlsClient
from sls_hec_forwarder.sls.api.credentials import credentials_for
from sls_hec_standins.hec import DEMO_TOKEN, HecStandin
from sls_hec_standins.sls.standin import SlsStandin

TIMEOUT = 120


class World:
    """Both services, and settings with which everything is well."""

    def __init__(self, sls: SlsStandin, hec: HecStandin) -> None:
        self.sls = sls
        self.hec = hec
        sls.add_key("ak", "the-secret-of-ak")
        sls.create_logstore("proj", "store", shards=2)
        self._clients: list[SlsClient] = []
        self.settings = {
            "SLS_ENDPOINT": sls.endpoint,
            "SLS_PROXY": sls.proxy_url,
            "SLS_AK_ID": "ak",
            "SLS_AK_KEY": "the-secret-of-ak",
            "SLS_PROJECT": "proj",
            "SLS_LOGSTORE": "store",
            "SLS_CG": "relay",
            "SLS_CONSUMER": "relay-1",
            "HEC_ENDPOINTS": hec.url,
            "HEC_TOKEN": DEMO_TOKEN,
        }

    def environ(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {**kept, **{name: value for name, value in self.settings.items() if value}}

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        """The command, running."""
        return self.start_program([sys.executable, "-m", "sls_hec_forwarder.cli", *arguments], **more)

    def start_program(self, program: list[str], **more: Any) -> subprocess.Popen[str]:
        """A program with the settings of the world, running."""
        return subprocess.Popen(
            program,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command, when it has ended."""
        process = self.start(*arguments)
        with ended(process):
            out, err = process.communicate(timeout=TIMEOUT)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def check(self, *arguments: str) -> tuple[int, list[dict[str, str]]]:
        """Exit status and findings of `check`."""
        done = self.run("check", "--json", *arguments)
        assert done.stderr == ""
        told = json.loads(done.stdout)
        assert told["ok"] is (done.returncode == 0)
        return done.returncode, told["checks"]

    def client(self) -> SlsClient:
        settings = configuration.load(self.environ()).sls
        self._clients.append(SlsClient(settings, settings.consumer, credentials_for(settings)))
        return self._clients[-1]

    def close(self) -> None:
        for client in self._clients:
            client.close()


class ended:
    """The process is gone behind the block, whatever happens in it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __enter__(self) -> subprocess.Popen[str]:
        return self._process

    def __exit__(self, *exc: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(TIMEOUT)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def world() -> Iterator[World]:
    with SlsStandin() as sls, HecStandin() as hec:
        world = World(sls, hec)
        yield world
        world.close()
