"""The rules of the encoder: topics to pass, envelope keys, fields to unfold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# Names in an event of the fields that come from the log group, as SLS itself shows them.
TOPIC_OF_GROUP = "__topic__"
SOURCE_OF_GROUP = "__source__"
TAG_PREFIX = "__tag__:"


@dataclass(frozen=True)
class TopicRule:
    """Envelope keys for logs of one topic; None keeps the default of `Rules`, "" omits the key.

    `topic` is an exact topic, or a prefix followed by `*`.
    """

    topic: str
    index: str | None = None
    sourcetype: str | None = None
    source: str | None = None
    host: str | None = None


@dataclass(frozen=True)
class Destination:
    """Where an event goes; "" is the HEC token's default."""

    index: str
    sourcetype: str


@dataclass(frozen=True)
class Rules:
    """How logs become events.

    An empty `source`, `sourcetype`, `index` or `host` omits the key, so that the HEC token's default applies.
    `host` is `__source__` for the log group's source, `__tag__:<key>` for that tag, or a literal; an empty or
    missing source or tag omits the key too. Topics in `topics` (the first match wins), `include`, `exclude`
    and `unfold` are exact, or a prefix followed by `*`.
    """

    source: str
    sourcetype: str = ""
    index: str = ""
    host: str = SOURCE_OF_GROUP
    topics: tuple[TopicRule, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    unfold: tuple[tuple[str, str], ...] = ()
    identity: bool = True

    def passes(self, topic: str) -> bool:
        """Whether logs of this topic are sent: it is in `include`, or that is empty, and not in `exclude`."""
        return (not self.include or _any(self.include, topic)) and not _any(self.exclude, topic)

    def envelope(self, topic: str) -> dict[str, str]:
        """Envelope keys of this topic, in the order they are sent; "" omits a key."""
        return self.envelope_of(
            next((rule for rule in self.topics if matches(rule.topic, topic)), TopicRule(topic))
        )

    def envelope_of(self, rule: TopicRule) -> dict[str, str]:
        """Envelope keys of the topics whose first match is `rule`."""
        return {
            "host": self.host if rule.host is None else rule.host,
            "source": self.source if rule.source is None else rule.source,
            "sourcetype": self.sourcetype if rule.sourcetype is None else rule.sourcetype,
            "index": self.index if rule.index is None else rule.index,
        }

    def destinations(self) -> list[Destination]:
        """Every index and sourcetype that events can have by these rules, each pair once."""
        found: dict[Destination, None] = {}
        patterns = [rule.topic for rule in self.topics]
        for number, pattern in enumerate([*patterns, "*"]):
            wanted = [_narrower(pattern, each) for each in self.include or ("*",)]
            hidden = (*self.exclude, *patterns[:number])
            if any(each is not None and not covered(each, hidden) for each in wanted):
                rule = self.topics[number] if number < len(patterns) else TopicRule(pattern)
                found[self._destination(rule)] = None
        return list(found)

    def _destination(self, rule: TopicRule) -> Destination:
        return Destination(
            self.index if rule.index is None else rule.index,
            self.sourcetype if rule.sourcetype is None else rule.sourcetype,
        )

    def unfolded(self, topic: str) -> frozenset[str]:
        """Names of the fields of this topic whose JSON text is sent as JSON."""
        return frozenset(field for pattern, field in self.unfold if matches(pattern, topic))


def matches(pattern: str, topic: str) -> bool:
    """Whether a topic matches the pattern, which is exact or ends in `*`."""
    if pattern.endswith("*"):
        return topic.startswith(pattern[:-1])
    return topic == pattern


def covered(pattern: str, by: Iterable[str]) -> bool:
    """Whether one of the patterns `by` matches all that `pattern` matches."""
    # A pattern that ends in * is covered only by one that also does; its own * then stands for any text.
    return any(matches(each, pattern) if each.endswith("*") else each == pattern for each in by)


def _narrower(one: str, other: str) -> str | None:
    """The pattern that matches the topics that both match, or None if there are none."""
    return one if covered(one, [other]) else other if covered(other, [one]) else None


def _any(patterns: Iterable[str], topic: str) -> bool:
    return any(matches(pattern, topic) for pattern in patterns)
