"""Conditions that follow from measurements. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from sls_hec_forwarder.health.facts import Facts, ShardFacts

#: How long (seconds) a shard may go without a pull, and an event without delivery, before it is reported.
STALLED: Final = 60.0
UNDELIVERED: Final = 120.0
#: Clock error (seconds) that is reported: half of the 900 s beyond which SLS refuses requests.
SKEWED: Final = 450.0
#: Temporary credentials that expire within this time (seconds) should have been renewed long ago.
EXPIRING: Final = 300.0
#: The spool counts as filling from this fraction of its limit on.
FILLING: Final = 0.8

#: The conditions that `assess` finds; all others are reported where they occur.
ASSESSED: Final = (
    "heartbeat_late",
    "shards_unowned",
    "shard_stalled",
    "delivery_stalled",
    "clock_skewed",
    "credentials_expiring",
    "spool_filling",
)


class Assessed(NamedTuple):
    """A condition that the measurements show to be active."""

    name: str
    subject: str
    text: str


def assess(facts: Facts) -> Iterator[Assessed]:
    """The conditions that these measurements show."""
    if facts.heartbeat_age is not None and facts.group_timeout is not None:
        if facts.heartbeat_age > facts.group_timeout:
            late, timeout = facts.heartbeat_age, facts.group_timeout
            text = f"no heartbeat was answered for {late:.0f} s (time-out {timeout:.0f} s)"
            yield Assessed("heartbeat_late", "", text)
        if facts.unowned and facts.unowned_for > facts.group_timeout:
            names = ", ".join(str(shard) for shard in facts.unowned[:20])
            yield Assessed("shards_unowned", "", f"shards without an owner: {names}")
    for shard in facts.shards:
        yield from _assess_shard(shard)
    if facts.clock_skew is not None and abs(facts.clock_skew) > SKEWED:
        yield Assessed("clock_skewed", "", f"this machine's clock is {facts.clock_skew:+.0f} s off")
    if facts.credentials_left is not None and facts.credentials_left < EXPIRING:
        yield Assessed(
            "credentials_expiring", "", f"credentials expire in {max(0.0, facts.credentials_left):.0f} s"
        )
    used, limit = facts.spool_bytes, facts.spool_limit
    if used is not None and limit and used >= FILLING * limit:
        yield Assessed("spool_filling", "", f"{used} of {limit} bytes are in use")


def _assess_shard(shard: ShardFacts) -> Iterator[Assessed]:
    subject = f"shard {shard.shard}"
    if shard.pulling and shard.last_pull is not None and shard.last_pull > STALLED:
        yield Assessed("shard_stalled", subject, f"not pulled for {shard.last_pull:.0f} s")
    oldest = shard.oldest_undelivered
    if oldest is not None and oldest > UNDELIVERED:
        yield Assessed("delivery_stalled", subject, f"its oldest event has waited for {oldest:.0f} s")
