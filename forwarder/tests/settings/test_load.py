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
from sls_hec_forwarder.settings import Settings, describe, load, reload_secrets, secrets, warnings
from sls_hec_forwarder.settings.load import known_names
from sls_hec_forwarder.settings.model import SECTIONS, specs
from sls_hec_forwarder.settings.parse import parse, text_of
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
    assert "one of text, json; found 'xml'" in found[-1]


@pytest.mark.parametrize(
    "name", [name for name, spec in known_names().items() if spec.required and name == spec.name]
)
def test_a_required_setting_that_is_missing_is_named(name: str) -> None:
    assert [problem for problem in problems(**{name: None}) if problem.startswith(name)]


WRONG = {
    "SLS_ENDPOINT": ("two\nlines", "control characters"),
    "SLS_PROJECT": ("a b", "lower-case letters"),
    "SLS_CG": ("Splunk", "lower-case letters"),
    "SLS_CONSUMER": ("-a", "not beginning with"),
    "SLS_METADATA_URL": ("ftp://x", "URL"),
    "SLS_PROXY": ("http://user:pass/word@proxy", "URL"),
    "SLS_START_POSITION": (
        "2018-12-26 0:0:0",
        "write 2018-12-26T00:00:00Z for UTC, 2018-12-26T00:00:00+08:00",
    ),
    "SLS_STOP_POSITION": ("1769817600000", "not milliseconds"),
    "SLS_EXPIRED_CURSOR": ("newest", "one of oldest, end, stop"),
    "SLS_HEARTBEAT_INTERVAL": ("5s", "seconds, from 1 to 60"),
    "SLS_GROUP_TIMEOUT": ("-1", "whole number, from 0 to 3600"),
    "SLS_FETCH_COUNT": ("1001", "too large"),
    "SLS_FETCH_INTERVAL": ("nan", "seconds"),
    "SLS_CA_FILE": ("/does/not/exist", "the file does not exist"),
    "HEC_HOST": ("https://splunk:8088", "without scheme and port"),
    "HEC_TOKEN": ("to ken", "6 characters that are not shown"),
    "HEC_ENDPOINTS": ("https://a:8088,nonsense", "URLs"),
    "HEC_BATCH_BYTES": ("1T", "from 1K to 800M"),
    "HEC_TOPIC_RULES": ('{"topic": {"colour": "red"}}', "index, sourcetype, source, host"),
    "HEC_GZIP": ("10", "too large"),
    "HEC_HTTPS": ("maybe", "true or false"),
    "RELAY_UNFOLD": ('{"topic": "event"}', "list of field names"),
    "RELAY_TOPICS_INCLUDE": ("a*b", "at the end"),
    "RELAY_TOPICS_EXCLUDE": ("a,,b", "between two commas"),
    "RELAY_LOG_FILE": ("/does/not/exist", "the folder does not exist"),
    "RELAY_SPOOL_DIR": (f"{__file__}/spool", "is not a folder"),
    "RELAY_METRICS": ("0.0.0.0:9100", "off, a port on loopback"),
}


@pytest.mark.parametrize(
    ("name", "text", "told"), [(name, *each) for name, each in WRONG.items()], ids=list(WRONG)
)
def test_a_wrong_value_is_named_with_what_was_expected_and_found(name: str, text: str, told: str) -> None:
    [problem] = problems(**{name: text})
    assert problem.startswith(f"{name}: expected ")
    assert "; found " in problem
    assert told in problem


def test_json_that_is_none_is_told_where() -> None:
    """Also where PyPy's own error text has half a character in it."""
    for text, place in (('{"a": é}', 7), ('{"a": {}} é', 11), ("é", 1)):
        [problem] = problems(HEC_TOPIC_RULES=text)
        assert f"it is not valid JSON from character {place} on" in problem


def test_a_password_in_the_wrong_place_is_not_repeated() -> None:
    [problem] = problems(HEC_HOST=None, HEC_ENDPOINTS="https://user:pass@splunk:8088")
    assert "pass" not in problem.partition("found")[2].partition("(")[0]
    for proxy in (
        "socks://user:s3cret@proxy:1080",
        "http://user:s3cret/@proxy:1",
        "http://user:s3cret℀@proxy:1",
    ):
        [problem] = problems(SLS_PROXY=proxy)
        assert "s3cret" not in problem


