"""Imports point down: the order of the relay's folders, which leaves no room for a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sls_hec_forwarder

PACKAGE = "sls_hec_forwarder"
ROOT = Path(sls_hec_forwarder.__file__).parent

#: Folders (and files at the top) from the top down. A module imports from its own folder and from rows below
#: its own; those that share a row know nothing of each other. `sls` is what lies in that folder itself, and
#: so is `hec`.
LAYERS = (
    ("cli",),
    ("service",),
    ("doctor", "metrics", "replay"),
    ("sls.group", "hec.send"),
    ("sls.shard",),
    ("sls",),
    ("sls.api", "hec", "hec.api", "spool", "delivery"),
    ("process",),
    ("retry", "settings"),
    ("http", "health", "wire"),
    ("errors",),
    ("untrusted", "times"),
)
RANKS = {folder: rank for rank, row in enumerate(LAYERS) for folder in row}


def name_of(path: Path) -> str:
    """A module's name in the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in ROOT.rglob("*.py")}


def folder_of(module: str) -> str:
    """The folder that a module lies in; a file at the top is by itself."""
    if MODULES[module].name == "__init__.py":
        return module
    return module.rpartition(".")[0] or module


def imports_of(module: str) -> Iterator[str]:
    """The modules of the package that a module imports, wherever it does."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are by full names"
            for each in node.names:
                full = f"{node.module}.{each.name}"
                yield from _of_package(full if full.partition(".")[2] in MODULES else str(node.module))
        elif isinstance(node, ast.Import):
            for each in node.names:
                yield from _of_package(each.name)


def _of_package(name: str) -> Iterator[str]:
    head, _, rest = name.partition(".")
    if head == PACKAGE and rest:
        yield rest


IMPORTS = {module: set(imports_of(module)) for module in MODULES}


def test_every_folder_has_its_place() -> None:
    assert {folder_of(module) for module in MODULES} - {""} == set(RANKS)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_down(module: str) -> None:
    mine = folder_of(module)
    others = {each for each in IMPORTS[module] if folder_of(each) != mine}
    assert {each for each in others if RANKS[folder_of(each)] <= RANKS[mine]} == set()


@pytest.mark.parametrize(("one", "other"), [("sls", "hec"), ("hec", "sls")])
def test_sls_and_hec_know_nothing_of_each_other(one: str, other: str) -> None:
    found = {
        (module, each)
        for module in MODULES
        for each in IMPORTS[module]
        if module.partition(".")[0] == one and each.partition(".")[0] == other
    }
    assert found == set()


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Within a folder, too."""
    left = dict(IMPORTS)
    while free := [module for module, imported in left.items() if not imported & left.keys()]:
        for module in free:
            del left[module]
    assert left == {}
