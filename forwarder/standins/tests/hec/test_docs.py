"""The page about the stand-in names everything that can be set."""

from __future__ import annotations

import urllib.request
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from sls_hec_standins.hec.app import HEC_KINDS
from sls_hec_standins.hec.behaviour import PROFILES, Behaviour
from sls_hec_standins.hec.cli import parser
from sls_hec_standins.http.faults import SERVER_KINDS

PAGE = Path(__file__).parents[4] / "docs" / "standins-hec.md"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_options(page: str) -> None:
    for action in parser()._actions:
        assert f"`{action.option_strings[-1]}" in page


def test_profiles_and_switches(page: str) -> None:
    for name in PROFILES:
        assert f"`{name}`" in page
    for item in fields(Behaviour):
        assert f"| `{item.name}` |" in page


def test_faults_and_their_parameters(page: str) -> None:
    for kind, parameters in {**SERVER_KINDS, **HEC_KINDS}.items():
        [row] = [line for line in page.splitlines() if line.startswith(f"| `{kind}` |")]
        assert all(f"`{name}`" in row for name in parameters), row


def test_routes(page: str, hec: Any) -> None:
    with urllib.request.urlopen(hec.admin_url + "/routes", timeout=20) as answer:
        routes = [line.split() for line in answer.read().decode().splitlines()]
    assert len(routes) > 10
    for path, method in routes:
        assert f"`{method} {path}`" in page
