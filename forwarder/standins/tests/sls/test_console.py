"""What an administrator does while consumers work: in process, and over the admin API."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from sls_hec_standins.sls.errors import SlsError
from sls_hec_standins.sls.standin import SlsStandin

STORE = {"project": "proj", "logstore": "store"}
GROUP = {**STORE, "group": "group"}


@pytest.fixture
def client(connect: Callable[..., Any]) -> Any:
    client = connect()
    client.create_consumer_group("proj", "store", "group", 10)
    return client


def groups(client: Any) -> list[tuple[str, int, bool]]:
    found = client.list_consumer_group("proj", "store").get_consumer_groups()
    return [(each.get_consumer_group_name(), each.get_timeout(), each.is_in_order()) for each in found]


def checkpoints(client: Any) -> list[tuple[int, str]]:
    rows = client.get_check_point("proj", "store", "group").get_consumer_group_check_points()
    return [(row["shard"], row["checkpoint"]) for row in rows]


def test_a_group_is_deleted_and_made_by_another(
    sls: SlsStandin, client: Any, admin: Any, refused: Any
) -> None:
    assert client.heart_beat("proj", "store", "group", "c", []).get_shards() == [0, 1]
    sls.console.delete_group("proj", "store", "group")
    assert refused(client.heart_beat, "proj", "store", "group", "c", [0]) == (404, "ConsumerGroupNotExist")
    assert admin("POST", "/groups", {**GROUP, "order": True}) == {
        "group": "group",
        "timeout": 60,
        "order": True,
    }
    assert groups(client) == [("group", 60, True)]
    assert refused(client.heart_beat, "proj", "store", "group", "c", [0]) == (400, "NotExistConsumerWithBody")
    admin("DELETE", "/groups", **GROUP)
    assert groups(client) == []
    assert admin.refusal("DELETE", "/groups", **GROUP)[0] == 404


def test_settings_of_a_group_change(sls: SlsStandin, client: Any, admin: Any) -> None:
    sls.console.put_group("proj", "store", "group", timeout=33)
    assert groups(client) == [("group", 33, False)]
    admin("POST", "/groups", {**GROUP, "order": True})
    assert groups(client) == [("group", 33, True)]
    assert client.heart_beat("proj", "store", "group", "c", []).get_shards() == [0, 1]
    assert admin.refusal("POST", "/groups", {**GROUP, "timeout": 0})[0] == 400


def test_the_quota_of_groups_is_reached(sls: SlsStandin, client: Any, refused: Any) -> None:
    sls.console.delete_group("proj", "store", "group")
    sls.switch(group_quota=1)
    sls.console.put_group("proj", "store", "other")
    code = "ConsumerGroupQuotaExceed"
    assert refused(client.create_consumer_group, "proj", "store", "group", 10) == (400, code)
    with pytest.raises(SlsError) as caught:
        sls.console.put_group("proj", "store", "group")
    assert caught.value.code == code


def test_checkpoints_are_reset_from_outside(sls: SlsStandin, client: Any, admin: Any) -> None:
    sls.load("proj", "store", logs=400, over=1000)
    begin, end = (
        [client.get_cursor("proj", "store", n, where).get_cursor() for n in (0, 1)]
        for where in ("begin", "end")
    )
    assert client.heart_beat("proj", "store", "group", "c", []).get_shards() == [0, 1]
    client.update_check_point("proj", "store", "group", 0, end[0], "c", force_success=False)
    assert sls.console.set_checkpoint("proj", "store", "group", to="begin") == {0: begin[0], 1: begin[1]}
    assert checkpoints(client) == list(enumerate(begin))
    assert admin("POST", "/groups/checkpoint", {**GROUP, "to": "end", "shard": 1}) == {"1": end[1]}
    assert checkpoints(client) == [(0, begin[0]), (1, end[1])]
    at = int(sls.clock.now()) - 500
    admin("POST", "/groups/checkpoint", {**GROUP, "to": at})
    assert checkpoints(client) == [
        (n, client.get_cursor("proj", "store", n, at).get_cursor()) for n in (0, 1)
    ]
    admin("POST", "/groups/checkpoint", {**GROUP, "to": begin[0], "shard": 0})
    assert checkpoints(client)[0] == (0, begin[0])
    # Nobody joined for it, and the holder still holds.
    assert list(sls.store.logstore("proj", "store").groups["group"].consumers(sls.clock.now())) == ["c"]
    client.update_check_point("proj", "store", "group", 0, end[0], "c", force_success=False)
    assert admin.refusal("POST", "/groups/checkpoint", {**GROUP, "to": "?"})[0] == 400
    assert admin.refusal("POST", "/groups/checkpoint", {**GROUP, "to": "end", "shard": 7})[0] == 404


@pytest.mark.parametrize("what", ["logstore", "project"])
@pytest.mark.parametrize("frozen", [True, False])
def test_made_anew_it_is_another(
    sls: SlsStandin, client: Any, admin: Any, refused: Any, what: str, frozen: bool
) -> None:
    if frozen:
        sls.clock.freeze()
    sls.load("proj", "store", logs=1000)

    def facts() -> list[tuple[int, int]]:
        shards = sls.store.logstore("proj", "store").shards.values()
        return [(shard.created, shard.first) for shard in shards]

    seen = [facts()]
    for round_number in range(2):
        if what == "logstore":
            sls.console.delete_logstore("proj", "store")
            gone = (404, "LogStoreNotExist")
        elif round_number:
            admin("DELETE", "/projects", project="proj")
            gone = (404, "ProjectNotExist")
        else:
            sls.console.delete_project("proj")
            gone = (404, "ProjectNotExist")
        assert refused(client.list_shards, "proj", "store") == gone
        sls.create_logstore("proj", "store")
        seen.append(facts())
        assert groups(client) == []
    for before, after in zip(seen, seen[1:]):
        for (created, first), (made, cursor) in zip(before, after):
            assert made > created
            assert cursor > first + 1000
    admin("DELETE", "/logstores", **STORE)
    assert refused(client.list_shards, "proj", "store") == (404, "LogStoreNotExist")


@pytest.mark.parametrize("call", ["UpdateCheckPoint", "HeartBeat", "ListShards"])
def test_one_right_is_withdrawn(sls: SlsStandin, client: Any, admin: Any, refused: Any, call: str) -> None:
    cursor = client.get_begin_cursor("proj", "store", 0).get_cursor()
    calls: dict[str, Callable[[], Any]] = {
        "UpdateCheckPoint": lambda: client.update_check_point("proj", "store", "group", 0, cursor, "c"),
        "HeartBeat": lambda: client.heart_beat("proj", "store", "group", "c", []),
        "ListShards": lambda: client.list_shards("proj", "store"),
        "GetCursor": lambda: client.get_begin_cursor("proj", "store", 0),
        "PullLogs": lambda: client.pull_logs("proj", "store", 0, cursor),
    }
    sls.console.deny("ak", call)
    for name, function in calls.items():
        if name == call:
            assert refused(function) == (401, "Unauthorized")
        else:
            function()
    assert "sk" not in admin.raw("POST", "/keys/deny", {"id": "ak"}).json().values()
    calls[call]()
    admin("POST", "/keys/deny", {"id": "ak", "calls": [call]})
    assert refused(calls[call]) == (401, "Unauthorized")
    assert admin.refusal("POST", "/keys/deny", {"id": "ak", "calls": ["Heartbeat"]})[0] == 400
    assert admin.refusal("POST", "/keys/deny", {"id": "none"}) == (400, "no key none")


def test_pulls_whose_counts_do_not_agree(sls: SlsStandin, client: Any, admin: Any) -> None:
    sls.load("proj", "store", logs=500, shard=0)
    begin, end = (client.get_cursor("proj", "store", 0, where).get_cursor() for where in ("begin", "end"))

    def pull(**fault: int) -> tuple[str, int, int]:
        """What is announced, the bytes of the body before compression, the log groups in it."""
        admin("POST", "/faults", {"kind": "miscount", "route": "PullLogs", "times": 1, **fault})
        pulled = client.pull_logs("proj", "store", 0, begin)
        assert pulled.get_next_cursor() == end
        raw = pulled._raw_uncompressed_body or b""
        held = len(pulled.get_loggroup_list().LogGroups) if raw else 0
        return pulled.get_header("x-log-count"), int(pulled.get_header("x-log-bodyrawsize")) - len(raw), held

    assert pull() == ("5", 0, 0)
    assert pull(drop=2) == ("5", 0, 3)
    assert pull(count=7) == ("7", 0, 5)
    assert pull(count=3) == ("3", 0, 5)
    assert pull(count=9, drop=5) == ("9", 0, 0)
    assert client.pull_logs("proj", "store", 0, begin).get_loggroup_count() == 5
    # A pull that finds nothing is honest, and does not use up the fault.
    number = admin("POST", "/faults", {"kind": "miscount", "times": 1})["ids"][0]
    assert client.pull_logs("proj", "store", 0, end).get_loggroup_count() == 0
    assert sls.faults.fired(number) == 0
