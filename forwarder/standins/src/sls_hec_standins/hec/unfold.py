"""Which fields a relay has to send as JSON instead of text: a second reader of its setting RELAY_UNFOLD.

Not the relay's own code, because the comparison tests that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sls_hec_standins.hec.jsontext import JsonError, Node, node, string_node

MAX_DEPTH = 100  # docs/events.md: deeper values stay text


class Unfold:
    """Names of fields by topic; a topic may be a prefix followed by `*`."""

    def __init__(self, rules: Mapping[str, Sequence[str]] | None = None) -> None:
        self._rules = {topic: frozenset(names) for topic, names in (rules or {}).items()}
        self._by_topic: dict[str, frozenset[str]] = {}

    @classmethod
    def parse(cls, text: str) -> Unfold:
        """The value of RELAY_UNFOLD, `{"topic": ["field"]}`, or FIELD,... for every topic.

        ValueError if it is neither.
        """
        if not text.startswith("{"):
            return cls({"*": [name for name in text.split(",") if name]})
        wrong = ValueError('unfold is JSON such as {"topic": ["field"]}, or FIELD,...')
        try:
            rules = json.loads(text)
        except (ValueError, RecursionError):
            raise wrong from None
        if not all(isinstance(names, list) and all(map(_is_text, names)) for names in rules.values()):
            raise wrong
        return cls(rules)

    def fields(self, topic: str) -> frozenset[str]:
        """The names of the fields that are unfolded in logs of this topic."""
        found = self._by_topic.get(topic)
        if found is None:
            matching = [names for pattern, names in self._rules.items() if _matches(pattern, topic)]
            found = self._by_topic[topic] = frozenset().union(*matching)
        return found


def unfolded(text: str) -> Node:
    """What an unfolded field has to arrive as: JSON if it is an object or array by RFC 8259, else text."""
    if text.lstrip(" \t\r\n").startswith(("{", "[")):
        try:
            return node(text, max_depth=MAX_DEPTH)
        except JsonError:
            return string_node(text)
    return string_node(text)


def _matches(pattern: str, topic: str) -> bool:
    return topic.startswith(pattern[:-1]) if pattern.endswith("*") else topic == pattern


def _is_text(value: object) -> bool:
    return isinstance(value, str)
