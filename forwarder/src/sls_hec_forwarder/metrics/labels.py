"""Values of labels that others choose: topics of log writers, names of consumers in conditions."""

from __future__ import annotations

import hashlib
from typing import Final

from sls_hec_forwarder.untrusted import plain

#: Longest value (characters), as far as it is shown.
_LONGEST: Final = 120


def label(text: str) -> str:
    """`text` as the value of a label: short and printable.

    What had to be changed ends in a digest, for two series must not get the same labels: that spoils the
    whole scrape.
    """
    shown = plain(text[:_LONGEST])
    if shown == text:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{shown[:_LONGEST]}~{digest}"
