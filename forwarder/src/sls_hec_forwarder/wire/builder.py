"""The fastest way to join many pieces of bytes, on each runtime."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.implementation.name != "pypy":

    class BytesBuilder(list[bytes]):
        """`__pypy__.builders.BytesBuilder` of PyPy, for other runtimes; `size` is the expected length."""

        def __init__(self, size: int) -> None:  # noqa: ARG002
            super().__init__()

        def build(self) -> bytes:
            return b"".join(self)

else:
    from __pypy__.builders import BytesBuilder

__all__ = ["BytesBuilder"]