CONFLICTS = {
    "SLS_RAM_ROLE": {"SLS_RAM_ROLE": "relay"},
    "SLS_AK_ID": {"SLS_AK_ID": None},
    "SLS_AK_KEY": {"SLS_AK_KEY": None},
    "SLS_REGION": {"SLS_AUTH_VERSION": "v4"},
    "SLS_QUERY": {"SLS_QUERY": "*", "SLS_PROCESSOR": "p"},
    "SLS_CLIENT_CERT": {"SLS_CLIENT_KEY": __file__},
    "SLS_CLIENT_KEY": {"SLS_CLIENT_CERT": __file__},
    "SLS_ENDPOINT": {"SLS_ENDPOINT": "https://audit.cn-hangzhou.log.aliyuncs.com"},
    "SLS_HEARTBEAT_INTERVAL": {"SLS_HEARTBEAT_INTERVAL": "20", "SLS_GROUP_TIMEOUT": "59"},
    "SLS_STOP_POSITION": {"SLS_START_POSITION": "1700000001", "SLS_STOP_POSITION": "2023-11-14T22:13:21Z"},
    "SLS_STOP_POSITION:": {"SLS_START_POSITION": "end", "SLS_STOP_POSITION": "now"},
    "HEC_HOST": {"HEC_HOST": None},
    "HEC_HOST:": {"HEC_ENDPOINTS": "https://splunk:8088"},
    "HEC_PORT": {"HEC_HOST": None, "HEC_ENDPOINTS": "https://splunk:8088", "HEC_PORT": "8088"},
    "HEC_CLIENT_CERT": {"HEC_CLIENT_KEY": __file__},
    "HEC_BATCH_BYTES": {"HEC_BATCH_BYTES": "2M", "RELAY_BYTES_IN_FLIGHT": "1M"},
    "HEC_TOPIC_RULES": {"HEC_TOPIC_RULES": '{"a*": {}, "ab": {}}'},
    "RELAY_LOG_CONSOLE": {"RELAY_LOG_CONSOLE": "false"},
    "RELAY_TOPICS_INCLUDE": {"RELAY_TOPICS_INCLUDE": "a,bc*", "RELAY_TOPICS_EXCLUDE": "b*"},
}


@pytest.mark.parametrize(("name", "changes"), CONFLICTS.items(), ids=list(CONFLICTS))
def test_values_that_do_not_go_together(name: str, changes: dict[str, str | None]) -> None:
    [problem] = problems(**changes)
    assert problem.startswith(name)


def test_every_conflict_is_told() -> None:
    found = problems(HEC_TOPIC_RULES='{"a*": {}, "ab": {}, "ac": {}}', SLS_QUERY="*", SLS_PROCESSOR="p")
    assert [problem.partition(":")[0] for problem in found] == [
        "SLS_QUERY",
        "HEC_TOPIC_RULES",
        "HEC_TOPIC_RULES",
    ]


def test_a_value_that_is_wrong_causes_no_conflict() -> None:
    assert len(problems(HEC_HOST="a b")) == 1
    assert len(problems(SLS_AK_KEY="a b")) == 1


WARNINGS = {
    "SLS_ENDPOINT": {"SLS_ENDPOINT": "cn-hangzhou.log.aliyuncs.com"},
    "HEC_HTTPS": {"HEC_HTTPS": "false"},
    "HEC_SSL_VERIFY": {"HEC_SSL_VERIFY": "false"},
    "RELAY_SPOOL_FULL": {"RELAY_SPOOL_FULL": "drop"},
    "HEC_CONNECTIONS": {"HEC_CONNECTIONS": "3", "HEC_BATCH_BYTES": "1M", "RELAY_BYTES_IN_FLIGHT": "2M"},
}


@pytest.mark.parametrize(("name", "changes"), WARNINGS.items(), ids=list(WARNINGS))
def test_what_works_and_is_worth_a_warning(name: str, changes: dict[str, str]) -> None:
    assert warnings(accepted()) == []
    [warning] = warnings(accepted(**changes))
    assert warning.startswith(name)


def test_a_folder_that_has_to_be_made(tmp_path: Path) -> None:
    folder = str(tmp_path / "new" / "spool")
    assert accepted(RELAY_SPOOL_DIR=folder).relay.spool_dir == folder
    assert not (tmp_path / "new").exists()


