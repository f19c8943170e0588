"""What several tests need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jinja2
import pytest

ROLE = Path(__file__).parent.parent


@pytest.fixture
def render(tmp_path: Path) -> Callable[..., Path]:
    """Makes the command for operators, of a host whose settings lie in the folder `etc`."""

    def render(etc: Path) -> Path:
        path = tmp_path / "sls-hec-instance"
        template = (ROLE / "templates" / "sls-hec-instance.j2").read_text()
        path.write_text(
            jinja2.Environment(undefined=jinja2.StrictUndefined)
            .from_string(template)
            .render(
                ansible_managed="Managed",
                _sls_hec_forwarder_etc=str(etc),
                sls_hec_forwarder_root=str(tmp_path / "opt"),
            )
        )
        path.chmod(0o755)
        return path

    return render
