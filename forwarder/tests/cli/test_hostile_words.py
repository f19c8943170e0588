"""Words of servers, names and contents of files reach no terminal as they are, and end no command."""

from __future__ import annotations

import gzip
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

import pytest

from sls_hec_forwarder.spool.dead_letter import DeadLetter, pack_letter
from sls_hec_forwarder.spool.files import files
from sls_hec_standins.hec.app import HecApp
from sls_hec_standins.http import Request, Response
from sls_hec_standins.sls.app import SlsApp

from .conftest import World, ended
from .test_status import joined

#: Half a character, escape sequences of both kinds, a turned direction, no width, and line ends of all kinds.
BAD = "\ud800\x1b]0;title\x07\x1b[2J\x9b2J\u202egnp.exe\u2066\u200b\u2028\u2029\x85\r\nNo line"
SHOWN = "\\ud800\\x1b]0;title\\x07\\x1b[2J\\x9b2J\\u202egnp.exe\\u2066\\u200b\\u2028\\u2029\\x85\\r\\nNo line"
IN_JSON = json.dumps(BAD)
DEEP = "[" * 100_000 + "]" * 100_000


def plain_lines(text: str) -> list[str]:
    """The lines of a command's output, which has no other characters than they may have."""
    assert text.endswith("\n") or not text
    lines = text.split("\n")[:-1]
    assert all(line.isprintable() for line in lines), text
    return lines


def ascii_json(text: str) -> list[Any]:
    assert text.isascii()
    assert all(line.isprintable() for line in text.splitlines())
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], None]:
    """Replace a part of the answers to a call of SLS."""
    honest = SlsApp.handle

    def change(call: str, old: str, new: str) -> None:
        def handle(app: SlsApp, request: Request) -> Response:
            truth = honest(app, request)
            if app.route(request) != call:
                return truth
            assert old.encode() in truth.body
            return Response(truth.status, truth.headers, truth.body.replace(old.encode(), new.encode()))

        monkeypatch.setattr(SlsApp, "handle", handle)

    return change


def test_an_owner_in_status(world: World, say: Callable[[str, str, str], None]) -> None:
    joined(world)
    say("GetCheckPoint", '"relay-1"', IN_JSON)
    done = world.run("status")
    assert (done.returncode, done.stderr) == (0, "")
    lines = plain_lines(done.stdout)
    assert sum(SHOWN in line for line in lines) == 3  # two shards and a consumer
    assert not any(line.startswith("No line") for line in lines)
    (page,) = ascii_json(world.run("status", "--json").stdout)
    assert page["consumers"][0]["name"] == BAD


def test_a_cursor_in_status_and_reset(world: World, say: Callable[[str, str, str], None]) -> None:
    client = joined(world)
    say("GetCheckPoint", f'"{client.cursor(0, "begin")}"', IN_JSON)
    for command in (("status",), ("status", "--json"), ("reset", "--to", "begin")):
        done = world.run(*command)
        assert (done.returncode, done.stdout) == (1, "")
        (line,) = plain_lines(done.stderr)
        assert "GetCheckPoint proj/store: not a valid answer of SLS" in line
        assert "expected a cursor, got '\\ud800\\x1b" in line
    (told,) = ascii_json(world.run("reset", "--to", "begin", "--json").stdout)
    assert "expected a cursor" in told["problem"]


def test_the_words_of_a_refusal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f'{{"errorCode":{IN_JSON},"errorMessage":{IN_JSON}}}'.encode()
    monkeypatch.setattr(SlsApp, "handle", lambda *_: Response(403, [], body))
    refusal = f'{{"text":{IN_JSON},"code":4}}'.encode()
    monkeypatch.setattr(HecApp, "handle", lambda *_: Response(403, [], refusal))
    for command in (("status",), ("reset", "--to", "begin"), ("check",)):
        done = world.run(*command)
        assert done.returncode == 1
        plain_lines(done.stderr)
        assert any("\\x1b[2J" in line for line in plain_lines(done.stdout) + plain_lines(done.stderr))
        assert "Traceback" not in done.stderr
    (report,) = ascii_json(world.run("check", "--json").stdout)
    assert any("\\x9b2J" in each["text"] for each in report["checks"] if each["area"] == "hec")


