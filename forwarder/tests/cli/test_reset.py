"""`reset`: says what it would do, does it when told to, and never under the hands of members."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.client import SlsClient
from sls_hec_forwarder.sls.api.errors import ServiceFault
from sls_hec_forwarder.sls.group.reset import CONSUMER, Impossible, MembersAlive, carry_out, plan
from sls_hec_standins.http import Fault
from sls_hec_standins.sls import wire

from .conftest import World

TIMEOUT = 40


class Site:
    """A group whose member read shard 0 up to its sixth log group of ten, and has gone."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = world.sls.store.project("proj").logstore("store")
        self.begun = int(world.sls.clock.now())
        for number in range(10):
            self.put(received=self.begun + 10 * number)
        world.sls.clock.advance(200)
        self.client = world.client()
        self.client.create_group(TIMEOUT, False)
        assert self.client.heartbeat([]) == [0, 1]
        self.first = cursors.decode(self.client.cursor(0, "begin"))
        self.client.save_checkpoint(0, self.at(6))

    def put(self, received: float) -> None:
        with self.store.lock:
            data = wire.write_log_group([(1_700_000_000, None, [("k", "v")])])
            self.store.append(data, 1, shard=0, received=received)

    def at(self, number: int) -> str:
        return cursors.encode(self.first + number)

    def abandon(self) -> Site:
        """The member is forgotten."""
        self.world.sls.clock.advance(TIMEOUT + 1)
        return self

    def saved(self) -> dict[int, str]:
        return {shard: each.cursor for shard, each in self.client.checkpoints().items()}

    def reset(self, *arguments: str, status: int = 0) -> Any:
        done = self.world.run("reset", "--json", *arguments)
        assert done.returncode == status, done.stderr
        told = json.loads(done.stdout)
        assert told["problem"] == done.stderr.rstrip("\n")
        return told

    def writer(self) -> SlsClient:
        return self.world.client()


@pytest.fixture
def site(world: World) -> Site:
    return Site(world)


def test_nothing_is_changed_without_yes(site: Site) -> None:
    site.abandon()
    before = site.saved()
    told = site.reset("--to", "begin")
    first, second = told["shards"]
    assert (first["shard"], first["before"]["cursor"], first["after"]["cursor"]) == (
        0,
        site.at(6),
        site.at(0),
    )
    assert (first["groups"], first["seconds"]) == (-6, -60)
    # Shard 1 has no checkpoint yet.
    assert (second["shard"], second["before"], second["groups"]) == (1, None, None)
    assert not any(each["changed"] for each in told["shards"])
    assert site.saved() == before


def test_with_yes_it_is_done_and_read_back(site: Site) -> None:
    site.abandon()
    told = site.reset("--to", "begin", "--yes")
    assert all(each["changed"] for each in told["shards"])
    assert site.saved() == {0: site.at(0), 1: site.client.cursor(1, "begin")}
    # The one who wrote is no member, so it can be done again.
    site.world.sls.switch(checkpoint_consumer="writer")
    assert site.client.checkpoints()[0].owner == CONSUMER
    assert site.reset("--to", "end", "--yes", "--shard", "0")["shards"][0]["groups"] == 10
    assert site.saved() == {0: site.at(10), 1: site.client.cursor(1, "begin")}


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_for_people(site: Site) -> None:
    site.abandon()
    done = site.world.run("reset", "--to", "end", "--shard", "0")
    assert done.returncode == 0, done.stderr
    assert "proj/store, group relay" in done.stdout
    since = moment(site.begun + 60)
    assert f"SKIPS 4 log groups, received from {since} up to the end\n" in done.stdout
    assert done.stdout.endswith("nothing was changed; add --yes to change it\n")
    done = site.world.run("reset", "--to", "begin", "--yes")
    since, until = moment(site.begun), moment(site.begun + 60)
    assert f"REPEATS 6 log groups, received from {since} up to {until} (1 min 0 s)" in done.stdout
    assert "no checkpoint" in done.stdout
    assert f"changed and verified by reading back: shard 0 at {site.at(0)}, 1 at " in done.stdout


def test_a_time_and_a_cursor(site: Site) -> None:
    site.abandon()
    for time in (moment(site.begun + 30), str(site.begun + 30)):
        assert site.reset("--to", time, "--shard", "0")["shards"][0]["after"] == {
            "cursor": site.at(3),
            "time": site.begun + 30,
        }
    told = site.reset("--to", site.at(8), "--shard", "0", "--yes")
    assert told["shards"][0]["groups"] == 2
    assert site.saved()[0] == site.at(8)


