"""The page about the stand-in names everything there is, with its values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sls_hec_standins.sls import cli, routes, switches
from sls_hec_standins.sls.admin import Admin
from sls_hec_standins.sls.loading import Loader
from sls_hec_standins.sls.service import FAULT_KINDS, Service

PAGE = (Path(__file__).parents[4] / "docs" / "standins-sls.md").read_text()


def row(first_cell: str) -> str:
    """The line of a table that begins with a cell."""
    found = re.search(rf"^\| [^|]*`{re.escape(first_cell)}`[^\n]*", PAGE, re.MULTILINE)
    assert found, f"{first_cell} is in no table"
    return found[0]


@pytest.mark.parametrize("name", switches.NAMES)
def test_switches(name: str) -> None:
    values = switches.choices(name) or (switches.Switches().as_json()[name],)
    shown = [switches.show(value) for value in values]
    cell = row(name).split("|")[2].replace("`", "")
    at = [cell.find(value) for value in shown]
    assert -1 not in at
    assert at == sorted(at)


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_faults(kind: str) -> None:
    assert all(f"`{parameter}`" in row(kind) for parameter in FAULT_KINDS[kind])


@pytest.mark.parametrize("name", routes.NAMES)
def test_calls(name: str) -> None:
    row(name)


def test_admin_routes() -> None:
    service = Service.new()
    for method, path in Admin(service, Loader(service.store)).routes():
        cells = re.findall(rf"^\|([^|]*{path}`[^|]*)\|", PAGE, re.MULTILINE)
        assert any(method in cell for cell in cells), f"{method} {path}"


def test_options() -> None:
    options = re.findall(r"--[a-z-]+", cli.parser().format_help())
    assert {option for option in options if f"`{option}" not in PAGE} <= {"--help", "--list-"}
