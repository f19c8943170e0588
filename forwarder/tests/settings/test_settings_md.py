"""The settings table in the docs is what the code says."""

from __future__ import annotations

from pathlib import Path

from sls_hec_forwarder.settings.settings_md import render

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


def test_the_page_is_rendered_from_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "run: python -m sls_hec_forwarder.settings.settings_md > docs/settings.md"
    )
