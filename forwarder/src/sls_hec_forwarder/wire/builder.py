"""The fastest way each runtime has to put many pieces of bytes together."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.implementation.name != "pypy":

    class BytesBuilder(list[bytes]):
        """PyPy's `__pypy__.builders.BytesBuilder` for other runtimes; `size` is a guess of the result's."""

        def __init__(self, size: int) -> None:  # noqa: ARG002
            super().__init__()

        def build(self) -> bytes:
            return b"".join(self)

else:
    from __pypy__.builders import BytesBuilder

__all__ = ["BytesBuilder"]
