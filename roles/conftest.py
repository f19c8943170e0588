"""Makes the collection's plugins importable, and known to the plays that tests run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COLLECTIONS = str(ROOT / "collections")
os.environ["ANSIBLE_COLLECTIONS_PATH"] = COLLECTIONS
sys.path[:0] = [COLLECTIONS, *(str(ROOT / "plugins" / kind) for kind in ("modules", "filter", "callback"))]
