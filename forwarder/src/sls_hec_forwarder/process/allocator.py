"""Memory management that fits the program rather than the machine."""

from __future__ import annotations

import os
import platform
import sys

#: PyPy reads these only when it starts. By default new objects get half the processor's cache, 150 MB on
#: some, and old ones are looked through when they are eight times that: more than 1 GB.
PYPY_GC = {"PYPY_GC_MAJOR_COLLECT": "1.3", "PYPY_GC_NURSERY": "16MB"}
#: glibc reads these when it starts (mallopt(3)). Pulls and batches, of megabytes each, go back to the system
#: at once when they are freed; by default every thread keeps a heap full of holes, twice as much in all.
MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072"}


def tune() -> None:
    """Start this process anew, under the same id, unless its memory management was tuned from outside."""
    wanted = {**MALLOC, **PYPY_GC} if platform.python_implementation() == "PyPy" else MALLOC
    missing = {name: value for name, value in wanted.items() if name not in os.environ}
    if not missing:
        return
    started_as_module = getattr(sys.modules["__main__"], "__spec__", None) is not None
    program = ["-m", "sls_hec_forwarder.cli"] if started_as_module else [sys.argv[0]]
    arguments = [sys.executable, *program, *sys.argv[1:]]
    os.execve(sys.executable, arguments, {**os.environ, **missing})  # noqa: S606 - ourselves, without a shell
