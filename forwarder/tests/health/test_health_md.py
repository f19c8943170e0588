from __future__ import annotations

from pathlib import Path

from sls_hec_forwarder.health.health_md import render

PAGE = Path(__file__).parents[3] / "docs" / "health.md"


def test_the_page_is_rendered_from_the_catalogue() -> None:
    assert PAGE.read_text() == render()
