"""The admin API over its own socket."""

from __future__ import annotations

from typing import Any

import pytest

from sls_hec_standins.sls import cursors
from sls_hec_standins.sls.standin import SlsStandin
from sls_hec_standins.sls.truth import read_rows

STORE = {"project": "proj", "logstore": "store"}


def test_from_nothing_to_truth(admin: Any) -> None:
    admin("POST", "/projects", {"project": "new"})
    admin("POST", "/logstores", {"project": "new", "logstore": "logs", "shards": 3, "append_meta": True})
    load = admin("POST", "/loads", {"project": "new", "logstore": "logs", "logs": 300, "mix": "waf=2,vpc"})
    assert (load["loaded_logs"], load["running"], load["error"]) == (300, False, None)
    assert admin("GET", "/loads") == [load]
    state = admin("GET", "/state")["projects"]["new"]["logstores"]["logs"]
    assert state["appendMeta"]
    assert [shard["received_logs"] for shard in state["shards"]] == [100, 100, 100]
    rows = list(read_rows(admin.raw("GET", "/truth", project="new", logstore="logs").text.splitlines()))
    assert len(rows) == 300
    assert {row["shard"] for row in rows} == {0, 1, 2}
    first = state["shards"][0]["first"]
    part = admin.raw("GET", "/truth", project="new", logstore="logs", shard="0", to=first).text
    assert part == ""
    totals = admin("GET", "/truth", project="new", logstore="logs", totals="")
    assert sum(each["logs"] for each in totals.values()) == 300


def test_keys(admin: Any, connect: Any, refused: Any) -> None:
    made = admin("POST", "/keys", {"id": "more", "secret": "s3cret", "deny": ["log:ListShards"]})
    assert made == {
        "id": "more", "expires": None, "disabled": False, "temporary": False,
        "allow": ["*"], "deny": ["log:ListShards"], "projects": ["*"],
    }  # fmt: skip
    client = connect("more", "s3cret")
    assert refused(client.list_shards, "proj", "store") == (401, "Unauthorized")
    admin("POST", "/keys", {"id": "more", "secret": "s3cret"})
    client.list_shards("proj", "store")
    assert "s3cret" not in admin.raw("GET", "/keys").text
    admin("DELETE", "/keys", id="more")
    assert refused(client.list_shards, "proj", "store") == (401, "Unauthorized")
    assert admin.refusal("DELETE", "/keys", id="more") == (404, "no key more")


def test_switches(admin: Any, sls: SlsStandin) -> None:
    assert admin("GET", "/switches") == sls.switches.as_json()
    assert admin("POST", "/switches", {"group_quota": 10})["group_quota"] == 10
    assert sls.switches.group_quota == 10
    assert admin.refusal("POST", "/switches", {"group_quota": "x"})[0] == 400


def test_shards(admin: Any, sls: SlsStandin) -> None:
    rows = admin("POST", "/shards/split", {**STORE, "shard": 0, "key": "4" + "0" * 31})
    assert [row["shardID"] for row in rows] == [0, 2, 3]
    assert len(admin("POST", "/shards/split", {**STORE, "shard": 2, "count": 4})) == 5
    assert [row["shardID"] for row in admin("POST", "/shards/merge", {**STORE, "shard": 3})] == [8, 3, 1]
    admin("POST", "/shards/remove", {**STORE, "shard": 0})
    assert 0 not in sls.store.logstore("proj", "store").shards
    status, text = admin.refusal("POST", "/shards/remove", {**STORE, "shard": 8})
    assert (status, text) == (400, "ParameterInvalid: invalid shard id.")
    assert admin.refusal("POST", "/shards/split", {**STORE, "shard": 4, "key": "x"})[0] == 400


def test_expiry(admin: Any, sls: SlsStandin) -> None:
    sls.load("proj", "store", logs=1000)
    shard = sls.store.logstore("proj", "store").shards[0]
    second = cursors.encode(shard.first + 1)
    assert admin("POST", "/shards/expire", {**STORE, "shard": 0, "cursor": second}) == {"expired_groups": 1}
    assert admin("POST", "/shards/expire", {**STORE, "before": 5.0}) == {"expired_groups": 0}
    assert admin("POST", "/shards/expire", {**STORE, "shard": 0}) == {"expired_groups": 4}
    assert admin("POST", "/shards/expire", STORE) == {"expired_groups": 5}
    assert shard.first == shard.next
    for wrong in ({"cursor": second}, {"cursor": "?", "shard": 0}, {"shard": 7}, {"before": "x"}):
        assert admin.refusal("POST", "/shards/expire", {**STORE, **wrong})[0] in (400, 404)


