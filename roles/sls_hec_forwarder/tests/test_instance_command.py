"""The command for operators, which root runs: nothing of its caller decides what is run or read."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import jinja2
import pytest
import yaml

ROLE = Path(__file__).parent.parent


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
        "systemd-run",
        "journalctl",
        "env",
        "kill",
        "sleep",
    ):
        (trap / name).write_text(f"#!/bin/sh\n/usr/bin/touch {ran}\n")
        (trap / name).chmod(0o755)
    (trap / "startup").write_text(f"/usr/bin/touch {ran}\n")
    hostile = {"PATH": str(trap), "BASH_ENV": str(trap / "startup"), "ENV": str(trap / "startup")}
    hostile["BASH_FUNC_cd%%"] = f"() {{ /usr/bin/touch {ran}; }}"
    assert "there are: waf-1" in run(command, "waf-2", "status", **hostile).stderr
    run(command, "waf-1", "status", **hostile)
    assert not ran.exists()


@pytest.fixture
def recorded(command: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Runs the command with the unit of the role; returns what it gives to systemd-run, which is not run."""
    jinja = jinja2.Environment(trim_blocks=True)
    unit = jinja.from_string((ROLE / "templates" / "sls-hec-forwarder@.service.j2").read_text()).render(
        yaml.safe_load((ROLE / "defaults" / "main.yml").read_text()),
        ansible_managed="Managed",
        _sls_hec_forwarder_etc=tmp_path / "etc",
        _sls_hec_forwarder_systemd=257,
    )
    top = tmp_path / "top"
    own = f"{top}/etc/systemd/system/sls-hec-forwarder@waf-1.service.d/instance.conf"
    recorder = tmp_path / "recorder"
    recorder.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit "${STATUS:-0}"\n')
    recorder.chmod(0o755)
    text = command.read_text().replace("exec systemd-run", f"exec {recorder}")
    command.write_text(text.replace("! -S /run/dbus/system_bus_socket", "-n ''"))

    def recorded(*arguments: str, drop_in: str, settings: str = "", secrets: Iterable[str] = ()) -> list[str]:
        files = {f"{top}/etc/systemd/system/sls-hec-forwarder@.service": unit, own: drop_in}
        files[f"{top}{tmp_path}/etc/instances/waf-1.env"] = settings
        files.update({f"{top}{tmp_path}/etc/credentials/waf-1/{name}": "secret" for name in secrets})
        for path, content in files.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(content)
        done = run(command, "--try", str(top), "/opt/new/program", "60", "waf-1", *arguments)
        if os.getuid():
            assert "use sudo" in done.stderr
            return []
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.replace(str(top), "TOP").replace(str(tmp_path), "").splitlines()

    return recorded


LIFE = (
    *("Type", "NotifyAccess", "ExecStartPre", "ExecStart", "ExecReload", "WatchdogSec", "KillMode"),
    *("TimeoutStartSec", "TimeoutStopSec", "Restart", "RestartSec", "RestartSteps", "RestartMaxDelaySec"),
    *("StateDirectory", "StateDirectoryMode", "RuntimeDirectory", "LogsDirectory", "LogsDirectoryMode"),
)


def test_all_of_the_unit_counts_but_what_is_about_the_life_of_a_service(
    recorded: Callable[..., list[str]], tmp_path: Path
) -> None:
    given = recorded(
        "check", drop_in="[Service]\nMemoryMax=1G\nCPUQuota=\\\n  50%\n[Unit]\nWants=x.service\n"
    )
    if not given:
        return
    found = [line.split("=", 2)[1:] for line in given if line.startswith("--property=")]
    names = [name for name, _ in found]
    unit = tmp_path / "top" / "etc" / "systemd" / "system" / "sls-hec-forwarder@.service"
    section = unit.read_text().partition("[Service]")[2].partition("[Install]")[0]
    written = [line.partition("=")[0] for line in section.splitlines() if line[:1].isalpha()]
    assert set(LIFE) < set(written)
    assert [name for name in written if name not in LIFE] == [
        name for name in names if name in written and name not in LIFE
    ]
    assert not {*LIFE, "Wants", "WantedBy"} & set(names)
    assert ["MemoryMax", "1G"] in found
    assert [value.split() for name, value in found if name == "CPUQuota"] == [["50%"]]


def test_settings_and_secrets_that_are_tried_are_not_those_in_force(
    recorded: Callable[..., list[str]], tmp_path: Path
) -> None:
    folder = f"{tmp_path}/etc/credentials/waf-1"
    loaded = "".join(f"LoadCredential={name}:{folder}/{name}\n" for name in ("HEC_TOKEN", "SLS_AK_KEY"))
    at = "/run/credentials/sls-hec-forwarder@waf-1.service"
    given = recorded(
        *("check", "$HOME", "a b"),
        drop_in=f"[Service]\n{loaded}ReadWritePaths=/srv/spool\n",
        settings=f"HEC_TOKEN_FILE={at}/HEC_TOKEN\nHEC_INDEX=x\nSLS_CA_FILE={at}/SLS_CA_FILE\n",
        secrets=["HEC_TOKEN"],
    )
    if not given:
        return
    assert "--property=EnvironmentFile=TOP/etc/instances/waf-1.env" in given
    # The other one is missing, which the relay will say.
    assert [line for line in given if "LoadCredential" in line] == [
        "--property=LoadCredential=HEC_TOKEN:TOP/etc/credentials/waf-1/HEC_TOKEN"
    ]
    assert "--property=ReadWritePaths=-/srv/spool" in given
    assert "--property=RuntimeMaxSec=60" in given
    unit = next(line for line in given if line.startswith("--unit=")).partition("=")[2]
    assert given[given.index("--") :] == [
        *("--", "/usr/bin/env"),
        f"HEC_TOKEN_FILE=/run/credentials/{unit}/HEC_TOKEN",
        f"SLS_CA_FILE=/run/credentials/{unit}/SLS_CA_FILE",
        *("/opt/new/program", "check", "$$HOME", "a b"),
    ]
