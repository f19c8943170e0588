"""The stand-in of SLS that the tests of `sls` have."""

from __future__ import annotations

from ..sls.conftest import cloud

__all__ = ["cloud"]
