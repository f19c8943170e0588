"""Renders docs/settings.md from the settings themselves: `python -m sls_hec_forwarder.settings.docs`."""

from __future__ import annotations

import json
import sys
from typing import Any

from sls_hec_forwarder.settings.model import SECTIONS, Kind, Spec, specs

_TITLES = {
    "sls": "Where logs come from",
    "hec": "Where events go",
    "relay": "The relay itself",
}

_HEAD = """# Settings

<!-- Rendered by `python -m sls_hec_forwarder.settings.docs`; a test compares it with the code. -->

Every setting is an environment variable; each instance of the relay has one environment file. All are read
once at start. Wrong values, unknown names and values that do not go together are reported in one go, and the
relay exits with status 2 before it touches anything.

A **secret** can come from a file instead: `HEC_TOKEN_FILE=/path` in place of `HEC_TOKEN`. A relative path is
looked for in `$CREDENTIALS_DIRECTORY`, where systemd puts credentials. SIGHUP reads these files again.

Flags take `true`/`false`, `yes`/`no`, `on`/`off`, `1`/`0`. Times need their zone:
`2026-01-31T08:00:00+08:00`.
"""


def render() -> str:
    """The whole page."""
    parts = [_HEAD]
    for key, section in SECTIONS.items():
        parts.append(
            f"\n## {_TITLES[key]}\n\n"
            "| setting | what it is | expected | default |\n| --- | --- | --- | --- |\n"
        )
        parts += [_row(spec, field.default) for field, spec in specs(section)]
    return "".join(parts)


def _row(spec: Spec, default: Any) -> str:
    name = f"`{spec.name}`" + (" (secret)" if spec.secret else "")
    cells = (name, spec.help, _expected(spec), _default(spec, default))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _expected(spec: Spec) -> str:
    if spec.kind is Kind.CHOICE:
        return ", ".join(f"`{choice}`" for choice in spec.choices)
    bounds = [
        f"{word} {value:g}" for word, value in (("from", spec.low), ("to", spec.high)) if value is not None
    ]
    if spec.kind is Kind.BYTES:
        bounds = [
            f"{word} {_size(value)}" for word, value in (("from", spec.low), ("to", spec.high)) if value
        ]
    return str(spec.kind.value) + (f", {' '.join(bounds)}" if bounds else "")


def _size(value: float) -> str:
    for unit, factor in (("G", 1024**3), ("M", 1024**2), ("K", 1024)):
        if value >= factor and value % factor == 0:
            return f"{value / factor:g}{unit}"
    return f"{value:g}"


def _default(spec: Spec, default: Any) -> str:
    if spec.required:
        return "**required**"
    if default in ("", ()) or (spec.name == "SLS_GROUP_TIMEOUT" and default == 0):
        return "unset"
    if spec.kind is Kind.UNFOLD:
        fields: dict[str, list[str]] = {}
        for topic, name in default:
            fields.setdefault(topic, []).append(name)
        return f"`{json.dumps(fields)}`"
    if spec.kind is Kind.FLAG:
        return f"`{str(default).lower()}`"
    if spec.kind is Kind.BYTES:
        return f"`{_size(default)}`" if default % 1024 == 0 else f"`{default}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


if __name__ == "__main__":
    sys.stdout.write(render())
