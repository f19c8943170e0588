"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .relay_process import interpreters
from .site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as running:
        yield running


@pytest.fixture(params=interpreters(), ids=lambda path: "pypy" if "pypy" in path else "cpython")
def python(request: pytest.FixtureRequest) -> str:
    """An interpreter that the relay is to run on."""
    path: str = request.param
    return path
