"""The stand-in as a whole: options, TLS, counting only, and the command."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sls_hec_standins.hec import HecStandin, Token
from sls_hec_standins.hec.behaviour import PROFILES, Behaviour, describe_switches
from sls_hec_standins.hec.cli import main
from sls_hec_standins.http import Fault, ServerTls, ThrowawayCa

BODY = b'{"event":"a"}\n{"event":"b"}'


def test_defaults_work_without_options() -> None:
    with HecStandin() as hec:
        request = urllib.request.Request(
            hec.url + "/services/collector/event",
            BODY,
            {"Authorization": "Splunk 00000000-0000-0000-0000-000000000000"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert json.load(answer) == {"text": "Success", "code": 0}
        assert hec.store.total == 2
    hec.stop()


def test_tls(start: Any, connect: Any, ca: ThrowawayCa) -> None:
    made = ca.server()
    hec = start(tls=ServerTls(made.cert, made.key))
    client = connect(hec, context=ssl.create_default_context(cafile=str(ca.cert)))
    assert hec.url.startswith("https://")
    assert client.post(BODY).status == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(hec, context=ssl.create_default_context()).post(BODY)


def test_client_certificates(start: Any, connect: Any, ca: ThrowawayCa) -> None:
    made, client_cert = ca.server(), ca.client()
    hec = start(tls=ServerTls(made.cert, made.key, ca.cert))
    context = ssl.create_default_context(cafile=str(ca.cert))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(hec, context=context).post(BODY)
    assert hec.store.total == 0
    context = ssl.create_default_context(cafile=str(ca.cert))
    context.load_cert_chain(str(client_cert.cert), str(client_cert.key))
    assert connect(hec, context=context).post(BODY).status == 200


def test_count_only(start: Any, connect: Any) -> None:
    hec = start(count_only=True)
    client = connect(hec)
    assert client.post(b"not json\nat all\n").brief == (200, 0, None)
    assert client.post_gzip(BODY).brief == (200, 0, None)
    assert client.post(b"").brief == (400, 5, None)
    hec.faults.add(Fault("busy", after=1, times=1))
    assert client.post(BODY).brief == (503, 9, 1)
    assert (hec.store.total, hec.store.summary()["held"]) == (5, 0)
    assert connect(hec, "ack").post_acked(BODY).json["ackId"] == 0


def test_keep(start: Any, connect: Any, texts: Any) -> None:
    hec = start(keep=1)
    connect(hec).post(BODY)
    assert texts(hec) == ["b"]
    assert hec.store.total == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"profile": "other"}, "unknown profile 'other'; known: enterprise, cloud, atomic"),
        ({"switches": {"colour": 1}}, "unknown switch 'colour'; known: ack_cleanup,"),
        ({"switches": {"arrays": "some"}}, "'arrays' must be one of batch, refuse, not 'some'"),
        ({"switches": {"atomic": 1}}, "'atomic' must be bool"),
        ({"switches": {"max_body": -1}}, "'max_body' must be int"),
        ({"switches": {"max_body": True}}, "'max_body' must be int"),
        ({"switches": {"channel_idle": "long"}}, "'channel_idle' must be a number"),
        ({"nodes": 0}, "at least one node"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="^.*" + message):
        HecStandin(**options)


def test_switches_from_text() -> None:
    settings = {"atomic": "on", "max_body": "5", "bad_time": "6", "arrays": "refuse", "channel_idle": "1.5"}
    changed = Behaviour().changed(**Behaviour().parsed(settings))
    assert changed == Behaviour(atomic=True, max_body=5, bad_time=6, arrays="refuse", channel_idle=1.5)
    for name, text in (("atomic", "yes"), ("max_body", "five")):
        with pytest.raises(ValueError, match=name):
            Behaviour().parsed({name: text})


def test_every_switch_names_its_source() -> None:
    text = describe_switches()
    sources = ("Splunk", "conf spec", "vector", "open-splunk", "Fluent Bit", "load balancer")
    for line in text.splitlines()[1::2]:
        assert any(source in line for source in sources), line
    assert "sticky_cookie ['']" in text
    assert PROFILES["cloud"].missing_channel == 28


def test_token_from_text() -> None:
    token = Token.from_text("v,use_ack,name=n,indexes=a|b,index=a,connection_host=none")
    assert token == Token("v", name="n", use_ack=True, indexes=("a", "b"), index="a", connection_host="none")
    for bad in ("", ",use_ack", "v,colour=red", "v,use_ack=yes", "v,name", "v,connection_host=dns"):
        with pytest.raises(ValueError, match=r".+"):
            Token.from_text(bad)


def test_same_seed_same_cookies(start: Any, connect: Any) -> None:
    cookies = []
    for seed in (1, 1, 2):
        client = connect(start(profile="cloud", nodes=2, seed=seed))
        client.post(BODY)
        cookies.append(client.cookie)
    assert cookies[0] == cookies[1] != cookies[2]


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Starts the command as a process."""
    started: list[subprocess.Popen[str]] = []

    def begin(*args: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "sls_hec_standins.hec.cli", *args]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_command(run: Any, tmp_path: Path, number: signal.Signals) -> None:
    tokens = tmp_path / "tokens.json"
    tokens.write_text('[{"token":"from-file","name":"file"}]')
    process = run(
        *("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--token", "inline,name=inline"),
        *("--tokens", str(tokens), "--switch", "arrays=refuse"),
    )
    line = process.stdout.readline()
    start, _, hec, _, admin = line.rsplit(" ", 4)
    assert start == "hec-standin ready:"
    for token in ("inline", "from-file"):
        request = urllib.request.Request(
            hec + "/services/collector", BODY, {"Authorization": f"Splunk {token}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 200
    with urllib.request.urlopen(admin.strip() + "/state", timeout=20) as answer:
        state = json.load(answer)
    assert (state["events"], state["switches"]["arrays"]) == (4, "refuse")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--listen", "8088"], "--listen must be HOST:PORT, not '8088'"),
        (["--admin", "x:99999"], "--admin must be HOST:PORT"),
        (["--switch", "atomic"], "--switch must be NAME=VALUE, not 'atomic'"),
        (["--switch", "colour=red"], "unknown switch 'colour'"),
        (["--cert", "x"], "--cert and --key belong together"),
        (["--client-ca", "x"], "--client-ca needs --cert and --key"),
        (["--cert", "/none", "--key", "/none"], "no file"),
        (["--tokens", "/none"], "No such file"),
        (["--tokens", "{file}"], "must hold a JSON array of tokens"),
        (["--keep", "-1"], "--keep must not be negative"),
        (["--nodes", "0"], "at least one node"),
        (["--token", "x,colour=red"], "unknown token setting 'colour'"),
        (["--listen", "192.0.2.1:80"], "Cannot assign requested address"),
    ],
)
def test_wrong_command_line(run: Any, args: list[str], message: str, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.json"
    tokens.write_text("{}")
    ports = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    process = run(*ports, *(arg.format(file=tokens) for arg in args))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("hec-standin: ")
    assert message in err
    assert "Traceback" not in err


def test_list_switches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-switches"]) == 0
    assert capsys.readouterr().out == describe_switches()
