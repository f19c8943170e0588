"""Makes the role's own modules and filters importable, as Ansible does."""

from __future__ import annotations

import sys
from pathlib import Path

import ansible.module_utils

ROLE = Path(__file__).parent.parent
ansible.module_utils.__path__.append(str(ROLE / "module_utils"))
sys.path[:0] = [str(ROLE / folder) for folder in ("library", "filter_plugins", "callback_plugins")]
