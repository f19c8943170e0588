"""The command: what it prints, how it ends, and a client that uses it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from aliyun.log import LogClient

from sls_hec_standins.http import ThrowawayCa
from sls_hec_standins.sls import cli
from sls_hec_standins.sls.standin import DEMO_KEY

Start = Callable[..., "subprocess.Popen[str]"]
COMMAND = [sys.executable, "-m", "sls_hec_standins.sls.cli"]
FREE = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]


@pytest.fixture
def start() -> Iterator[Start]:
    started = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *FREE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def ready(process: subprocess.Popen[str]) -> tuple[str, str]:
    """The URLs of the one line that says it can be used."""
    assert process.stdout is not None
    line = process.stdout.readline()
    match = re.fullmatch(r"sls-standin ready: sls (\S+) admin (\S+)\n", line)
    assert match, line + (process.stderr.read() if process.stderr else "")
    return match[1], match[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_until_told_to_stop(start: Start, number: int) -> None:
    process = start("--access-key", "ak:sk", "--create", "proj/store:3", "--switch", "group_quota=1")
    url, _ = ready(process)
    client: Any = LogClient("http://sls.test", "ak", "sk")
    client._session.proxies = {"http": url}
    client._session.trust_env = False
    assert client.list_shards("proj", "store").count == 3
    client.create_consumer_group("proj", "store", "group", 60)
    process.send_signal(number)
    rest, errors = process.communicate(timeout=60)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_port_in_use(start: Start) -> None:
    url, _ = ready(start())
    second = start("--listen", url.rpartition("/")[2])
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 2
    assert errors.startswith("sls-standin: ")
    assert errors.count("\n") == 1


def test_https(start: Start, tmp_path: Path) -> None:
    certificate = ThrowawayCa(tmp_path).server()
    process = start("--cert", str(certificate.cert), "--key", str(certificate.key))
    assert ready(process)[0].startswith("https://127.0.0.1:")


def test_demo_key(start: Start) -> None:
    url, _ = ready(start("--create", "proj/store"))
    key_id, secret = DEMO_KEY.split(":")
    client: Any = LogClient("http://sls.test", key_id, secret)
    client._session.proxies = {"http": url}
    client._session.trust_env = False
    assert client.list_shards("proj", "store").count == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--listen", "8080"], "--listen must be HOST:PORT, not '8080'"),
        (["--admin", "localhost:x"], "--admin must be HOST:PORT"),
        (["--access-key", "only-id"], "--access-key must be ID:SECRET"),
        (["--create", "proj"], "--create must be PROJECT/LOGSTORE"),
        (["--create", "proj/store:x"], "--create must be PROJECT/LOGSTORE"),
        (["--create", "Bad/store"], "project name Bad is invalid"),
        (["--switch", "nope=1"], "known switch"),
        (["--switch", "group_quota=x"], "group_quota is a number"),
        (["--cert", "x.pem"], "--cert and --key belong together"),
        (["--tunnel-key", "x.pem"], "--tunnel-cert and --tunnel-key belong together"),
        (["--client-ca", "x.pem"], "--client-ca needs --cert and --key"),
        (["--cert", "/none.pem", "--key", "/none.pem"], "no file /none.pem"),
    ],
)
def test_what_cannot_be_carried_out(
    capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    assert cli.main([*FREE, *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("sls-standin: ")
    assert text in shown.err
    assert shown.err.count("\n") == 1


def test_unknown_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--nope"])
    assert ended.value.code == 2
    assert "unrecognized arguments" in capsys.readouterr().err


def test_help_and_switches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    assert "http_proxy" in capsys.readouterr().out
    assert cli.main(["--list-switches"]) == 0
    assert (
        "expired_cursor=InvalidCursor  (InvalidCursor, ParameterInvalid, oldest)" in capsys.readouterr().out
    )
