"""The command for operators, which root runs: nothing of its caller decides what is run or read."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def command(tmp_path: Path, render: Callable[..., Path]) -> Path:
    """The command, of a host with the instance waf-1."""
    (tmp_path / "etc" / "instances").mkdir(parents=True)
    (tmp_path / "etc" / "instances" / "waf-1.env").write_text("")
    return render(tmp_path / "etc")


def run(command: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [command, *arguments],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.mark.parametrize(
    "name",
    [
        *("../../x", "../instances/waf-1", "waf-1/../waf-1", "/etc/passwd"),
        *("waf", "waf-0", "waf-100", "-waf-1", "Waf-1", "wäf-1", "waf-1.env"),
        *("", "waf-1\n", "waf-1;id", "*"),
    ],
)
def test_only_the_name_of_an_instance_is_taken(command: Path, name: str) -> None:
    if name not in ("", "/etc/passwd"):  # what the name would lead to is there
        at = command.parent / "etc" / "instances" / f"{name}.env"
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text("")
    done = run(command, name, "status")
    assert (done.returncode, "is no name of an instance" in done.stderr) == (2, True)


def test_an_instance_that_is_not_there_is_named_with_those_that_are(command: Path) -> None:
    done = run(command, "waf-2", "status")
    assert (done.returncode, done.stderr) == (2, "sls-hec-instance: no instance waf-2; there are: waf-1\n")


def test_the_callers_path_and_startup_files_are_not_used(command: Path, tmp_path: Path) -> None:
    trap, ran = tmp_path / "trap", tmp_path / "ran"
    trap.mkdir()
    for name in (
        "ls",
        "sed",
        "xargs",
        "bash",
        "systemctl",
        "mktemp",
        "install",
        "chown",
        "env",
        "setpriv",
        "rm",
    ):
        (trap / name).write_text(f"#!/bin/sh\n/usr/bin/touch {ran}\n")
        (trap / name).chmod(0o755)
    (trap / "startup").write_text(f"/usr/bin/touch {ran}\n")
    hostile = {"PATH": str(trap), "BASH_ENV": str(trap / "startup"), "ENV": str(trap / "startup")}
    hostile["BASH_FUNC_cd%%"] = f"() {{ /usr/bin/touch {ran}; }}"
    assert "there are: waf-1" in run(command, "waf-2", "status", **hostile).stderr
    run(command, "waf-1", "status", **hostile)
    assert not ran.exists()


def test_what_it_starts_has_no_rights_dumps_nothing_and_sees_only_its_secrets(
    command: Path, tmp_path: Path
) -> None:
    if os.getuid():
        assert "use sudo" in run(command, "waf-1", "status").stderr
        return
    secrets = tmp_path / "etc" / "credentials" / "waf-1"
    secrets.mkdir(parents=True)
    (secrets / "HEC_TOKEN").write_text("token")
    (tmp_path / "etc" / "instances" / "waf-1.env").write_text(
        "HEC_TOKEN_FILE=/run/credentials/sls-hec-forwarder@waf-1.service/HEC_TOKEN\n"
    )
    # Only root may enter the folder of the test, so the program lies elsewhere.
    program = tmp_path / "opt" / "current" / "bin" / "sls-hec-forwarder"
    program.parent.mkdir(parents=True)
    program.write_text(
        "#!/bin/sh\n"
        "cat /proc/self/coredump_filter /proc/self/limits /proc/self/status\n"
        'for last; do :; done; echo "settings $(stat -c "%U %a" "$last") $(stat -c "%U %a" "${last%/*}")"\n'
        '. "$last"; echo "secret $(cat "$HEC_TOKEN_FILE") $(stat -c "%U %a" "$HEC_TOKEN_FILE")"\n'
    )
    program.chmod(0o755)
    for folder in [tmp_path, *tmp_path.parents[:-2]]:
        folder.chmod(0o755)
    before = set(os.listdir("/run"))
    done = run(command, "waf-1", "status")
    assert done.returncode == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "00000000"
    assert "Max core file size 0 0 bytes" in lines
    assert {"CapEff: 0000000000000000", "CapBnd: 0000000000000000", "NoNewPrivs: 1"} <= set(lines)
    assert "settings nobody 600 nobody 700" in lines
    assert "secret token nobody 400" in lines
    assert not [name for name in set(os.listdir("/run")) - before if name.startswith("sls-hec-instance.")]
