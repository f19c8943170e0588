"""Which destinations events can have."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sls_hec_forwarder.wire.rules import Destination, Rules, TopicRule

TOPICS = [first + second for first in ("", "a", "b", "z") for second in ("", "a", "b", "z")]
patterns = st.sampled_from([topic + ending for topic in ("", "a", "b", "ab", "bb") for ending in ("", "*")])
names = st.sampled_from([None, "", "one", "two"])


@given(
    rules=st.lists(st.builds(TopicRule, patterns, index=names, sourcetype=names), max_size=3),
    include=st.lists(patterns, max_size=2),
    exclude=st.lists(patterns, max_size=2),
)
def test_every_destination_that_a_topic_leads_to_is_named(
    rules: list[TopicRule], include: list[str], exclude: list[str]
) -> None:
    every = Rules("s", "st", "ix", topics=tuple(rules), include=tuple(include), exclude=tuple(exclude))
    envelopes = [every.envelope(topic) for topic in TOPICS if every.passes(topic)]
    reached = {Destination(each["index"], each["sourcetype"]) for each in envelopes}
    assert reached <= set(every.destinations())


def test_what_no_topic_leads_to_is_not_named() -> None:
    rules = Rules(
        "s",
        index="rest",
        topics=(TopicRule("a", "x"), TopicRule("a*", "y"), TopicRule("ab", "never"), TopicRule("q", "out")),
        include=("a*", "b"),
        exclude=("b*",),
    )
    assert rules.destinations() == [Destination("x", ""), Destination("y", "")]
    everything = Rules("s", index="rest", topics=(TopicRule("*", sourcetype="t"),))
    assert everything.destinations() == [Destination("rest", "t")]
    assert Rules("s").destinations() == [Destination("", "")]
