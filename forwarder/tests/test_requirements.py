"""The locked requirements hold what the relay imports: nothing is missing on a host, nothing is too much."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

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
