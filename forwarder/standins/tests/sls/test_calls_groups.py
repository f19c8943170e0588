"""Consumer group calls: answers and error tables of the API reference, "Consumer group interfaces"."""

from __future__ import annotations

from typing import Any

import pytest

from sls_hec_standins.http import Fault
from sls_hec_standins.sls import cursors

GROUPS = "/logstores/store/consumergroups"
GROUP = f"{GROUPS}/g"


@pytest.fixture
def ask(ask: Any) -> Any:
    """With the group "g", of 10 seconds."""
    assert ask("POST", GROUPS, obj={"consumerGroup": "g", "timeout": 10, "order": False}).status == 200
    return ask


def beat(ask: Any, consumer: str, *shards: int) -> Any:
    return ask("POST", GROUP, {"type": "heartbeat", "consumer": consumer}, obj=list(shards))


def save(ask: Any, consumer: str, shard: Any = 0, checkpoint: Any = "MQ==", force: str = "False") -> Any:
    query = {"type": "checkpoint", "consumer": consumer, "forceSuccess": force}
    return ask("POST", GROUP, query, obj={"shard": shard, "checkpoint": checkpoint})


def test_create_list_update_delete(ask: Any) -> None:
    assert ask("GET", GROUPS).json == [{"name": "g", "timeout": 10, "order": False}]
    assert ask("PUT", GROUP, obj={"timeout": 20, "order": True}).status == 200
    assert ask("GET", GROUPS).json == [{"name": "g", "timeout": 20, "order": True}]
    assert ask("PUT", GROUP, obj={"order": False}).status == 200
    assert ask("GET", GROUPS).json == [{"name": "g", "timeout": 20, "order": False}]
    for _ in range(2):  # a group that does not exist is deleted with success, says the page of 2018
        answer = ask("DELETE", GROUP)
        assert (answer.status, answer.body) == (200, b"")
    assert ask("GET", GROUPS).json == []


def test_create_answers_nothing(ask: Any) -> None:
    answer = ask("POST", GROUPS, obj={"consumerGroup": "h", "timeout": 10})
    assert (answer.status, answer.body) == (200, b"")


def test_create_twice(ask: Any) -> None:
    answer = ask("POST", GROUPS, obj={"consumerGroup": "g", "timeout": 10})
    assert answer.error == (400, "ConsumerGroupAlreadyExist")


def test_scope_of_a_name(ask: Any) -> None:
    """The page says unique in the project; groups are those of a logstore, and samples reuse one name."""
    ask.service.store.project("proj").create_logstore("other")
    elsewhere = "/logstores/other/consumergroups"
    ask.switch(group_name_scope="project")
    again = {"consumerGroup": "g", "timeout": 10}
    assert ask("POST", elsewhere, obj=again).error == (400, "ConsumerGroupAlreadyExist")
    ask.switch(group_name_scope="logstore")
    assert ask("POST", elsewhere, obj=again).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"consumerGroup": "h"}',
        b'{"consumerGroup": "h", "timeout": 0}',
        b'{"consumerGroup": "h", "timeout": "10"}',
        b'{"consumerGroup": "h", "timeout": 1.5}',
        b'{"consumerGroup": "h", "timeout": true}',
        b'{"consumerGroup": "h", "timeout": 10, "order": "yes"}',
        b'{"consumerGroup": "Upper", "timeout": 10}',
        b'{"consumerGroup": "a/b", "timeout": 10}',
        b'{"consumerGroup": "", "timeout": 10}',
        b'{"consumerGroup": 5, "timeout": 10}',
        b'{"timeout": 10}',
        b'{"consumerGroup": "\xff", "timeout": 10}',
    ],
)
def test_create_with_a_wrong_body(ask: Any, body: bytes) -> None:
    assert ask("POST", GROUPS, body=body).error == (400, "JsonInfoInvalid")


@pytest.mark.parametrize("obj", [{}, [], {"timeout": "x"}, {"order": 1}, {"timeout": -1}])
def test_update_with_a_wrong_body(ask: Any, obj: Any) -> None:
    assert ask("PUT", GROUP, obj=obj).error == (400, "JsonInfoInvalid")


