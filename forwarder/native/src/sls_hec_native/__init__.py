"""The native encoder of the relay: one shared library, called through cffi on CPython and PyPy alike.

`lib.sls_encode` is what sls_hec_encode.h says; the interpreter's lock is released while it runs. Raises
ImportError where the library cannot be loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cffi import FFI

__all__ = ["ffi", "lib"]

_FOLDER = Path(__file__).parent

ffi: Any = FFI()
ffi.cdef((_FOLDER / "sls_hec_encode.h").read_text(encoding="utf-8").split("/* -- */")[1])

try:
    lib: Any = ffi.dlopen(str(_FOLDER / "libsls_hec_encode.so"))
except OSError as error:
    raise ImportError(f"the native encoder cannot be loaded: {error}") from error