def test_every_default_is_a_text_that_is_read_as_itself() -> None:
    for section in SECTIONS.values():
        for field, spec in specs(section):
            text = text_of(spec.kind, field.default)
            assert not text or parse(spec, text) == field.default, spec.name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0", "1970-01-01T00:00:00Z"),
        ("2026-01-31T08:00:00+08:00", "2026-01-31T00:00:00Z"),
        ("2026-01-31 8:0 -0030", "2026-01-31T08:30:00Z"),
        ("2026-01-31t08:00:00z", "2026-01-31T08:00:00Z"),
        ("2099-12-31T23:59:59+23:59", "2099-12-31T00:00:59Z"),
    ],
)
def test_times_with_a_zone(text: str, shown: str) -> None:
    assert accepted(SLS_START_POSITION=text).sls.start == shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0001-01-01T00:00:00+23:59", "before 1970"),
        ("9999-12-31T23:59:59-23:59", "after 2099"),
        ("2026-02-30T00:00:00Z", "day"),
        ("2026-02-28T00:00:00+99:00", "a time with its zone"),
        ("2026-02-28", "a time with its zone"),
    ],
)
def test_times_that_are_none(text: str, told: str) -> None:
    [problem] = problems(SLS_STOP_POSITION=text)
    assert told in problem


@pytest.mark.parametrize(
    ("host", "name"),
    [("relay-1.example.com", "relay-1-example-com"), ("..", "relay"), ("a" * 200, "a" * 128)],
)
def test_the_host_names_the_consumer(host: str, name: str) -> None:
    assert load(MINIMAL, host_name=host).sls.consumer == name


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
        RELAY_LOG_FILE="relay.log",
    )
    assert settings.sls.start == "2026-01-31T00:00:00Z"
    assert settings.sls.stop == "2026-02-01T00:00:00Z"
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
        assert problem == "HEC_TOKEN: set together with HEC_TOKEN_FILE; keep one of them"

    def test_an_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("\n")
        [problem] = problems(HEC_TOKEN=None, HEC_TOKEN_FILE=str(tmp_path / "token"))
        assert problem == f"HEC_TOKEN: {tmp_path / 'token'} is empty"

    def test_a_relative_path_without_systemd(self) -> None:
        [problem] = problems(HEC_TOKEN=None, HEC_TOKEN_FILE="hec_token")
        assert "CREDENTIALS_DIRECTORY" in problem

    def test_a_file_that_is_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_bytes(b"\xff\xfe")
        [problem] = problems(HEC_TOKEN=None, HEC_TOKEN_FILE=str(tmp_path / "token"))
        assert "UTF-8" in problem

    def test_a_missing_file(self) -> None:
        [problem] = problems(HEC_TOKEN=None, HEC_TOKEN_FILE="/does/not/exist")
        assert problem == "HEC_TOKEN: cannot read '/does/not/exist': No such file or directory"

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
    settings = accepted(SLS_PROXY="http://user:s:e@cret@proxy:3128")
    values = {MINIMAL["SLS_AK_KEY"], MINIMAL["HEC_TOKEN"], "s:e@cret"}
    assert secrets(settings) == values
    shown = repr(settings) + repr(describe(settings)) + repr(problems(HEC_TOKEN="to ken", SLS_CG="A"))
    assert not any(value in shown for value in (*values, "to ken"))
    rows = {name: (text, is_default) for name, text, is_default in describe(settings)}
    assert rows["SLS_PROXY"] == ("http://user:***@proxy:3128", False)
    assert rows["HEC_TOKEN"] == ("***", False)
    assert rows["SLS_STS_TOKEN"] == ("", True)
    assert rows["HEC_BATCH_BYTES"] == ("1000000", True)


NAMES = sorted(known_names())
# os.environ holds bytes that are not UTF-8 as lone surrogates.
VALUES = st.one_of(
    st.text(max_size=40),
    st.text(st.characters(codec=None, categories=["Cs", "Ll", "Cc"]), max_size=8),
    st.sampled_from(
        ['{"a": ', "[" * 100_000, "http://[::1", "http://h:99999", "9" * 30, "0:0", __file__, "/proc", "/"]
    ),
)


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*NAMES, "SLS_", "HEC_X"]), VALUES, max_size=8))
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
