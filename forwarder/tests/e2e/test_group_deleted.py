"""The consumer group is deleted, or its checkpoints are set, while relays run as processes."""

from __future__ import annotations

from sls_hec_standins.sls import cursors

from .site import GROUP, LOGSTORE, PROJECT, Site, wait_until

#: What two relays can have on its way when the group goes, with a heartbeat every second.
BOUND = 4_000


def _all_saved(site: Site) -> bool:
    with site.logstore.lock:
        view = site.logstore.groups[GROUP].view(site.sls.clock.now())
        ends = {shard.number: cursors.encode(shard.next) for shard in site.logstore.shards.values()}
    return all(record.checkpoint == ends[number] for number, record in view.items())


def test_group_deleted_under_two_relays(site: Site, python: str) -> None:
    """The 20,000 logs from before are not sent again; at most what was on its way is."""
    site.load(logs=20_000)
    relays = [site.relay(python, name).wait_ready() for name in ("relay-1", "relay-2")]
    site.wait_shares("relay-1", "relay-2")
    site.wait_indexed(20_000)
    site.load(logs=8_000, rate=1_000, seed=2)
    site.sls.console.delete_group(PROJECT, LOGSTORE, GROUP)
    wait_until(lambda: GROUP in site.logstore.groups, "the group to be created again")
    site.wait_indexed(28_000)
    site.wait_shares("relay-1", "relay-2")
    result = site.compare()
    assert result.complete, str(result)
    assert result.duplicates <= BOUND, str(result)
    assert all(relay.stop() == 0 for relay in relays)
    # The other one may find the group created again already.
    assert any("[group_deleted]" in relay.log() for relay in relays)
    # What was restored is where the next one goes on.
    before = site.hec.store.summary()["events"]
    site.relay(python, "relay-3").wait_ready()
    site.load(logs=100, seed=3)
    site.wait_indexed(28_100)
    assert site.hec.store.summary()["events"] - before <= 100 + 10


def test_checkpoint_set_back_in_the_console_is_obeyed(site: Site, python: str) -> None:
    site.load(logs=4_000)
    relay = site.relay(python, "relay-1").wait_ready()
    site.wait_indexed(4_000)
    wait_until(lambda: _all_saved(site), "the checkpoints to be saved")
    before = site.hec.store.summary()["events"]
    site.sls.console.set_checkpoint(PROJECT, LOGSTORE, GROUP, to="begin", shard=0)
    wait_until(lambda: "[checkpoint_moved]" in relay.log(), "the move to be seen")
    wait_until(lambda: site.hec.store.summary()["events"] > before, "shard 0 to be read again")
    assert "log groups are read again" in relay.log()
    assert relay.stop() == 0
    assert site.compare().complete
