"""What only looks never writes: by what the stand-in was asked, and by what the code can reach."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sls_hec_forwarder
from sls_hec_forwarder.cli.arguments import parser
from sls_hec_forwarder.sls.api.client import SlsClient
from sls_hec_forwarder.sls.api.read_client import ReadClient
from sls_hec_standins.http import Request, Response
from sls_hec_standins.sls.app import SlsApp

from .conftest import World

SOURCE = Path(sls_hec_forwarder.__file__).parent

#: The calls that change nothing at SLS.
LOOKS = {"ListShards", "GetCursor", "GetCursorTime", "PullLogs", "ListConsumerGroup", "GetCheckPoint"}
#: The commands that are there to change something at SLS.
WRITE = {"run", "reset"}
#: Arguments of commands that need some.
ARGUMENTS = {"status": ["--interval", "0"], "replay": ["send"]}
WRITING_METHODS = {name for name in set(vars(SlsClient)) - set(vars(ReadClient)) if not name.startswith("_")}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that the stand-in was asked for."""
    calls: list[str] = []
    handle = SlsApp.handle

    def note(self: SlsApp, request: Request) -> Response:
        calls.append(self.route(request))
        return handle(self, request)

    monkeypatch.setattr(SlsApp, "handle", note)
    return calls


def commands() -> list[str]:
    [found] = [each for each in parser()._actions if isinstance(each, argparse._SubParsersAction)]
    return sorted(set(found.choices) - WRITE)


@pytest.mark.parametrize("name", commands())
@pytest.mark.parametrize("group", [True, False], ids=["with a group", "without"])
def test_no_command_that_looks_writes(
    world: World, asked: list[str], tmp_path: Path, name: str, group: bool
) -> None:
    world.settings.update(SLS_QUERY="* | where k = 'v'", RELAY_SPOOL_DIR=str(tmp_path))
    if group:
        world.client().create_group(33, True)
    asked.clear()
    done = world.run(name, *ARGUMENTS.get(name, []))
    assert done.returncode in (0, 1), done.stderr  # 2: it did not come to asking
    assert set(asked) <= LOOKS
    if name in ("check", "status"):
        assert "ListConsumerGroup" in asked


def test_the_calls_of_a_writer_are_noticed(world: World, asked: list[str]) -> None:
    client = world.client()
    client.create_group(33, True)
    client.update_group(34, True)
    client.heartbeat([])
    client.save_checkpoint(0, client.cursor(0, "end"), force=True)
    assert set(asked) - LOOKS == {
        "CreateConsumerGroup",
        "UpdateConsumerGroup",
        "HeartBeat",
        "UpdateCheckPoint",
    }


# By what the code can reach.


def imports(module: str) -> Iterator[str]:
    """The package's own modules that a module imports, wherever in it."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def tree(module: str) -> ast.Module:
    path = SOURCE.parent / Path(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def exists(module: str) -> bool:
    path = SOURCE.parent / Path(*module.split("."))
    return module.startswith("sls_hec_forwarder") and (path.is_dir() or path.with_suffix(".py").is_file())


def reached(module: str) -> set[str]:
    """The modules that a module imports, and those that they import."""
    found, waiting = {module}, [module]
    while waiting:
        new = {each for each in imports(waiting.pop()) if exists(each)} - found
        found |= new
        waiting += new
    return found


LOOKING_MODULES = [
    "doctor.checks",
    "doctor.rights",
    "sls.group.status",
    "sls.group.progress",
    "cli.check",
    "cli.status",
    "cli.pages",
]


@pytest.mark.parametrize("name", LOOKING_MODULES)
def test_what_looks_cannot_reach_the_client_that_writes(name: str) -> None:
    module = f"sls_hec_forwarder.{name}"
    modules = reached(module)
    assert "sls_hec_forwarder.sls.api.read_client" in modules
    assert "sls_hec_forwarder.sls.api.client" not in modules
    called = {node.attr for node in ast.walk(tree(module)) if isinstance(node, ast.Attribute)}
    assert not called & WRITING_METHODS


def test_there_are_methods_that_write() -> None:
    assert {"create_group", "update_group", "heartbeat", "save_checkpoint"} == WRITING_METHODS
