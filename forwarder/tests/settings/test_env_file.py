"""Environment files read as systemd reads them: the examples are of systemd.exec(5) and its own tests."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sls_hec_forwarder.errors import SettingsError
from sls_hec_forwarder.settings.env_file import environment, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=plain", "plain"),
        ("A=two words  ", "two words"),
        ("  A = spaced", "spaced"),
        ("A=", ""),
        ("A=x=y", "x=y"),
        ("A=it's # no comment", "it's # no comment"),
        ("A='single $HOME \\n'", "single $HOME \\n"),
        ('A="double $HOME"', "double $HOME"),
        ('A="a \\"quote\\", a \\\\, a \\$, a \\`"', 'a "quote", a \\, a $, a `'),
        ('A="kept \\n"', "kept \\n"),
        ("A='one'\"two\" three", "onetwothree"),
        ("A=a\\\nb", "ab"),
        ('A="a\\\nb"', "ab"),
        ("A='a\nb'", "a\nb"),
        ("A=back\\slash\\\\", "backslash\\"),
        ("A=end \\ ", "end  "),
        ("# comment\n; comment\n\nA=x", "x"),
        ("A=first\nA=last", "last"),
        ("A=x\r\n", "x"),
        ("A=日志", "日志"),
    ],
)
def test_what_systemd_reads(text: str, value: str) -> None:
    assert parse(text) == {"A": value}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A=1\nnonsense\nB=2", "line 2: expected NAME=value"),
        ("1A=x", "line 1: expected NAME=value"),
        ("export A=x", "line 1: expected NAME=value"),
        ("\nA='open", "line 2: the quote in A is not closed"),
    ],
)
def test_what_systemd_would_pass_over(text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse(text, "relay.env")
    assert raised.value.problems == [f"relay.env, {problem}"]


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_value_survives_quoting(value: str) -> None:
    quoted = "".join("\\" + each if each in '"\\`$' else each for each in value)
    assert parse(f'A="{quoted}"\nB=x') == {"A": value, "B": "x"}


@given(st.text(alphabet=string.printable, max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    problems: list[str] = []
    try:
        parse(text, "f")
    except SettingsError as error:
        problems = error.problems
    assert all(problem.startswith("f, line ") for problem in problems)


class TestEnvironment:
    def test_files_replace_settings_and_nothing_else(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("HEC_HOST=a\nHEC_PORT=1\n")
        (tmp_path / "b").write_text("HEC_PORT=2\n")
        environ = {"PATH": "/bin", "SLS_PROJECT": "left over", "CREDENTIALS_DIRECTORY": "/run/x"}
        assert environment(environ, [str(tmp_path / "a"), str(tmp_path / "b")]) == {
            "PATH": "/bin",
            "CREDENTIALS_DIRECTORY": "/run/x",
            "HEC_HOST": "a",
            "HEC_PORT": "2",
        }

    def test_no_files(self) -> None:
        assert environment({"SLS_PROJECT": "p"}, []) == {"SLS_PROJECT": "p"}

    def test_all_that_is_wrong_at_once(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("nonsense")
        (tmp_path / "b").write_bytes(b"\xff")
        with pytest.raises(SettingsError) as raised:
            environment({}, [str(tmp_path / name) for name in ("a", "b", "c")])
        assert [problem.replace(str(tmp_path), "") for problem in raised.value.problems] == [
            "/a, line 1: expected NAME=value",
            "/b: not UTF-8 text",
            "cannot read /c: No such file or directory",
        ]