@contextmanager
def instance(world: World, folder: Path, body: bytes) -> Iterator[None]:
    """Something that answers where the metrics of the relay are."""
    path = folder / "m.sock"
    world.settings["RELAY_METRICS"] = f"unix:{path}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def answer() -> None:
            for _ in range(2):
                client, _ = server.accept()
                with client:
                    client.recv(65536)
                    client.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield
        thread.join(60)


def report(**changes: str) -> bytes:
    fields = {
        "severity": '"critical"',
        "name": '"n"',
        "subject": IN_JSON,
        "since": IN_JSON,
        "count": "1",
        "text": IN_JSON,
        "does": IN_JSON,
        "todo": IN_JSON,
    }
    condition = ",".join(f'"{name}":{text}' for name, text in {**fields, **changes}.items())
    return f'{{"status":"critical","ready":false,"conditions":[{{{condition}}}],"shards":{{}}}}'.encode()


def test_the_words_of_a_condition_in_health(world: World, tmp_path: Path) -> None:
    with instance(world, tmp_path, report()):
        done = world.run("health")
        assert (done.returncode, done.stderr) == (1, "")
        assert len(plain_lines(done.stdout)) == 2
        assert SHOWN in done.stdout
        (told,) = ascii_json(world.run("health", "--json").stdout)
        assert told["conditions"][0]["text"] == BAD


@pytest.mark.parametrize(
    "body",
    [
        DEEP.encode(),
        report(severity="{}"),
        report(count="1e400"),
        b'{"status":[],"ready":true,"conditions":{"a":1}}',
        b'{"status":"ok","ready":true,"conditions":[],"shards":{"worst_lag_seconds":1e400}}',
        b'{"status":"ok","ready":true,"conditions":[],"shards":[]}',
        b'{"status":"ok","ready":true,"conditions":[{}]}',
    ],
    ids=lambda body: body[:60].decode(),
)
def test_what_is_no_health_report(world: World, tmp_path: Path, body: bytes) -> None:
    with instance(world, tmp_path, body):
        done = world.run("health")
        assert (done.returncode, done.stdout) == (1, "")
        assert len(plain_lines(done.stderr)) == 1
        (told,) = ascii_json(world.run("health", "--json").stdout)
        assert told["status"] == "unknown"


# The spool


