"""Tables of the pages that are made from code."""

from __future__ import annotations


def row(*cells: str) -> str:
    """One line of a table in Markdown."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
