"""Projects, logstores, who may do what, and how a request finds its call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sls_hec_standins.http import Fault
from sls_hec_standins.sls.auth import Key
from sls_hec_standins.sls.hosts import project_of
from sls_hec_standins.sls.routes import NAMES, ROUTES


@pytest.mark.parametrize(
    ("host", "project"),
    [
        ("proj.sls.test", "proj"),
        ("proj.sls.test:8080", "proj"),
        ("PROJ.sls.test", "proj"),
        ("sls.test", ""),
        ("sls.test:80", ""),
        ("127.0.0.1", ""),
        ("127.0.0.1:8080", ""),
        ("proj.127.0.0.1", "proj"),
        ("proj.127.0.0.1:80", "proj"),
        ("localhost", ""),
        ("proj.localhost:1", "proj"),
        ("proj.cn-hangzhou.log.aliyuncs.com", "proj"),
        ("nodots", ""),
        ("", ""),
        ("[::1]:80", ""),
    ],
)
def test_project_of_a_host(host: str, project: str) -> None:
    assert project_of(host, ["sls.test"]) == project


def test_endpoint_by_name() -> None:
    endpoint = "cn-hangzhou.log.aliyuncs.com"
    assert project_of(endpoint, [endpoint]) == ""
    assert project_of(f"proj.{endpoint}", [endpoint]) == "proj"


def test_a_project_is_named_by_the_body_alone(ask: Any) -> None:
    """The SDK for Node, and the generated ones, send this call to the bare endpoint."""
    assert ask("POST", "/", obj={"projectName": "new-one"}, host="sls.test").status == 200
    assert ask("GET", "/", host="new-one.sls.test").json["description"] == ""
    again = ask("POST", "/", obj={"projectName": "new-one"}, host="sls.test")
    assert again.error == (400, "ProjectAlreadyExist")
    ask.key = ask.service.keys.put(Key("ak", "sk", projects=("new-*",)))
    foreign = ask("POST", "/", obj={"projectName": "other"}, host="sls.test")
    assert foreign.error == (401, "Unauthorized")
    other = ask("POST", "/", obj={"projectName": "new-two"}, host="new-three.sls.test")
    assert other.error == (400, "ParameterInvalid")


def test_what_is_empty_in_a_query_has_its_default(ask: Any) -> None:
    """The SDK for Node sends what it was not given as empty."""
    query = {"logstoreName": "", "offset": "", "size": ""}
    assert ask("GET", "/logstores", query).json["logstores"] == ["store"]
    assert ask("GET", "/logstores", {**query, "size": "x"}).error == (400, "ParameterInvalid")
    assert ask("GET", "/", {"offset": "", "size": ""}, host="sls.test").json["total"] == 1


def test_project_calls(ask: Any) -> None:
    made = ask("POST", "/", obj={"projectName": "new-one", "description": "d"}, host="new-one.sls.test")
    assert (made.status, made.body) == (200, b"")
    found = ask("GET", "/", host="new-one.sls.test").json
    assert set(found) == {
        "projectName", "status", "owner", "description", "region", "createTime", "lastModifyTime",
    }  # fmt: skip
    assert (found["projectName"], found["status"], found["description"]) == ("new-one", "Normal", "d")
    ask("PUT", "/", obj={"description": "e"}, host="new-one.sls.test")
    listed = ask("GET", "/", {"offset": "0", "size": "100"}, host="sls.test").json
    assert (listed["count"], listed["total"]) == (2, 2)
    assert [project["description"] for project in listed["projects"]] == ["e", ""]
    assert ask("GET", "/", {"projectName": "roj", "size": "1"}, host="sls.test").json["total"] == 1
    assert ask("GET", "/", {"size": "501"}, host="sls.test").error == (400, "ParameterInvalid")
    assert ask("DELETE", "/", host="new-one.sls.test").status == 200
    assert ask("GET", "/", host="new-one.sls.test").error == (404, "ProjectNotExist")


@pytest.mark.parametrize("obj", [[], {}, {"projectName": "other"}, {"projectName": 5}])
def test_wrong_project(ask: Any, obj: Any) -> None:
    assert ask("POST", "/", obj=obj, host="new.sls.test").error == (400, "ParameterInvalid")


def test_project_that_exists(ask: Any) -> None:
    assert ask("POST", "/", obj={"projectName": "proj"}).error == (400, "ProjectAlreadyExist")


def test_project_that_does_not_exist(ask: Any) -> None:
    """The text is what the tests of aliyun-log-go-sdk expect of the real service."""
    answer = ask("GET", "/logstores", host="no-exist-project.sls.test")
    assert answer.error == (404, "ProjectNotExist")
    assert answer.message == "The Project does not exist : no-exist-project"


def test_logstore_calls(ask: Any) -> None:
    info = {
        "logstoreName": "made",
        "ttl": 7,
        "shardCount": 3,
        "enable_tracking": False,
        "autoSplit": True,
        "maxSplitShard": 16,
        "appendMeta": True,
        "telemetryType": "",
    }
    assert ask("POST", "/logstores", obj=info).status == 200
    found = ask("GET", "/logstores/made").json
    expected = {name: value for name, value in info.items() if name != "telemetryType"}
    times = {"createTime": int(ask.clock.now()), "lastModifyTime": int(ask.clock.now())}
    assert found == {**expected, **times}
    assert ask("PUT", "/logstores/made", obj={"logstoreName": "made", "ttl": 8}).status == 200
    assert ask("GET", "/logstores/made").json["ttl"] == 8
    assert ask("GET", "/logstores").json == {"count": 2, "total": 2, "logstores": ["made", "store"]}
    assert ask("GET", "/logstores", {"logstoreName": "mad"}).json["logstores"] == ["made"]
    assert ask("GET", "/logstores", {"offset": "1", "size": "1"}).json["logstores"] == ["store"]
    assert ask("DELETE", "/logstores/made").status == 200
    for method in ("GET", "DELETE"):
        assert ask(method, "/logstores/made").error == (404, "LogStoreNotExist")


@pytest.mark.parametrize(
    "change",
    [
        {"logstoreName": "No"},
        {"logstoreName": "ab"},
        {"logstoreName": 5},
        {"ttl": 0},
        {"ttl": 3651},
        {"ttl": "7"},
        {"shardCount": 0},
        {"shardCount": 101},
        {"shardCount": True},
        {"autoSplit": "yes"},
        {"maxSplitShard": 1.5},
    ],
)
def test_wrong_logstore(ask: Any, change: dict[str, Any]) -> None:
    info = {"logstoreName": "made", "ttl": 7, "shardCount": 3, **change}
    assert ask("POST", "/logstores", obj=info).error == (400, "LogStoreInfoInvalid")


def test_logstore_that_exists(ask: Any) -> None:
    info = {"logstoreName": "store", "ttl": 7, "shardCount": 3}
    assert ask("POST", "/logstores", obj=info).error == (400, "LogStoreAlreadyExist")


def test_common_headers(ask: Any) -> None:
    ids = {ask("GET", path).headers["x-log-requestid"] for path in ("/logstores", "/nowhere")}
    assert len(ids) == 2
    assert {len(each) for each in ids} == {24}


@pytest.mark.parametrize(
    ("method", "path", "host"),
    [
        ("GET", "/nowhere", "proj.sls.test"),
        ("PATCH", "/logstores", "proj.sls.test"),
        ("GET", "/logstores/store/shards/0", "proj.sls.test"),
        ("POST", "/logstores/store/consumergroups/g", "proj.sls.test"),
        ("GET", "/logstores//shards", "proj.sls.test"),
        ("GET", "/logstores", "sls.test"),
        ("OPTIONS", "*", "proj.sls.test"),
    ],
)
def test_what_is_no_call(ask: Any, method: str, path: str, host: str) -> None:
    assert ask(method, path, host=host).error == (405, "InvalidMethod")


def test_forbidden_project(ask: Any) -> None:
    ask.service.store.project("proj").forbidden = True
    assert ask("GET", "/logstores").error == (403, "ProjectForbidden")


def test_project_of_another_account(ask: Any) -> None:
    ask.key = ask.service.keys.put(Key("mine", "sk", projects=("mine-*",)))
    assert ask("GET", "/logstores").error == (401, "Unauthorized")


# One request for each call of the consumer library and a writer, by the action it needs.
ACTIONS = {
    "log:ListShards": ("GET", "/logstores/store/shards", {}),
    "log:GetCursorOrData": ("GET", "/logstores/store/shards/0", {"type": "cursor", "from": "begin"}),
    "log:ListConsumerGroup": ("GET", "/logstores/store/consumergroups", {}),
    "log:CreateConsumerGroup": ("POST", "/logstores/store/consumergroups", {}),
    "log:UpdateConsumerGroup": ("PUT", "/logstores/store/consumergroups/g", {}),
    "log:ConsumerGroupHeartBeat": (
        "POST", "/logstores/store/consumergroups/g", {"type": "heartbeat", "consumer": "c"},
    ),
    "log:ConsumerGroupUpdateCheckPoint": (
        "POST", "/logstores/store/consumergroups/g", {"type": "checkpoint"},
    ),
    "log:GetConsumerGroupCheckPoint": ("GET", "/logstores/store/consumergroups/g", {}),
    "log:PostLogStoreLogs": ("POST", "/logstores/store/shards/lb", {}),
}  # fmt: skip


@pytest.mark.parametrize("action", ACTIONS)
def test_denied_action(ask: Any, action: str) -> None:
    method, path, query = ACTIONS[action]
    before = ask(method, path, query)
    assert before.status == 200 or before.error[0] != 401
    ask.key = ask.service.keys.put(replace(ask.key, deny=(action,)))
    denied = ask(method, path, query)
    assert denied.error == (401, "Unauthorized")
    assert denied.message.startswith(f"denied by sts or ram, action: {action}, resource: acs:log:")
    assert "project/proj/logstore/store" in denied.message


def test_every_action_is_denied_by_itself(ask: Any) -> None:
    assert {route.action for route in ROUTES} >= set(ACTIONS)
    assert "HeartBeat" in NAMES


def test_fault_answers_are_in_the_format_of_the_service(ask: Any) -> None:
    response = ask.app.fault_response("PullLogs", Fault("error", status=503, headers={"Retry-After": "1"}))
    assert (response.status, dict(response.headers)["Retry-After"]) == (503, "1")
    assert b'"errorCode": "ServerBusy"' in response.body
    response = ask.app.fault_response(
        "PullLogs", Fault("error", status=403, code="WriteQuotaExceed", text="t")
    )
    assert response.body == b'{"errorCode": "WriteQuotaExceed", "errorMessage": "t"}'


def test_skewed_service_clock_by_fault(ask: Any) -> None:
    ask.service.faults.add(Fault("skew", "ListShards", times=1))
    assert ask("GET", "/logstores/store/shards").error == (400, "RequestTimeTooSkewed")
    assert ask("GET", "/logstores/store/shards").status == 200
    ask.service.faults.add(Fault("skew", "ListShards", times=1, ahead=600))
    assert ask("GET", "/logstores/store/shards").status == 200
    ask.service.faults.add(Fault("skew", "ListShards", times=1, ahead=-3600))
    assert ask("GET", "/logstores/store/shards").error == (400, "RequestTimeTooSkewed")


@pytest.mark.parametrize("status", [400, 413, 431, 500, 501])
def test_what_http_refuses_is_in_the_format_too(ask: Any, status: int) -> None:
    response = ask.app.error_response(status, "why")
    assert response.status == status
    assert b'"errorMessage": "why"' in response.body