@pytest.fixture
def spool(world: World, tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    world.settings["RELAY_SPOOL_DIR"] = str(folder)
    return folder


def letter(number: int, event: str = '"e"', text: str = "text") -> DeadLetter:
    envelope = f'{{"source":"s","event":{event},"fields":{{"sls_id":"0|{number}"}}}}'.encode()
    return DeadLetter(1_700_000_000.0 + number, "refused", 400, 6, text, "https://idx:8088", 0, envelope)


EVERY = (("list",), ("list", "--json"), ("show",), ("show", "--json"), ("send", "--dry-run"), ("send",))


def all_commands(world: World) -> dict[tuple[str, ...], list[str]]:
    """What each of them says to a folder in which something is wrong, on both outputs."""
    found: dict[tuple[str, ...], list[str]] = {}
    for command in EVERY:
        done = world.run("replay", *command)
        assert "Traceback" not in done.stderr
        assert done.returncode == 1, command
        found[command] = plain_lines(done.stdout) + plain_lines(done.stderr)
        if "--json" in command:
            ascii_json(done.stdout)
    return found


def test_names_and_letters_with_escapes(world: World, spool: Path) -> None:
    bad = os.fsencode("\x1b[2J\x9b\u202e\n") + b"\xff.jsonl.gz"
    shown = "\\x1b[2J\\x9b\\u202e\\n\\udcff.jsonl.gz"
    event = json.dumps(BAD, ensure_ascii=False)
    broken = DeadLetter(
        1.7e9, BAD, 400, 6, BAD, BAD, 0, event.encode("utf-8", "replace"), 2, 1.7e9, {"index": BAD}
    )
    (spool / os.fsdecode(bad)).write_bytes(pack_letter(broken) + pack_letter(letter(1)) + b"garbage")
    said = all_commands(world)
    assert any(shown in line for line in said["list",])
    assert any(SHOWN in line for line in said["list",])
    assert any(SHOWN in line for line in said["show",])
    assert any(f"{shown}: 7 bytes are not dead letters" in line for line in said["send",])


def test_what_is_no_file_is_named_in_one_line_and_the_others_are_sent(world: World, spool: Path) -> None:
    (spool / "good.jsonl.gz").write_bytes(pack_letter(letter(1)))
    (spool / "link.jsonl.gz").symlink_to("/dev/zero")
    os.mkfifo(spool / "pipe.jsonl.gz")
    (spool / "folder.jsonl.gz").mkdir()
    for said in all_commands(world).values():
        for name in ("link", "pipe", "folder"):
            (line,) = [each for each in said if f"/{name}.jsonl.gz" in each]
            assert "no regular file; it is not opened" in line
    assert world.hec.store.total == 1
    assert files(spool) == []


def test_letters_that_are_absurd_stay_and_the_others_are_sent(world: World, spool: Path) -> None:
    good = json.loads(letter(1).to_line())
    lines = [
        json.dumps(good),
        DEEP,
        json.dumps({**good, "status": "S"}).replace('"S"', "1e400"),
        json.dumps({**good, "code": "S"}).replace('"S"', "NaN"),
        json.dumps({**good, "code": {"a": [1]}}),
        json.dumps({**good, "time": "9999-12-31T23:59:59-23:59"}),
        json.dumps({**good, "envelope": "\ud800"}),
    ]
    path = spool / "a.jsonl.gz"
    path.write_bytes(b"".join(gzip.compress(f"{line}\n".encode()) for line in lines))
    for said in all_commands(world).values():
        assert any("bytes are not dead letters; they are left in the file" in line for line in said)
    assert world.hec.store.total == 1
    assert sum(gzip.decompress(path.read_bytes()).count(b"\n") for path in files(spool)) == len(lines) - 1


def test_events_that_are_absurd_are_shown_and_sent_as_they_are(world: World, spool: Path) -> None:
    letters = [letter(n, event) for n, event in enumerate([DEEP, "1e400", "NaN", r'"\ud800"', "9" * 20_000])]
    (spool / "a.jsonl.gz").write_bytes(b"".join(map(pack_letter, letters)))
    (listed,) = ascii_json(world.run("replay", "list", "--json").stdout)
    assert listed["events"] == len(letters)
    shown = world.run("replay", "show")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert len(plain_lines(shown.stdout)) == 3 * len(letters)
    (one,) = ascii_json(world.run("replay", "show", "--json", "--id", "0|4").stdout)
    assert one["envelope"] == letters[4].envelope.decode()
    done = world.run("replay", "send", "--dry-run", "--set-index", "main")
    assert plain_lines(done.stderr) == [
        "a.jsonl.gz: id -: cannot be sent: it is no JSON object, so nothing in it can be changed"
    ]
    done = world.run("replay", "send")
    assert "Traceback" not in done.stderr
    plain_lines(done.stdout)
    plain_lines(done.stderr)
    assert done.stdout.splitlines()[-1].split(",")[0].endswith("accepted")


#: Runs a command, and says on standard error how much memory (kB) it took at most.
MEASURED = (
    "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:]);"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr);"
    "sys.exit(done.returncode)"
)


def test_bombs_take_neither_memory_nor_time(world: World, spool: Path) -> None:
    bomb = gzip.compress(bytes(200 << 20), 6)
    (spool / "a.jsonl.gz").write_bytes(pack_letter(letter(1)) + bomb * 6 + pack_letter(letter(2)))
    (spool / "b.jsonl.gz").write_bytes(bomb[: len(bomb) // 2])
    (spool / "c.jsonl.gz").write_bytes(gzip.compress(b"\n" * (60 << 20)))
    (spool / "d.jsonl.gz").touch()
    os.truncate(spool / "d.jsonl.gz", 1 << 40)
    command = [
        sys.executable,
        "-c",
        MEASURED,
        sys.executable,
        "-m",
        "sls_hec_forwarder.cli",
        "replay",
        "list",
    ]
    with ended(world.start_program(command)) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    *complaints, memory = plain_lines(err)
    assert int(memory) < 300_000
    assert [Path(line.split(":")[0]).name for line in complaints] == [
        "a.jsonl.gz",
        "b.jsonl.gz",
        "c.jsonl.gz",
        "d.jsonl.gz",
    ]
    assert out.splitlines()[-1].startswith("2 events in 1 files")
