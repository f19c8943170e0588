"""Settings from an environment: every problem at once, by name, and never a secret."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sls_hec_forwarder.errors import SettingsError
from sls_hec_forwarder.settings import Settings, describe, load, reload_secrets, secrets
from sls_hec_forwarder.settings.load import known_names
from sls_hec_forwarder.wire.rules import TopicRule

MINIMAL = {
    "SLS_ENDPOINT": "https://cn-hangzhou.log.aliyuncs.com",
    "SLS_AK_ID": "LTAI0123456789",
    "SLS_AK_KEY": "the-access-key-secret",
    "SLS_PROJECT": "audit",
    "SLS_LOGSTORE": "actiontrail",
    "SLS_CG": "splunk",
    "HEC_HOST": "splunk.example.com",
    "HEC_TOKEN": "11111111-2222-3333-4444-555555555555",
}


def problems(**changes: str | None) -> list[str]:
    """What is wrong with the minimal settings after `changes` (None removes a variable)."""
    environ = {key: value for key, value in {**MINIMAL, **changes}.items() if value is not None}
    with pytest.raises(SettingsError) as raised:
        load(environ)
    return raised.value.problems


def accepted(**changes: str) -> Settings:
    return load({**MINIMAL, **changes})


def test_minimal_settings_are_enough() -> None:
    settings = load({**MINIMAL, "PATH": "/bin"})
    assert settings.sls.project == "audit"
    assert settings.hec.https
    assert settings.hec.port == 8088
    assert settings.sls.start == "begin"
    assert settings.sls.consumer, "the host's name stands in"


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = problems(
        SLS_PROJECT=None, SLS_ENDPONT="x", HEC_PORT="0", RELAY_LOG_FORMAT="xml", SLS_IN_ORDER="maybe"
    )
    names = [problem.partition(":")[0] for problem in found]
    assert names == ["SLS_ENDPONT", "SLS_PROJECT", "SLS_IN_ORDER", "HEC_PORT", "RELAY_LOG_FORMAT"]
    assert "nearest is SLS_ENDPOINT" in found[0]
    assert "one of text, json, found 'xml'" in found[-1]


@pytest.mark.parametrize(
    "name", [name for name, spec in known_names().items() if spec.required and name == spec.name]
)
def test_a_required_setting_that_is_missing_is_named(name: str) -> None:
    assert [problem for problem in problems(**{name: None}) if problem.startswith(name)]


WRONG = {
    "SLS_ENDPOINT": "two\nlines",
    "SLS_PROJECT": "a b",
    "SLS_METADATA_URL": "ftp://x",
    "SLS_START_POSITION": "2018-12-26 0:0:0",
    "SLS_STOP_POSITION": "tomorrow",
    "SLS_EXPIRED_CURSOR": "newest",
    "SLS_HEARTBEAT_INTERVAL": "5s",
    "SLS_GROUP_TIMEOUT": "-1",
    "SLS_FETCH_COUNT": "1001",
    "SLS_CA_FILE": "/does/not/exist",
    "HEC_ENDPOINTS": "https://a:8088,nonsense",
    "HEC_BATCH_BYTES": "1T",
    "HEC_TOPIC_RULES": '{"topic": {"colour": "red"}}',
    "HEC_GZIP": "10",
    "RELAY_UNFOLD": '{"topic": "event"}',
    "RELAY_TOPICS_INCLUDE": "a*b",
    "RELAY_METRICS": "0.0.0.0:9100",
}


@pytest.mark.parametrize(("name", "text"), WRONG.items(), ids=list(WRONG))
def test_a_wrong_value_is_named_with_what_was_expected(name: str, text: str) -> None:
    [problem] = [problem for problem in problems(**{name: text}) if problem.startswith(name)]
    assert ": expected " in problem


CONFLICTS = {
    "SLS_RAM_ROLE": {"SLS_RAM_ROLE": "relay"},
    "SLS_AK_ID": {"SLS_AK_KEY": None},
    "SLS_REGION": {"SLS_AUTH_VERSION": "v4"},
    "SLS_QUERY": {"SLS_QUERY": "*", "SLS_PROCESSOR": "p"},
    "SLS_CLIENT_KEY": {"SLS_CLIENT_KEY": __file__},
    "SLS_CG": {"SLS_CG": "a.b"},
    "SLS_CONSUMER": {"SLS_CONSUMER": "-a"},
    "SLS_HEARTBEAT_INTERVAL": {"SLS_HEARTBEAT_INTERVAL": "20"},
    "SLS_STOP_POSITION": {"SLS_START_POSITION": "1700000001", "SLS_STOP_POSITION": "1700000001"},
    "HEC_HOST or": {"HEC_HOST": None},
    "HEC_HOST": {"HEC_HOST": "https://splunk:8088"},
    "HEC_CLIENT_KEY": {"HEC_CLIENT_KEY": __file__},
    "HEC_TOKEN": {"HEC_TOKEN": "to ken"},
    "HEC_BATCH_BYTES": {"HEC_BATCH_BYTES": "2M", "RELAY_BYTES_IN_FLIGHT": "1M"},
    "RELAY_TOPICS_INCLUDE": {"RELAY_TOPICS_INCLUDE": "a,b", "RELAY_TOPICS_EXCLUDE": "b"},
}


@pytest.mark.parametrize(("name", "changes"), CONFLICTS.items(), ids=list(CONFLICTS))
def test_values_that_do_not_go_together(name: str, changes: dict[str, str | None]) -> None:
    [problem] = problems(**changes)
    assert problem.startswith(name)


def test_values_of_each_kind() -> None:
    settings = accepted(
        SLS_START_POSITION="2026-01-31T08:00:00+08:00",
        SLS_STOP_POSITION="2026-02-01T00:00:00Z",
        SLS_HEARTBEAT_INTERVAL="2.5",
        HEC_BATCH_BYTES="512K",
        HEC_TOPIC_RULES='{"rds_*": {"index": "db"}, "waf": {"sourcetype": "aliyun:waf", "host": "h"}}',
        RELAY_UNFOLD='{"a": ["x", "y"], "b*": ["z"]}',
        RELAY_TOPICS_EXCLUDE="noise, debug*",
        RELAY_METRICS="unix:/run/relay/metrics",
        RELAY_LOG_CONSOLE="off",
    )
    assert settings.sls.start == "1769817600"
    assert settings.sls.stop == "1769904000"
    assert settings.sls.heartbeat_interval == 2.5
    assert settings.hec.batch_bytes == 512 * 1024
    assert settings.hec.topic_rules == (
        TopicRule("rds_*", index="db"),
        TopicRule("waf", sourcetype="aliyun:waf", host="h"),
    )
    assert settings.relay.unfold == (("a", "x"), ("a", "y"), ("b*", "z"))
    assert settings.relay.topics_exclude == ("noise", "debug*")
    assert not settings.relay.log_console


def test_several_collectors_instead_of_one() -> None:
    environ = {key: value for key, value in MINIMAL.items() if key != "HEC_HOST"}
    settings = load({**environ, "HEC_ENDPOINTS": "https://a:8088/, http://b:8088"})
    assert settings.hec.endpoints == ("https://a:8088", "http://b:8088")


class TestSecretFiles:
    def test_a_secret_from_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("from-a-file\n")
        environ = {key: value for key, value in MINIMAL.items() if key != "HEC_TOKEN"}
        assert load({**environ, "HEC_TOKEN_FILE": str(tmp_path / "token")}).hec.token == "from-a-file"

    def test_a_relative_path_is_a_systemd_credential(self, tmp_path: Path) -> None:
        (tmp_path / "hec_token").write_text("credential")
        environ = {key: value for key, value in MINIMAL.items() if key != "HEC_TOKEN"}
        environ = {**environ, "HEC_TOKEN_FILE": "hec_token", "CREDENTIALS_DIRECTORY": str(tmp_path)}
        assert load(environ).hec.token == "credential"

    def test_both_ways_at_once(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("from-a-file")
        [problem] = problems(HEC_TOKEN_FILE=str(tmp_path / "token"))
        assert problem == "HEC_TOKEN and HEC_TOKEN_FILE: both are set; keep one"

    def test_an_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("\n")
        [problem] = problems(HEC_TOKEN=None, HEC_TOKEN_FILE=str(tmp_path / "token"))
        assert problem == f"HEC_TOKEN_FILE: {tmp_path / 'token'} is empty"

    def test_a_missing_file(self) -> None:
        [problem] = problems(HEC_TOKEN=None, HEC_TOKEN_FILE="/does/not/exist")
        assert problem == "HEC_TOKEN_FILE: cannot read /does/not/exist: No such file or directory"

    def test_files_are_read_again(self, tmp_path: Path) -> None:
        token = tmp_path / "token"
        token.write_text("old")
        environ = {**{key: value for key, value in MINIMAL.items() if key != "HEC_TOKEN"}}
        environ["HEC_TOKEN_FILE"] = str(token)
        settings = load(environ)
        token.write_text("new")
        reloaded = reload_secrets(settings, environ)
        assert reloaded.hec.token == "new"
        assert reloaded.sls == settings.sls
        token.write_text("")
        with pytest.raises(SettingsError):
            reload_secrets(settings, environ)


def test_secrets_are_never_shown() -> None:
    settings = accepted()
    values = {MINIMAL["SLS_AK_KEY"], MINIMAL["HEC_TOKEN"]}
    assert secrets(settings) == values
    shown = repr(settings) + repr(describe(settings)) + repr(problems(HEC_TOKEN="to ken", SLS_CG="a.b"))
    assert not any(value in shown for value in (*values, "to ken"))


NAMES = sorted(known_names())


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*NAMES, "SLS_", "HEC_X"]), st.text(max_size=40), max_size=8))
def test_any_environment_gives_settings_or_problems(environ: dict[str, str]) -> None:
    found: list[str] = []
    try:
        load({**MINIMAL, **environ})
    except SettingsError as error:
        found = error.problems
        found.append(str(error))
    assert all("\n" not in problem for problem in found)


def test_wrong_settings_are_told_without_loading_anything_heavy() -> None:
    script = """
import json, sys
from sls_hec_forwarder.settings import load
from sls_hec_forwarder.errors import SettingsError
try:
    load({})
except SettingsError:
    print(json.dumps(sorted(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=60)
    loaded = {name.partition(".")[0] for name in json.loads(run.stdout)}
    assert not loaded & {"aliyun", "requests", "urllib3", "prometheus_client", "ssl", "lz4", "zstd"}
