"""Nodes behind one address, as a load balancer in front of indexers shows them."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections import OrderedDict
from collections.abc import Mapping

from sls_hec_standins.hec.acks import Acks
from sls_hec_standins.hec.answers import HtmlRefusal
from sls_hec_standins.hec.behaviour import Behaviour

_CONNECTIONS = 4096  # more than the server has open; older ones are over


class Node:
    """One indexer: up or down, with its acknowledgement state."""

    def __init__(self, number: int, behaviour: Behaviour) -> None:
        self.number = number
        self.up = True
        self.acks = Acks(behaviour)
        self._behaviour = behaviour

    def restart(self) -> None:
        """Lose the acknowledgement state, which lives in memory only."""
        self.acks = Acks(self._behaviour)


class Cluster:
    """Hands each request to a node: the one its cookie names, where cookies are used, or the next in turn.

    With the switch `balance` set to "connection" the next in turn serves all requests of one connection.
    """

    def __init__(self, nodes: int, behaviour: Behaviour, seed: int = 0) -> None:
        if nodes < 1:
            raise ValueError(f"there must be at least one node, not {nodes}")
        self.nodes = [Node(number, behaviour) for number in range(nodes)]
        self._cookie = behaviour.sticky_cookie
        self._by_connection = behaviour.balance == "connection"
        self._connections: OrderedDict[int, Node] = OrderedDict()
        values = [hashlib.sha256(f"{seed}/{node}".encode()).hexdigest()[:32] for node in range(nodes)]
        self._values = values
        self._by_value = dict(zip(values, self.nodes))
        self._turn = itertools.count()
        self._lock = threading.Lock()

    def pick(self, cookies: Mapping[str, str], connection: int) -> tuple[Node, list[tuple[str, str]]]:
        """The node for a request on a connection, and the headers that tie the client to it.

        `HtmlRefusal` 503, from the load balancer, when all nodes are down.
        """
        tied = self._by_value.get(cookies.get(self._cookie, "")) if self._cookie else None
        if tied is not None and tied.up:
            return tied, []
        with self._lock:
            up = [node for node in self.nodes if node.up]
            if not up:
                raise HtmlRefusal(503, "No target is available.")
            node = self._next(up, connection)
        if not self._cookie:
            return node, []
        return node, [("Set-Cookie", f"{self._cookie}={self._values[node.number]}; Path=/")]

    def _next(self, up: list[Node], connection: int) -> Node:
        if not self._by_connection:
            return up[next(self._turn) % len(up)]
        node = self._connections.get(connection)
        if node is None or not node.up:
            node = up[next(self._turn) % len(up)]
        self._connections[connection] = node
        self._connections.move_to_end(connection)
        if len(self._connections) > _CONNECTIONS:
            self._connections.popitem(last=False)
        return node
