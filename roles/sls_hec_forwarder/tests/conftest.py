"""Makes the role's own modules and filters importable, as Ansible does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import ansible.module_utils
import jinja2
import pytest

ROLE = Path(__file__).parent.parent
ansible.module_utils.__path__.append(str(ROLE / "module_utils"))
sys.path[:0] = [str(ROLE / part) for part in ("library", "filter_plugins", "callback_plugins")]


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
                sls_hec_forwarder_user="nobody",
                sls_hec_forwarder_group="nogroup",
                sls_hec_forwarder_root=str(tmp_path / "opt"),
            )
        )
        path.chmod(0o755)
        return path

    return render