def test_quota(ask: Any) -> None:
    for number in range(29):
        ask("POST", GROUPS, obj={"consumerGroup": f"h{number}", "timeout": 10})
    more = {"consumerGroup": "more", "timeout": 10}
    assert ask("POST", GROUPS, obj=more).error == (400, "ConsumerGroupQuotaExceed")
    ask.switch(group_quota_status=403)
    assert ask("POST", GROUPS, obj=more).error == (403, "ConsumerGroupQuotaExceed")
    ask.switch(group_quota=31)
    assert ask("POST", GROUPS, obj=more).status == 200


def test_group_that_does_not_exist(ask: Any) -> None:
    ask("DELETE", GROUP)
    not_there = (404, "ConsumerGroupNotExist")
    assert ask("PUT", GROUP, obj={"timeout": 5}).error == not_there
    assert beat(ask, "c").error == not_there
    assert save(ask, "c").error == not_there
    assert ask("GET", GROUP).error == not_there


def test_heartbeat_to_a_name_that_no_group_can_have(ask: Any) -> None:
    """Go SDK issue 77: creation failed unseen, and heartbeats were answered 405."""
    answer = ask("POST", f"{GROUPS}/Upper", {"type": "heartbeat", "consumer": "c"}, obj=[])
    assert answer.error == (405, "InvalidMethod")


def test_heartbeat(ask: Any) -> None:
    assert beat(ask, "c").json == [0, 1]
    assert beat(ask, "c", 0, 1).json == [0, 1]
    assert beat(ask, "d").json == []
    assert beat(ask, "c", 0, 1).json == [0]
    assert beat(ask, "c", 0).json == [0]
    assert beat(ask, "d").json == [1]


def test_heartbeat_of_the_api_reference_has_an_object_around(ask: Any) -> None:
    query = {"type": "heartbeat", "consumer": "c"}
    assert ask("POST", GROUP, query).json == [0, 1]
    assert ask("POST", GROUP, query, obj={"shards": [0]}).json == [0, 1]


@pytest.mark.parametrize("obj", ["x", {"shards": 1}, {}, [True], ["0"], [1.5], None, [0] * 10_001])
def test_heartbeat_with_a_wrong_body(ask: Any, obj: Any) -> None:
    query = {"type": "heartbeat", "consumer": "c"}
    body = b"null" if obj is None else b""
    assert ask("POST", GROUP, query, obj=obj, body=body).error == (400, "JsonInfoInvalid")


@pytest.mark.parametrize("query", [{"type": "heartbeat"}, {"type": "heartbeat", "consumer": ""}])
def test_heartbeat_of_nobody(ask: Any, query: dict[str, str]) -> None:
    assert ask("POST", GROUP, query, obj=[]).error == (400, "ParameterInvalid")


def test_heartbeat_of_a_consumer_that_timed_out(ask: Any) -> None:
    beat(ask, "c")
    ask.clock.advance(11)
    assert beat(ask, "c", 0, 1).error == (400, "NotExistConsumerWithBody")
    assert beat(ask, "c").json == [0, 1]


def test_checkpoint_is_given_back(ask: Any) -> None:
    beat(ask, "c")
    empty = {"checkpoint": "", "updateTime": 0, "consumer": "c"}
    assert ask("GET", GROUP).json == [{"shard": 0, **empty}, {"shard": 1, **empty}]
    answer = save(ask, "c", 1)
    assert (answer.status, answer.body) == (200, b"")
    row = {"shard": 1, "checkpoint": "MQ==", "updateTime": int(ask.clock.now()) * 1_000_000, "consumer": "c"}
    assert ask("GET", GROUP, {"shard": "1"}).json == [row]
    assert ask("GET", GROUP, {"shard": "0"}).json == [{"shard": 0, **empty}]
    assert ask("GET", GROUP, {"shard": "7"}).json == []
    assert ask("GET", GROUP, {"shard": "x"}).error == (400, "ParameterInvalid")


