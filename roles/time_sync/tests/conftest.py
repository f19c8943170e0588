"""Makes the role's own modules and filters importable, as Ansible does."""

from __future__ import annotations

import sys
from pathlib import Path

ROLE = Path(__file__).parent.parent
sys.path[:0] = [str(ROLE / "library"), str(ROLE / "filter_plugins")]
