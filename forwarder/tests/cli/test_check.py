"""`check`: all is well, and each thing that can be wrong with its one line."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from sls_hec_standins.hec import DEMO_TOKEN, HecStandin, Token
from sls_hec_standins.http import Fault, ServerTls, ThrowawayCa
from sls_hec_standins.sls.standin import SlsStandin

from ..http.scripted import answer, read_request, scripted
from ..sls.api.test_metadata_service import hands_out_a_token, hardened, says, service
from .conftest import World


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def failures(findings: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    return [(each["area"], each["what"], each["text"]) for each in findings if each["status"] == "failed"]


def texts(findings: list[dict[str, str]], what: str) -> dict[str, str]:
    """Status to text of the findings about `what`."""
    return {each["status"]: each["text"] for each in findings if each["what"] == what}


def test_all_is_well(world: World) -> None:
    status, findings = world.check()
    assert status == 0
    assert {each["what"] for each in findings if each["status"] == "ok"} == {
        *("proxy name", "proxy connection", "credentials", "clock", "project and logstore", "rights"),
        *("consumer group", "name", "connection", "health", "token", "acknowledgement", "RELAY_ENCODER"),
    }
    assert "does not exist yet" in texts(findings, "consumer group")["ok"]
    assert texts(findings, "acknowledgement")["ok"].startswith("off for this token")
    # What cannot be told is not passed over.
    assert texts(findings, "rights")["not checked"] == (
        "log:UpdateConsumerGroup, log:ConsumerGroupHeartBeat, log:ConsumerGroupUpdateCheckPoint, "
        "log:CreateConsumerGroup: needed by `run`, which reports a missing one"
    )
    assert texts(findings, "index (default of the token)").keys() == {"not checked"}


def test_nothing_is_changed_or_sent(world: World) -> None:
    assert world.check()[0] == 0
    assert world.client().list_groups() == []
    assert world.hec.store.total == 0


def test_a_table_for_people(world: World) -> None:
    done = world.run("check")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "ok           sls       credentials           proj/store: accepted" in lines
    assert lines[-1].endswith(" findings, 0 failed, 2 warnings")
    world.settings["HEC_TOKEN"] = "wrong"
    done = world.run("check")
    assert done.returncode == 1
    [line] = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert "token" in line


def test_a_test_event_when_asked_for(world: World) -> None:
    world.settings["HEC_INDEX"] = "main"
    status, findings = world.check("--send-test-event")
    assert status == 0
    assert texts(findings, "index main") == {"ok": "accepted a test event (sls_hec_test=true)"}
    assert world.hec.store.total == 1


def test_one_test_event_for_each_index_and_sourcetype(world: World) -> None:
    rules = {
        "waf": {"sourcetype": "waf"},
        "rds": {"index": "typo"},
        "sas": {"sourcetype": "waf"},
        "x": {"index": "y"},
    }
    world.hec.tokens.put(Token(DEMO_TOKEN, name="demo", indexes=("main",)))
    world.settings.update(HEC_INDEX="main", HEC_TOPIC_RULES=json.dumps(rules), RELAY_TOPICS_EXCLUDE="x*")
    status, findings = world.check("--send-test-event")
    assert status == 1
    told = [(each["what"], each["status"]) for each in findings if each["what"].startswith("index")]
    assert told == [("index main, sourcetype waf", "ok"), ("index typo", "failed"), ("index main", "ok")]
    assert "Incorrect index" in texts(findings, "index typo")["failed"]
    assert world.hec.store.total == 2
    assert DEMO_TOKEN not in json.dumps(findings)


def test_the_group_exists_with_other_settings(world: World) -> None:
    world.client().create_group(30, False)
    world.settings.update(SLS_IN_ORDER="true", SLS_HEARTBEAT_INTERVAL="15")
    status, findings = world.check()
    assert status == 0
    found = texts(findings, "consumer group")
    assert found["ok"] == "exists, time-out 30 s, not in order"
    assert "for all its members" in found["warning"]
    assert "a third" in texts(findings, "heartbeat")["warning"]


def test_acknowledgement_is_on(world: World) -> None:
    world.hec.tokens.put(Token("with-ack", name="ack", use_ack=True))
    world.settings["HEC_TOKEN"] = "with-ack"
    status, findings = world.check()
    assert status == 0
    assert texts(findings, "acknowledgement") == {"ok": "on for this token"}


def test_a_role_whose_metadata_service_wants_a_token(world: World) -> None:
    world.sls.add_key("role-key", "s3cret", token="st")
    with service(hands_out_a_token, hardened) as (_, url):
        world.settings.update(SLS_RAM_ROLE="my-role", SLS_METADATA_URL=url, SLS_AK_ID="", SLS_AK_KEY="")
        status, findings = world.check()
    assert status == 0
    assert texts(findings, "credentials") == {"ok": "accepted"}


def test_a_role_that_is_not_there_is_told_without_advice_about_access_keys(world: World) -> None:
    with service(hands_out_a_token, says("404 Not Found")) as (_, url):
        world.settings.update(SLS_RAM_ROLE="my-role", SLS_METADATA_URL=url, SLS_AK_ID="", SLS_AK_KEY="")
        [(_, what, text)] = failures(world.check()[1])
    assert what == "credentials"
    assert text.endswith("check SLS_RAM_ROLE, and that the role is attached to this ECS instance")
    assert "SLS_AK" not in text


# What can be wrong: how, then area, what, and parts of the one line.


def wrong_secret(world: World) -> None:
    world.settings["SLS_AK_KEY"] = "another-secret"


def unknown_key(world: World) -> None:
    world.settings["SLS_AK_ID"] = "nobody"


def disabled_key(world: World) -> None:
    world.sls.add_key("ak", "the-secret-of-ak", disabled=True)


def expired_token(world: World) -> None:
    world.sls.add_key("ak", "the-secret-of-ak", token="sts-token", expires=world.sls.clock.now() - 1)
    world.settings["SLS_STS_TOKEN"] = "sts-token"


def no_metadata_service(world: World) -> None:
    world.settings.update(
        SLS_RAM_ROLE="relay",
        SLS_METADATA_URL=f"http://127.0.0.1:{closed_port()}",
        SLS_AK_ID="",
        SLS_AK_KEY="",
    )


def skewed_clock(world: World) -> None:
    world.sls.clock.advance(3600)


def missing_project(world: World) -> None:
    world.settings["SLS_PROJECT"] = "nowhere"


def missing_logstore(world: World) -> None:
    world.settings["SLS_LOGSTORE"] = "nothing"


def denied_actions(world: World) -> None:
    world.sls.add_key("ak", "the-secret-of-ak", deny=("log:ListConsumerGroup", "log:ListShards"))


def quota_used_up(world: World) -> None:
    for number in range(30):
        world.settings["SLS_CG"] = f"group-{number}"
        world.client().create_group(40, False)
    world.settings["SLS_CG"] = "relay"


def wrong_query(world: World) -> None:
    world.settings["SLS_QUERY"] = "no such thing |"


def no_proxy_there(world: World) -> None:
    world.settings["SLS_PROXY"] = f"http://127.0.0.1:{closed_port()}"


def no_such_name(world: World) -> None:
    world.settings.update(SLS_PROXY="", SLS_ENDPOINT="http://log.invalid")


def sls_in_trouble(world: World) -> None:
    world.sls.faults.add(Fault("error", status=500, code="InternalServerError", text="broken"))


def hec_down(world: World) -> None:
    world.settings["HEC_ENDPOINTS"] = f"http://127.0.0.1:{closed_port()}"


def hec_name_unknown(world: World) -> None:
    world.settings["HEC_ENDPOINTS"] = "http://splunk.invalid:8088"


def hec_unhealthy(world: World) -> None:
    world.hec.faults.add(Fault("error", "health", status=503, code=18, text="HEC is unhealthy"))


def wrong_token(world: World) -> None:
    world.settings["HEC_TOKEN"] = "another-token"


def disabled_token(world: World) -> None:
    world.hec.tokens.put(Token(DEMO_TOKEN, name="demo", disabled=True))


def plain_port(world: World) -> None:
    world.settings["HEC_ENDPOINTS"] = world.hec.url.replace("http:", "https:")


def hec_proxy_down(world: World) -> None:
    world.settings["HEC_PROXY"] = f"http://127.0.0.1:{closed_port()}"


Case = tuple[Callable[[World], None], str, str, tuple[str, ...]]
CASES: list[Case] = [
    (wrong_secret, "sls", "credentials", ("SignatureNotMatch", "check SLS_AK_ID, SLS_AK_KEY")),
    (unknown_key, "sls", "credentials", ("nobody", "check SLS_AK_ID")),
    (disabled_key, "sls", "credentials", ("disabled", "check SLS_AK_ID")),
    (expired_token, "sls", "credentials", ("expired", "SLS_STS_TOKEN")),
    (no_metadata_service, "sls", "credentials", ("RAM role relay", "metadata service", "SLS_METADATA_URL")),
    (skewed_clock, "sls", "clock", ("RequestTimeTooSkewed", " s off", "synchronise")),
    (missing_project, "sls", "project", ("ProjectNotExist", "check SLS_PROJECT")),
    (missing_logstore, "sls", "logstore", ("LogStoreNotExist", "check SLS_LOGSTORE")),
    (
        denied_actions,
        "sls",
        "rights",
        ("log:ListShards, log:ListConsumerGroup: denied", "acs:log:*:*:project/proj/logstore/store"),
    ),
    (quota_used_up, "sls", "consumer group", ("ConsumerGroupQuotaExceed", "delete one", "group-0, group-1,")),
    (wrong_query, "sls", "query", ("check SLS_QUERY",)),
    (no_proxy_there, "sls", "proxy connection", ("Connection refused", "check the port")),
    (no_such_name, "sls", "name", ("proj.log.invalid has no address", "DNS")),
    (sls_in_trouble, "sls", "request", ("InternalServerError", "HTTP 500")),
    (hec_down, "hec", "connection", ("Connection refused", "check the port")),
    (hec_name_unknown, "hec", "name", ("splunk.invalid has no address", "DNS")),
    (hec_unhealthy, "hec", "health", ("HEC is unhealthy", "503")),
    (wrong_token, "hec", "token", ("Invalid token", "check HEC_TOKEN")),
    (disabled_token, "hec", "token", ("Token disabled", "enable the token")),
    (plain_port, "hec", "certificate", ("no TLS with 127.0.0.1", "check that the port speaks TLS")),
    (hec_proxy_down, "hec", "proxy connection", ("Connection refused",)),
]


@pytest.mark.parametrize(
    ("make_wrong", "area", "what", "parts"), CASES, ids=[case[0].__name__ for case in CASES]
)
def test_what_is_wrong_is_told_in_one_line(
    world: World, make_wrong: Callable[[World], None], area: str, what: str, parts: tuple[str, ...]
) -> None:
    make_wrong(world)
    status, findings = world.check()
    assert status == 1
    [(found_area, found_what, text)] = failures(findings)
    assert (found_area, found_what) == (area, what)
    assert "\n" not in text
    for part in parts:
        assert part in text
    # The other side is looked at all the same.
    other = "hec" if area == "sls" else "sls"
    assert [each for each in findings if each["area"] == other and each["status"] == "ok"]
    secrets = ("the-secret-of-ak", "another-secret", world.settings["HEC_TOKEN"], "sts-token")
    assert not any(secret in json.dumps(findings) for secret in secrets)


# 407 is the standard's, 401 is tinyproxy's.
@pytest.mark.parametrize("refusal", ["407 Proxy Authentication Required", "401 Unauthorized"])
def test_a_proxy_that_wants_another_password(world: World, refusal: str) -> None:
    def refuse(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(answer(b"<!DOCTYPE html>\n<title>No</title>", refusal))

    with scripted(refuse) as port:
        proxy = f"http://relay:mistyped@127.0.0.1:{port}"
        world.settings.update(
            SLS_PROXY=proxy, HEC_PROXY=proxy, HEC_ENDPOINTS=world.hec.url.replace("http:", "https:")
        )
        status, findings = world.check()
    assert status == 1
    [(_, _, sls), (_, _, hec)] = failures(findings)
    assert "check user and password in SLS_PROXY" in sls
    assert "SLS_AK" not in sls
    assert "it wants another user and password): check HEC_PROXY" in hec
    assert "mistyped" not in json.dumps(findings)


def test_an_index_that_the_token_may_not_write_to(world: World) -> None:
    world.hec.tokens.put(Token(DEMO_TOKEN, name="demo", indexes=("main",)))
    world.settings.update(HEC_INDEX="main", HEC_TOPIC_RULES='{"waf": {"index": "security"}}')
    status, findings = world.check("--send-test-event")
    assert status == 1
    [(_, what, text)] = failures(findings)
    assert what == "index security"
    assert "Incorrect index" in text
    assert "create the index, or allow it for the token" in text


def test_each_collector_is_looked_at(world: World) -> None:
    down = f"http://127.0.0.1:{closed_port()}"
    world.settings["HEC_ENDPOINTS"] = f"{down},{world.hec.url}"
    status, findings = world.check()
    assert status == 1
    assert [what for _, what, _ in failures(findings)] == ["connection"]
    assert texts(findings, "all else") == {"not checked": "needs a connection"}
    assert texts(findings, "token") == {"ok": "accepted"}


# TLS


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayCa:
    return ThrowawayCa(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayCa:
    return ThrowawayCa(tmp_path_factory.mktemp("stranger"), "Another CA")


HEC_NAMES = ("localhost", "127.0.0.1")


@pytest.fixture
def secure_hec(ca: ThrowawayCa, world: World) -> Iterator[HecStandin]:
    certificate = ca.server(HEC_NAMES)
    with HecStandin(tls=ServerTls(certificate.cert, certificate.key)) as hec:
        world.settings.update(HEC_ENDPOINTS=hec.url, HEC_CA_FILE=str(ca.cert))
        yield hec


def test_a_trusted_collector(world: World, secure_hec: HecStandin) -> None:
    status, findings = world.check()
    assert status == 0
    assert "trusted, issued by Throwaway test CA, valid for " in texts(findings, "certificate")["ok"]


@pytest.mark.parametrize(
    ("names", "days", "part"),
    [
        (HEC_NAMES, -1, "renew it on the server"),
        (("splunk.example.com",), 30, "use a host name that it contains"),
    ],
    ids=["expired", "another host's"],
)
def test_a_certificate_that_does_not_hold(
    world: World, secure_hec: HecStandin, ca: ThrowawayCa, names: tuple[str, ...], days: int, part: str
) -> None:
    certificate = ca.server(names, days=days)
    secure_hec.server.set_tls(ServerTls(certificate.cert, certificate.key))
    status, findings = world.check()
    assert status == 1
    [(area, what, text)] = failures(findings)
    assert (area, what) == ("hec", "certificate")
    assert part in text


def test_a_certificate_of_another_ca(world: World, secure_hec: HecStandin, stranger: ThrowawayCa) -> None:
    world.settings["HEC_CA_FILE"] = str(stranger.cert)
    status, findings = world.check()
    assert status == 1
    [(area, what, text)] = failures(findings)
    assert (area, what) == ("hec", "certificate")
    assert "set HEC_CA_FILE to the certificate of the CA" in text


def test_a_certificate_that_expires_soon(world: World, secure_hec: HecStandin, ca: ThrowawayCa) -> None:
    certificate = ca.server(HEC_NAMES, days=5)
    secure_hec.server.set_tls(ServerTls(certificate.cert, certificate.key))
    status, findings = world.check()
    assert status == 0
    assert ": renew it" in texts(findings, "certificate")["warning"]


def test_a_certificate_that_nobody_verifies(world: World, secure_hec: HecStandin) -> None:
    world.settings.update(HEC_SSL_VERIFY="false", HEC_CA_FILE="")
    status, findings = world.check()
    assert status == 0
    assert texts(findings, "certificate") == {"warning": "not verified (HEC_SSL_VERIFY=false)"}


@pytest.mark.parametrize(
    ("names", "days", "trusted", "part"),
    [
        (("*.sls.test", "sls.test"), 30, True, ""),
        (("*.sls.test", "sls.test"), 30, False, "SLS_CA_FILE"),
        (("*.sls.test", "sls.test"), -1, True, "expired"),
        (("sls.example.com",), 30, True, "not valid for"),
    ],
    ids=["trusted", "another CA's", "expired", "another host's"],
)
def test_the_certificate_of_sls(
    ca: ThrowawayCa,
    stranger: ThrowawayCa,
    names: tuple[str, ...],
    days: int,
    trusted: bool,
    part: str,
) -> None:
    certificate = ca.server(names, days=days)
    tls = ServerTls(certificate.cert, certificate.key)
    with SlsStandin(tunnel_tls=tls) as sls, HecStandin() as hec:
        world = World(sls, hec)
        world.settings["SLS_ENDPOINT"] = "https://sls.test"
        world.settings["SLS_CA_FILE"] = str(ca.cert if trusted else stranger.cert)
        status, findings = world.check()
    assert status == (1 if part else 0)
    for area, what, text in failures(findings):
        assert (area, what) == ("sls", "request")
        assert part in text
    assert len(failures(findings)) == status


# Settings


def test_wrong_settings(world: World, tmp_path: Path) -> None:
    world.settings.update(SLS_ENDPONT="x", HEC_TOKEN="", HEC_GZIP="11")
    done = world.run("check")
    assert done.returncode == 2
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        "SLS_ENDPONT",
        "HEC_TOKEN",
        "HEC_GZIP",
    ]
    done = world.run("check", "--json")
    assert done.returncode == 2
    told = json.loads(done.stdout)
    assert told["ok"] is False
    assert told["problems"] == done.stderr.splitlines()


def test_settings_from_a_file(world: World, tmp_path: Path) -> None:
    file = tmp_path / "relay.env"
    lines = [f'{name}="{value}"' for name, value in world.settings.items()]
    file.write_text("# the relay\n" + "\n".join(lines) + "\n")
    world.settings = {"SLS_NONSENSE": "left over in a shell"}
    assert world.check("--env-file", str(file))[0] == 0
    done = world.run("check", "--env-file", str(tmp_path / "missing"))
    assert done.returncode == 2
    assert done.stderr == f"cannot read {tmp_path / 'missing'}: No such file or directory\n"


def test_a_reader_that_leaves_early(world: World) -> None:
    process = world.start("check")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait(120) == 1
    assert error == ""


def test_a_native_encoder_that_does_not_work(world: World, tmp_path: Path) -> None:
    broken = tmp_path / "sls_hec_native"
    broken.mkdir()
    (broken / "__init__.py").write_text('raise ImportError("no library for this machine")\n')
    world.settings["PYTHONPATH"] = str(tmp_path)
    cause = "the package sls-hec-forwarder-native cannot be used: no library for this machine"
    assert texts(world.check()[1], "RELAY_ENCODER") == {"ok": f"python: {cause}"}

    world.settings["RELAY_ENCODER"] = "native"
    status, findings = world.check()
    assert status == 1
    text = f"RELAY_ENCODER is native, but {cause}; install it, or set RELAY_ENCODER to auto or python"
    assert failures(findings) == [("settings", "RELAY_ENCODER", text)]
    done = world.run("run")
    assert done.returncode == 1
    assert text in done.stderr