def test_consumer_of_a_checkpoint_is_the_holder_or_the_writer(ask: Any) -> None:
    beat(ask, "c")
    save(ask, "other", force="True")
    assert ask("GET", GROUP, {"shard": "0"}).json[0]["consumer"] == "c"
    ask.switch(checkpoint_consumer="writer")
    assert ask("GET", GROUP, {"shard": "0"}).json[0]["consumer"] == "other"


@pytest.mark.parametrize("force", ["True", "true"])
def test_forced_checkpoint_needs_no_holder(ask: Any, force: str) -> None:
    assert save(ask, "", force=force).status == 200


def test_checkpoint_of_who_does_not_hold_the_shard(ask: Any) -> None:
    assert save(ask, "c").error == (404, "ConsumerNotExist")
    assert save(ask, "").error == (404, "ConsumerNotExist")
    beat(ask, "c")
    beat(ask, "d")
    assert save(ask, "d").error == (404, "ConsumerNotMatch")
    ask.switch(consumer_not_exist_code="ConsumerNotExsit", consumer_not_match_status=400)
    assert save(ask, "e").error == (404, "ConsumerNotExsit")
    assert save(ask, "d").error == (400, "ConsumerNotMatch")
    assert save(ask, "c").status == 200


def test_checkpoint_of_a_shard_that_does_not_exist(ask: Any) -> None:
    assert save(ask, "c", 9, force="True").error == (404, "ShardNotExist")


@pytest.mark.parametrize("checkpoint", ["?", "abc", "MQ", "é"])
def test_checkpoint_that_is_not_base64(ask: Any, checkpoint: str) -> None:
    assert save(ask, "c", 0, checkpoint, force="True").error == (400, "InvalidShardCheckPoint")


@pytest.mark.parametrize(("shard", "checkpoint"), [("0", "MQ=="), (0, 5), (None, "MQ=="), (True, "MQ==")])
def test_checkpoint_with_a_wrong_body(ask: Any, shard: Any, checkpoint: Any) -> None:
    assert save(ask, "c", shard, checkpoint, force="True").error == (400, "JsonInfoInvalid")


def test_group_follows_a_split(ask: Any) -> None:
    beat(ask, "c")
    ask("POST", "/logstores/store/shards/0", {"action": "split", "key": "4" + "0" * 31})
    assert beat(ask, "c", 0, 1).json == [0, 1, 2, 3]
    save(ask, "c", 0, cursors.encode(ask.shard(0).next))
    assert beat(ask, "c", 0, 1, 2, 3).json == [1, 2, 3]


def test_over_is_found_at_a_heartbeat_or_only_at_a_checkpoint(ask: Any) -> None:
    beat(ask, "c")
    save(ask, "c", 0, cursors.encode(ask.shard(0).next))
    ask("POST", "/logstores/store/shards/0", {"action": "split", "key": "4" + "0" * 31})
    ask.switch(over_on_heartbeat=False)
    assert beat(ask, "c", 0, 1).json == [0, 1, 2, 3]
    ask.switch(over_on_heartbeat=True)
    assert beat(ask, "c", 0, 1).json == [1, 2, 3]


def test_lost_heartbeat_does_not_count(ask: Any) -> None:
    beat(ask, "c")
    for answer in ("error", "ok"):
        ask.service.faults.add(Fault("heartbeat_lost", "HeartBeat", times=1, answer=answer))
    ask.clock.advance(6)
    assert beat(ask, "c", 0, 1).error == (500, "InternalServerError")
    assert beat(ask, "c", 0, 1).json == [0, 1]
    ask.clock.advance(6)
    assert beat(ask, "c", 0, 1).error == (400, "NotExistConsumerWithBody")


def test_rebalance_and_kick_by_fault(ask: Any) -> None:
    beat(ask, "c")
    beat(ask, "d")
    beat(ask, "c", 0)
    ask.service.faults.add(Fault("rebalance", times=1))
    assert beat(ask, "c", 0).json == []
    assert beat(ask, "c").json == [1] or beat(ask, "d").json == [0]
    ask.service.faults.add(Fault("kick", "HeartBeat", times=1))
    assert beat(ask, "d", 0).error == (400, "NotExistConsumerWithBody")
