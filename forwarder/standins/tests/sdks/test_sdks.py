"""Other clients than the Python SDK, unmodified, in processes of their own.

They are not in this interpreter's environment. RELAY_TEST_SDKS names the Python that has
requirements/sdks.txt, RELAY_TEST_NODE_MODULES the node_modules of node/package-lock.json; scripts/test
makes both.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sls_hec_standins.sls.standin import SlsStandin

HERE = Path(__file__).parent
TIMEOUT = 120  # seconds; a busy machine is no finding


def given(name: str) -> str:
    value = os.environ.get(name)
    assert value, f"{name} is not set: run scripts/test, which makes what these tests need"
    return value


def run(standin: SlsStandin, *command: str, **environment: str) -> str:
    """What a client printed, with the stand-in as its proxy."""
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env={**clean, "http_proxy": standin.proxy_url, **environment},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture
def sls() -> Iterator[SlsStandin]:
    """A running stand-in with the key "ak" and the logstore "proj/store" of two shards."""
    with SlsStandin() as standin:
        standin.add_key("ak", "sk")
        standin.create_logstore("proj", "store")
        yield standin
    assert not standin.server.app_errors


@pytest.mark.parametrize("signature", ["v1", "v4"])
def test_generated_sdk(sls: SlsStandin, signature: str) -> None:
    script = str(HERE / "generated.py")
    found = json.loads(run(sls, given("RELAY_TEST_SDKS"), script, sls.proxy_url, "ak", "sk", signature))
    assert found == {
        "description": "by the SDK",
        "projects": ["made-up", "proj"],
        "logstores": ["logs"],
        "shards": [0, 1],
        "moved": True,
        "pull": "InvalidAcceptContentType",
        "groups": [["group", 30, True]],
        "assigned": [0, 1],
        "saved": True,
        "split": [[0, "readonly"], [2, "readwrite"], [3, "readwrite"]],
        "groups left": 0,
        "no logstore": "LogStoreNotExist",
    }
    rows = list(sls.truth("made-up", "logs"))
    assert [(row["topic"], row["source"], row["contents"]) for row in rows] == [
        ("topic", "source", [["k", "plain"], ["k", "ünï"]])
    ] * 2


def node(standin: SlsStandin, secret: str, *token: str) -> Any:
    modules = given("RELAY_TEST_NODE_MODULES")
    command = ("node", str(HERE / "node" / "client.js"), str(standin.port), "ak", secret, *token)
    return json.loads(run(standin, *command, NODE_PATH=modules))


@pytest.mark.parametrize("token", ["", "t0ken"])
def test_node_sdk(sls: SlsStandin, token: str) -> None:
    sls.add_key("ak", "sk", token=token)
    assert node(sls, "sk", *filter(None, [token])) == {
        "description": "by Node",
        "logstores": ["logs"],
        "page": ["logs"],
        "ttl": 5,
        "refused": "LogStoreNotExist",
        "left": [],
        "gone": "ProjectNotExist",
    }
    rows = list(sls.truth("proj", "store"))
    assert [(row["topic"], row["tags"], row["contents"]) for row in rows] == [
        ("topic", [["tag", "value"]], [["k", "plain"], ["ü", "ünï"]]),
        ("topic", [["tag", "value"]], [["k", ""]]),
    ]


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_producer(sls: SlsStandin, compression: str) -> None:
    script = str(HERE / "producer.py")
    found = json.loads(run(sls, given("RELAY_TEST_SDKS"), script, "ak", "sk", compression, "500"))
    assert found == {"delivered": 500, "failed": []}
    rows = list(sls.truth("proj", "store"))
    assert {row["contents"][0][1] for row in rows} == {str(number) for number in range(500)}
    assert {(row["topic"], row["source"], row["contents"][1][1]) for row in rows} == {
        ("topic", "source", "ünï")
    }


def test_producer_with_a_wrong_secret(sls: SlsStandin) -> None:
    script = str(HERE / "producer.py")
    found = json.loads(run(sls, given("RELAY_TEST_SDKS"), script, "ak", "other", "lz4", "1"))
    assert found == {"delivered": 0, "failed": ["401 SignatureNotMatch"]}


def test_command_line(sls: SlsStandin, tmp_path: Path) -> None:
    sls.load("proj", "store", logs=300)
    program = str(Path(given("RELAY_TEST_SDKS")).parent / "aliyunlog")
    where = ("--project_name=proj", "--logstore_name=store")
    keys = ("--access-id=ak", "--access-key=sk", "--region-endpoint=http://sls.test")

    def call(name: str, *options: str, place: tuple[str, ...] = where) -> Any:
        printed = run(sls, program, "log", name, *place, *options, *keys, HOME=str(tmp_path))
        return json.loads(printed) if printed.strip() else None

    assert [shard["shardID"] for shard in call("list_shards")] == [0, 1]
    short = ("--project=proj", "--logstore=store", "--consumer_group=group")
    call("create_consumer_group", "--timeout=30", place=short)
    [group] = call("list_consumer_group", place=short[:2])
    assert (group["name"], group["timeout"]) == ("group", 30)
    assert [row["checkpoint"] for row in call("get_check_point", place=short)] == ["", ""]
    begin, end = (
        call("get_cursor", "--shard_id=0", f"--start_time={at}")["cursor"] for at in ("begin", "end")
    )
    assert begin != end
    pulled = call("pull_logs", "--shard_id=0", f"--cursor={begin}")
    written = [dict(row["contents"]) for row in sls.truth("proj", "store", shard=0)]
    assert pulled["count"] == len(written) > 50
    assert [{name: log[name] for name in row} for log, row in zip(pulled["logs"], written)] == written
