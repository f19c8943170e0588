"""A run has a relay on each interpreter: starting it from one is enough, and CPython is the quicker here."""

from __future__ import annotations

import platform

collect_ignore = ["test_chaos.py"] if platform.python_implementation() == "PyPy" else []
