"""Label values that others choose: topics of log writers, names of consumers in conditions."""

from __future__ import annotations

import hashlib
from typing import Final

from sls_hec_forwarder.untrusted import plain

#: Longest value (characters); longer ones are cut.
_LONGEST: Final = 120


def label(text: str) -> str:
    """`text` as a label value: short and printable.

    A changed value ends in a digest, because two series with equal labels would make the whole scrape
    invalid.
    """
    shown = plain(text[:_LONGEST])
    if shown == text:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{shown[:_LONGEST]}~{digest}"
