"""requests and urllib3 are there because the SDK imports them; nothing of theirs handles bytes from outside.

The newest of them that run on Python 3.9 lack published fixes (docs/hardening.md), so they must not be used.
"""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import sls_hec_forwarder

from .site import Site

UNUSED = ("requests", "urllib3")
#: Loaded by the interpreter before the relay: whatever of them is called writes its name and raises.
TRAPS = """
import os
import requests, requests.adapters, requests.sessions, requests.utils
import urllib3, urllib3.connection, urllib3.connectionpool, urllib3.poolmanager, urllib3.response

def note(text):
    with open(os.environ["TRAP_LOG"], "a") as file:
        file.write(text + "\\n")

def trap(owner, name):
    def called(*arguments, **more):
        note(f"{owner.__name__}.{name}")
        raise AssertionError(f"{owner.__name__}.{name} was called")
    assert callable(getattr(owner, name))
    setattr(owner, name, called)

for owner, names in (
    (requests.Session, ("send", "request")),
    (requests.adapters.HTTPAdapter, ("send", "proxy_manager_for")),
    (requests.utils, ("extract_zipped_paths",)),
    (urllib3.PoolManager, ("urlopen", "connection_from_host")),
    (urllib3.ProxyManager, ("urlopen",)),
    (urllib3.connectionpool.HTTPConnectionPool, ("urlopen",)),
    (urllib3.connection.HTTPConnection, ("connect", "request")),
    (urllib3.connection.HTTPSConnection, ("connect",)),
    (urllib3.response.HTTPResponse, ("read", "stream", "read_chunked", "drain_conn")),
):
    for name in names:
        trap(owner, name)
if hasattr(requests.adapters, "extract_zipped_paths"):  # by which name the adapters call it
    trap(requests.adapters, "extract_zipped_paths")
note("set")
"""


def modules() -> Iterator[Path]:
    yield from Path(sls_hec_forwarder.__file__).parent.rglob("*.py")


def test_no_module_imports_them() -> None:
    found = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            found += [f"{path.name}: {name}" for name in names if name.partition(".")[0] in UNUSED]
    assert found == []


def test_the_relay_and_its_commands_call_nothing_of_them(site: Site, python: str, tmp_path: Path) -> None:
    """Everything arrives while each of their ways out and in is a trap; SLS is reached through a proxy."""
    traps, log = tmp_path / "traps", tmp_path / "trapped"
    traps.mkdir()
    (traps / "sitecustomize.py").write_text(TRAPS)
    changes = {"PYTHONPATH": str(traps), "TRAP_LOG": str(log)}
    site.load(logs=200)
    relay = site.relay(python, "relay-1", **changes).wait_ready()
    site.wait_indexed(200)
    for command in ("check", "status --interval 0 --json", "reset --to begin"):
        done = subprocess.run(
            [python, "-m", "sls_hec_forwarder.cli", *command.split()],
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **site.environ("relay-1", **changes)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "Traceback" not in done.stderr, done.stderr
    assert relay.stop() == 0
    assert set(log.read_text().split("\n")) == {"set", ""}, log.read_text()