def test_groups(admin: Any, connect: Any) -> None:
    client = connect()
    client.create_consumer_group("proj", "store", "group", 60)
    for name in ("a", "b"):
        client.heart_beat("proj", "store", "group", name, [])
    client.heart_beat("proj", "store", "group", "a", [0])
    group = admin("GET", "/state")["projects"]["proj"]["logstores"]["store"]["groups"]["group"]
    assert set(group["consumers"]) == {"a", "b"}
    assert {shard["holder"] for shard in group["shards"].values()} == {"a", "b"}
    assert admin("POST", "/groups/rebalance", {**STORE, "group": "group"}) == {"moved_shards": 2}
    admin("POST", "/groups/kick", {**STORE, "group": "group", "consumer": "a"})
    assert admin.refusal("POST", "/groups/kick", {**STORE, "group": "group", "consumer": "a"})[0] == 404
    assert admin.refusal("POST", "/groups/rebalance", {**STORE, "group": "none"})[0] == 404


def test_load_at_a_rate(admin: Any) -> None:
    load = admin("POST", "/loads", {**STORE, "rate": 500, "logs_per_group": 10})
    assert load["running"]
    [stopped] = admin("DELETE", "/loads", id=str(load["id"]))
    assert not stopped["running"]
    assert admin.refusal("DELETE", "/loads", id="77") == (404, "no load 77")
    assert len(admin("DELETE", "/loads")) == 1


def test_processors(admin: Any, sls: SlsStandin, connect: Any) -> None:
    sls.load("proj", "store", logs=10)
    processor = {"project": "proj", "processor": "p", "spl": "* | where nothing = 'x'"}
    assert admin("POST", "/processors", processor) == {"processor": "p", "spl": processor["spl"]}
    client = connect()
    cursor = client.get_begin_cursor("proj", "store", 1).get_cursor()
    assert client.pull_logs("proj", "store", 1, cursor, processor="p").get_loggroup_count() == 0
    assert admin.refusal("POST", "/processors", {**processor, "spl": "* | limit 1"})[0] == 400


def test_prepared_pulls(admin: Any, sls: SlsStandin) -> None:
    sls.load("proj", "store", logs=1000)
    made = admin("POST", "/pulls", {**STORE, "count": 2})
    assert made["pulls"] == 6  # five groups in each of two shards
    assert made["cached_bytes"] == sls.service.pulls.size > 0
    assert admin.refusal("POST", "/pulls", {**STORE, "count": 0})[0] == 400


def test_forbidden_project(admin: Any, connect: Any, refused: Any) -> None:
    admin("POST", "/projects", {"project": "proj", "forbidden": True})
    assert refused(connect().list_shards, "proj", "store") == (403, "ProjectForbidden")
    admin("POST", "/projects", {"project": "proj"})
    connect().list_shards("proj", "store")


def test_faults_and_clock_are_there_too(admin: Any, sls: SlsStandin, connect: Any, refused: Any) -> None:
    admin("POST", "/faults", {"kind": "read_quota", "route": "PullLogs", "what": "qps", "times": 1})
    client = connect()
    cursor = client.get_begin_cursor("proj", "store", 0).get_cursor()
    assert refused(client.pull_logs, "proj", "store", 0, cursor) == (403, "ShardReadQuotaExceed")
    before = sls.clock.now()
    admin("POST", "/clock", {"advance": 100})
    assert sls.clock.now() - before >= 100


@pytest.mark.parametrize(
    ("path", "obj", "text"),
    [
        ("/projects", [], "the body is not a JSON object"),
        ("/projects", {}, "'project' is missing"),
        ("/projects", {"project": 5}, "'project' must be str, not 5"),
        ("/projects", {"project": "Bad"}, "ParameterInvalid: project name Bad is invalid"),
        ("/projects", {"project": "fine", "forbidden": 1}, "'forbidden' must be bool, not 1"),
        ("/logstores", {**STORE, "shard": 3}, "unknown: shard"),
        ("/logstores", {**STORE, "shards": True}, "'shards' must be int, not True"),
        ("/logstores", STORE, "LogStoreAlreadyExist: logstore store already exists"),
        (
            "/logstores",
            {"project": "none", "logstore": "x"},
            "ProjectNotExist: The Project does not exist : none",
        ),
        ("/keys", {"id": "a", "secret": "b", "deny": [1]}, "'deny' must be a list of texts"),
        ("/loads", STORE, "a load without a rate needs logs or megabytes"),
        ("/switches", {"none": 1}, "unknown switch 'none'"),
    ],
)
def test_wrong_requests(admin: Any, path: str, obj: Any, text: str) -> None:
    status, error = admin.refusal("POST", path, obj)
    assert status in (400, 404)
    assert error.startswith(text)


def test_wrong_queries(admin: Any) -> None:
    assert admin.refusal("GET", "/truth", **STORE, shard="x")[0] == 400
    assert admin.refusal("GET", "/truth", **STORE, **{"from": "?"})[0] == 400
    assert admin.refusal("GET", "/truth", project="proj", logstore="none")[0] == 404
    assert admin.refusal("DELETE", "/loads", id="x")[0] == 400
    assert admin.raw("POST", "/loads", None).status_code == 400
