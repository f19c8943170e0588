"""Memory management tuned for this program."""

from __future__ import annotations

import os
import platform
import sys

#: PyPy reads these only when it starts. By default the nursery is half the processor's cache, on some
#: machines 150 MB, and a major collection begins at eight times that: more than 1 GB.
PYPY_GC = {"PYPY_GC_MAJOR_COLLECT": "1.3", "PYPY_GC_NURSERY": "16MB"}
#: glibc reads these when it starts (mallopt(3)). With them, freed pulls and batches of megabytes go back to
#: the system at once; by default every thread keeps a fragmented heap, which doubles the memory in use.
MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072"}


def tune() -> None:
    """Re-execute this process, under the same process id, unless these variables are already set."""
    wanted = {**MALLOC, **PYPY_GC} if platform.python_implementation() == "PyPy" else MALLOC
    missing = {name: value for name, value in wanted.items() if name not in os.environ}
    if not missing:
        return
    started_as_module = getattr(sys.modules["__main__"], "__spec__", None) is not None
    program = ["-m", "sls_hec_forwarder.cli"] if started_as_module else [sys.argv[0]]
    arguments = [sys.executable, *program, *sys.argv[1:]]
    os.execve(sys.executable, arguments, {**os.environ, **missing})  # noqa: S606 - this program itself, without a shell
