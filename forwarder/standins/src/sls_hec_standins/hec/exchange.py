"""One request while it is processed, and the record of it that is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from sls_hec_standins.hec.cluster import Node
from sls_hec_standins.http import Request


@dataclass
class Exchange:
    """A request, the node that serves it, and what is learned about it.

    `size` is that of the unpacked body, `events` the number indexed, `headers` go with the answer.
    """

    request: Request
    route: str
    node: Node
    headers: list[tuple[str, str]] = field(default_factory=list)
    channel: str = ""
    size: int = 0
    events: int = 0


class Answered(NamedTuple):
    """One answered request. `code` is HEC's, None for pages; sizes in bytes, before and after gunzip.

    `node` is -1 if no node was involved.
    """

    time: float
    route: str
    status: int
    code: int | None
    node: int = -1
    events: int = 0
    wire_size: int = 0
    size: int = 0
    channel: str = ""
