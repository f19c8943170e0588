"""Lines as they are written: form, rotation, no secret, a disk that is full."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sls_hec_forwarder.process import logs
from sls_hec_forwarder.settings import RelaySettings

SECRETS = ('the-"access"-key', "11111111-2222", "pass/word of a proxy")
CONTEXT = {"project": "audit", "logstore": "actiontrail", "consumer": "relay-1"}


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging as it was: the settings of a test must not outlive it."""
    root, package = logging.getLogger(), logging.getLogger("sls_hec_forwarder")
    levels, hooks = (root.level, package.level), (sys.excepthook, threading.excepthook)
    yield
    logs.shut_down()
    root.setLevel(levels[0])
    package.setLevel(levels[1])
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(False)


def configured(path: Path, **changes: Any) -> logging.Logger:
    """The logger of a module, writing to `path` only."""
    settings = RelaySettings(log_file=str(path), log_console=False, **changes)
    logs.configure(settings, SECRETS[:2], CONTEXT)
    return logging.getLogger("sls_hec_forwarder.sls.group.heartbeat")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_text_line(tmp_path: Path) -> None:
    log = configured(tmp_path / "log")
    log.warning("shard %d is slow", 3, extra={"shard": 3, "code": 9})
    [line] = (tmp_path / "log").read_text().splitlines()
    moment, rest = line.split(" ", 1)
    assert rest == "WARNING sls.group.heartbeat: shard 3 is slow (shard=3, code=9)"
    assert moment.endswith("Z")
    assert len(moment) == len("2026-01-31T08:00:00.123Z")


def test_a_json_line_names_the_source(tmp_path: Path) -> None:
    log = configured(tmp_path / "log", log_format="json")
    log.info("shard %d\nis 快", 3, extra={"shard": 3, "endpoint": "https://idx1:8088"})
    [line] = lines(tmp_path / "log")
    del line["time"]
    assert line == {
        "level": "info",
        "logger": "sls.group.heartbeat",
        "message": "shard 3\nis 快",
        "project": "audit",
        "logstore": "actiontrail",
        "consumer": "relay-1",
        "shard": 3,
        "endpoint": "https://idx1:8088",
    }


def test_the_words_of_a_server_cannot_forge_a_line(tmp_path: Path) -> None:
    log = configured(tmp_path / "log")
    log.info("it said: %s", "no\n2026-01-31T08:00:00.123Z INFO all is well\x1b[2J")
    assert len((tmp_path / "log").read_text().splitlines()) == 1
    assert "\x1b" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_words_of_others_are_plain_wherever_they_stand(tmp_path: Path, form: str) -> None:
    log = configured(tmp_path / "log", log_format=form)
    bad = "\ud800\x1b[2J\x9b2J \u202e\u2066\u200b\u2028\x85\r\n2026-01-31T08:00:00.123Z INFO all is well"
    log.warning("it said: %s", bad)
    log.warning("field", extra={"said": bad})
    try:
        raise ValueError(bad) from KeyError(bad)
    except ValueError:
        log.exception("traceback")
    written = (tmp_path / "log").read_bytes()
    lines = written.decode("utf-8").split("\n")[:-1]
    assert all(line.isprintable() for line in lines)
    assert sum(line.startswith(("2026-01-31", "{")) for line in lines) == (3 if form == "json" else 0)
    assert written.isascii()
    assert b"ud800" in written


def test_only_what_the_level_lets_through(tmp_path: Path) -> None:
    log = configured(tmp_path / "log", log_level="warning")
    log.info("not this")
    log.warning("this")
    logging.getLogger("urllib3.connectionpool").info("nor this, of a library")
    assert len((tmp_path / "log").read_text().splitlines()) == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_whatever_way_it_takes(tmp_path: Path, form: str) -> None:
    log = configured(tmp_path / "log", log_format=form)
    logs.hide(SECRETS[2:])
    for secret in SECRETS:
        log.warning("plain %s", secret)
        log.warning("repr %r, url http://u:pass%%2Fword%%20of%%20a%%20proxy@h", {"key": secret})
        log.warning("field", extra={"header": f"Splunk {secret}"})
        try:
            raise ValueError(f"header {secret}") from KeyError(secret)
        except ValueError:
            log.exception("traceback")
        thread = threading.Thread(target=fail, args=(secret,), name="failing")
        thread.start()
        thread.join()
    text = (tmp_path / "log").read_text()
    assert "failing ended with an unexpected error" in text
    assert text.count("Traceback") >= 6
    for part in ("access", SECRETS[1], "word of", "word%20of"):
        assert part not in text


def fail(secret: str) -> None:
    raise RuntimeError(secret)


def test_the_file_is_rotated(tmp_path: Path) -> None:
    log = configured(tmp_path / "log", log_file_bytes=4096, log_files=2)
    for number in range(400):
        log.info("line %d", number)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    assert all(each.stat().st_size <= 4096 for each in tmp_path.iterdir())
    assert "line 399" in (tmp_path / "log").read_text()


def test_a_full_disk_is_told_once_and_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").symlink_to("/dev/full")
    log = configured(tmp_path / "log")
    for number in range(3):
        log.info("line %d", number)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert "No space left on device" in told[0]
    (tmp_path / "log").unlink()
    log.info("there is room again")
    assert "there is room again" in (tmp_path / "log").read_text()


def test_what_ends_the_program_is_logged_without_secrets() -> None:
    script = f"""
from sls_hec_forwarder.process import logs
from sls_hec_forwarder.settings import RelaySettings
logs.configure(RelaySettings(), {SECRETS!r})
raise RuntimeError({SECRETS[1]!r})
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert "CRITICAL sls_hec_forwarder: unexpected error" in run.stderr
    assert "RuntimeError: ***" in run.stderr
    assert SECRETS[1] not in run.stderr


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now
