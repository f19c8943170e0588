"""The locked requirements hold what the relay imports: nothing is missing on a host, nothing is too much."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

LOCK = Path(__file__).parents[1] / "requirements" / "runtime.txt"

# Imports every module of the relay, and names the distributions whose modules were loaded by that.
IMPORT_ALL = """
import importlib, importlib.metadata, json, pkgutil, sys
import sls_hec_forwarder

for module in pkgutil.walk_packages(sls_hec_forwarder.__path__, "sls_hec_forwarder."):
    if not module.name.endswith("__main__"):  # that one would run
        importlib.import_module(module.name)
loaded = {name.partition(".")[0] for name in sys.modules}
owners = {}
for each in importlib.metadata.distributions():
    for path in each.files or ():
        owners.setdefault(path.parts[0].partition(".")[0], set()).add(each.metadata["Name"])
print(json.dumps(sorted(set().union(*(owners.get(name, set()) for name in loaded)))))
"""


def normalised(name: str) -> str:
    """As PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> set[str]:
    return {
        normalised(found) for found in re.findall(r"^([A-Za-z0-9._-]+)==", LOCK.read_text(), re.MULTILINE)
    }


def imported() -> set[str]:
    printed = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], check=True, capture_output=True, text=True, timeout=120
    ).stdout
    return {normalised(name) for name in json.loads(printed)}


def owners() -> dict[str, set[str]]:
    """The names that installed distributions bring, each with the distributions that bring it."""
    found: dict[str, set[str]] = {}
    for each in importlib.metadata.distributions():
        for path in each.files or ():
            found.setdefault(path.parts[0].partition(".")[0], set()).add(normalised(each.metadata["Name"]))
    return found


def written(source: Path) -> set[str]:
    """The first part of every name that a folder's modules import."""
    names = set()
    for path in source.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize(
    ("project", "package", "needed_otherwise"),
    [
        # The SDK imports it as soon as it is imported itself.
        ("sls-hec-forwarder", "sls_hec_forwarder", {"requests"}),
        ("sls-hec-standins", "sls_hec_standins", set()),
    ],
)
def test_what_a_package_declares_is_what_its_modules_import(
    project: str, package: str, needed_otherwise: set[str]
) -> None:
    [location] = importlib.import_module(package).__path__
    owned = owners()
    of_others = {owner for name in written(Path(location)) for owner in owned.get(name, ())}
    of_others -= {project, "sls-hec-forwarder-native"}  # optional, and on no index
    declared = {
        normalised(re.split(r"[ ;<>=!~\[]", each)[0]) for each in importlib.metadata.requires(project) or ()
    }
    assert declared - needed_otherwise == of_others


def test_every_import_is_locked() -> None:
    # These come with PyPy itself, or, as pip and setuptools, with an environment that builds packages; the
    # relay's own packages are no requirements, and one of them, which is optional, brings cffi.
    brought_along = {"sls-hec-forwarder", "cffi", "greenlet", "hpy", "readline", "pip", "setuptools"}
    brought_along |= {"sls-hec-forwarder-native", "pycparser"}
    assert imported() - brought_along <= locked()


def test_every_locked_requirement_is_imported() -> None:
    # tzdata holds the time zones that python-dateutil reads on demand: data, not a module.
    assert locked() - imported() <= {"tzdata"}


def test_what_the_sdk_asks_for_but_never_imports_is_not_locked() -> None:
    assert not locked() & {"elasticsearch", "elastic-transport", "dateparser", "regex", "pytz", "tzlocal"}


def test_every_locked_file_has_a_hash() -> None:
    for requirement in re.split(r"\n(?=\S)", LOCK.read_text().strip()):
        assert "--hash=sha256:" in requirement, requirement.splitlines()[0]