def test_members_that_are_alive(site: Site) -> None:
    before = site.saved()
    told = site.reset("--to", "begin", "--yes", status=1)
    assert told["members"] == {"relay-1": [0, 1]}
    for part in ("relay-1 (shards 0, 1)", "ansible-playbook ansible/pause.yml", "wait 40 s", "time-out"):
        assert part in told["problem"]
    assert site.saved() == before
    # Also for a shard that nobody holds, and when it is only asked for.
    site.reset("--to", "begin", "--shard", "0", status=1)


@pytest.mark.parametrize("cursor", [cursors.encode(5), "another shard's"])
def test_a_cursor_that_is_not_the_shards(site: Site, cursor: str) -> None:
    site.abandon()
    if cursor == "another shard's":
        cursor = site.at(11)
    before = site.saved()
    told = site.reset("--to", cursor, "--shard", "0", "--yes", status=1)
    assert f"shard 0: {cursor} is not one of its cursors; it holds {site.at(0)}" in told["problem"]
    assert site.saved() == before


def test_a_cursor_for_several_shards(site: Site) -> None:
    site.abandon()
    assert "--shard, one of 0, 1" in site.reset("--to", site.at(3), "--yes", status=1)["problem"]


def test_a_shard_that_there_is_not(site: Site) -> None:
    site.abandon()
    told = site.reset("--to", "end", "--shard", "1", "--shard", "7", "--yes", status=1)
    assert told["problem"] == "proj/store has no shard 7; there are: 0, 1"
    assert site.saved()[1] == ""


def test_a_group_that_there_is_not(world: World) -> None:
    done = world.run("reset", "--to", "end", "--yes")
    assert done.returncode == 1
    assert "proj/store has no consumer group relay: there is nothing to reset" in done.stderr


@pytest.mark.parametrize("to", ["2026-01-31T08:00:00", "yesterday", "", "-5", "1795473479000"])
def test_a_place_that_is_none(site: Site, to: str) -> None:
    done = site.world.run("reset", f"--to={to}", "--yes")
    assert done.returncode == 2
    assert "expected begin, end, unix seconds, a time with its zone" in done.stderr
    if to.startswith("2026"):
        assert "it has no zone: write 2026-01-31T08:00:00Z for UTC" in done.stderr


def test_a_checkpoint_that_cannot_be_compared(site: Site) -> None:
    """Expired, or of a logstore that was deleted and made again: nothing may be subtracted."""
    site.abandon()
    with site.store.lock:
        site.store.shards[0].expire_to(site.first + 8)
    told = site.reset("--to", "begin", "--shard", "0", "--yes")
    [move] = told["shards"]
    assert (move["outside"], move["groups"], move["seconds"], move["changed"]) == (True, None, None, True)
    assert site.saved()[0] == site.at(8)


def test_a_member_that_joins_between_the_plan_and_the_deed(site: Site) -> None:
    site.abandon()
    writer = site.writer()
    planned = plan(writer, "begin")
    assert planned.members == {}
    site.client.heartbeat([])
    with pytest.raises(MembersAlive, match="relay-1"):
        list(carry_out(writer, planned))
    assert site.saved()[0] == site.at(6)


def test_a_member_that_joins_in_the_midst(site: Site) -> None:
    site.abandon()
    writer = site.writer()
    doing = carry_out(writer, plan(writer, "begin"))
    assert next(doing).shard == 0
    site.client.heartbeat([])
    with pytest.raises(MembersAlive):
        next(doing)
    assert site.saved() == {0: site.at(0), 1: ""}


def test_a_member_that_joins_at_the_last_moment(site: Site) -> None:
    site.abandon()
    writer = site.writer()
    doing = carry_out(writer, plan(writer, "begin", [0]))
    next(doing)
    site.client.heartbeat([])
    with pytest.raises(Impossible, match=r"joined meanwhile .*: relay-1"):
        next(doing)


def test_a_checkpoint_that_moved_meanwhile(site: Site) -> None:
    site.abandon()
    writer = site.writer()
    planned = plan(writer, "begin")
    site.client.save_checkpoint(0, site.at(7), force=True)
    site.world.sls.switch(checkpoint_consumer="holder")
    with pytest.raises(Impossible, match="somebody moved it meanwhile"):
        list(carry_out(writer, planned))
    assert site.saved()[0] == site.at(7)


def test_what_was_done_before_an_error_is_told(site: Site) -> None:
    site.abandon()
    writer = site.writer()
    doing = carry_out(writer, plan(writer, "begin"))
    assert next(doing).shard == 0
    site.world.sls.faults.add(Fault("error", "UpdateCheckPoint", status=500))
    with pytest.raises(ServiceFault):
        next(doing)


def test_a_save_that_does_not_take_is_noticed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.abandon()
    writer = site.writer()
    monkeypatch.setattr(writer, "save_checkpoint", lambda *_, **__: None)
    with pytest.raises(Impossible, match=f"saved {site.at(0)}, but SLS has {site.at(6)}"):
        list(carry_out(writer, plan(writer, "begin", [0])))
