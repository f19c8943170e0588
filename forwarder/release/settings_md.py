"""Renders docs/settings.md from the settings: `python forwarder/release/settings_md.py`."""

from __future__ import annotations

import sys
from typing import Any

from table import row

from sls_hec_forwarder.settings.model import SECTIONS, Spec, specs
from sls_hec_forwarder.settings.parse import expected, text_of

_TITLES = {
    "sls": "Where logs come from",
    "hec": "Where events go",
    "relay": "The relay itself",
}

_HEAD = """# Settings

<!-- Made by `python forwarder/release/settings_md.py > docs/settings.md`; a test compares them. -->

Every setting is an environment variable, and an empty one counts as not set. Each instance of the relay has
one environment file, in the syntax of systemd's `EnvironmentFile`. All settings are read once at start.
Wrong, unknown and conflicting settings are reported all at once, each by its name with what was expected, and
the relay exits with status 2 before it touches anything. `sls-hec-forwarder check` does the same, and then
tests the settings.

Settings marked *file* can come from a file: `HEC_TOKEN_FILE=/path` instead of `HEC_TOKEN`. A relative path is
resolved in `$CREDENTIALS_DIRECTORY`, where systemd puts a service's credentials. A line feed at the end is
ignored. SIGHUP reads these files again, but systemd credentials stay as they were when the service started:
new ones need a restart. Secrets are never shown in logs or messages.

Flags are `true` or `false`; `yes`, `no`, `on`, `off`, `1` and `0` are accepted too. Times are unix seconds or
have a time zone (`2026-01-31T08:00:00+08:00`), and mean the time at which SLS received a log.
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
    marks = [mark for mark, is_set in (("secret", spec.secret), ("file", spec.file)) if is_set]
    name = f"`{spec.name}`" + (f" ({', '.join(marks)})" if marks else "")
    return row(name, spec.help, expected(spec), _default(spec, default))


def _default(spec: Spec, default: Any) -> str:
    if spec.required:
        return "**required**"
    text = text_of(spec.kind, default)
    return f"`{text}`" if text else "unset"


if __name__ == "__main__":
    sys.stdout.write(render())
