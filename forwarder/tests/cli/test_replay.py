"""`replay` as its users run it, on a spool that a relay has written."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from sls_hec_forwarder.replay.resend import WINDOW
from sls_hec_forwarder.spool.dead_letter import DeadLetter, pack_letter
from sls_hec_forwarder.spool.files import files
from sls_hec_forwarder.spool.locked_file import SpoolFile
from sls_hec_forwarder.spool.spool import Spool

from ..spool.letters import read
from .conftest import TIMEOUT, World, ended


@pytest.fixture
def spool(world: World, tmp_path: Path) -> Path:
    """The folder that the world's settings name."""
    folder = tmp_path / "spool"
    world.settings["RELAY_SPOOL_DIR"] = str(folder)
    world.hec.tokens.change("demo", indexes=["main", "audit"])
    return folder


def letter(number: int, index: str = "main", event: str = '"e"', code: int = 7) -> DeadLetter:
    body = f'{{"source":"s","index":"{index}","event":{event},"fields":{{"sls_id":"0|{number}"}}}}'.encode()
    text = "Incorrect index" if code == 7 else "Event field cannot be blank"
    return DeadLetter(1_700_000_000.0 + number, "refused", 400, code, text, "https://idx:8088", 0, body)


def fill(folder: Path, letters: list[DeadLetter], name: str = "relay-1") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.jsonl.gz"
    path.write_bytes(b"".join(map(pack_letter, letters)))
    return path


def left(folder: Path) -> list[DeadLetter]:
    return [each for path in files(folder) for each in read(path)]


def indexed(world: World) -> Counter[str]:
    return Counter({name: count for (_, name), count in world.hec.store.identities().items()})


def test_from_the_relay_into_the_spool_and_from_there_into_the_right_index(world: World, spool: Path) -> None:
    world.settings["HEC_INDEX"] = "secret"
    world.sls.load("proj", "store", logs=40)
    with ended(world.start("run")) as process:
        deadline = time.monotonic() + TIMEOUT
        while len(left(spool)) < 40:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT)
    assert world.hec.store.total == 0

    listed = world.run("replay", "list", "--json")
    (group,) = map(json.loads, listed.stdout.splitlines())
    assert (group["events"], group["reason"], group["code"], group["text"]) == (
        40,
        "refused",
        7,
        "Incorrect index",
    )
    sent = world.run("replay", "send", "--code", "7", "--set-index", "audit")
    assert (sent.returncode, sent.stderr) == (0, "")
    assert sent.stdout.splitlines()[-1] == "40 accepted, 0 refused again"
    assert {each.index for each in world.hec.store.events()} == {"audit"}
    assert set(indexed(world).values()) == {1}
    assert len(indexed(world)) == 40
    assert list(spool.iterdir()) == []


def test_list_and_show(world: World, spool: Path) -> None:
    fill(spool, [letter(1), letter(2), letter(3, event='""', code=13)])
    done = world.run("replay", "list")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split()[1:5] for line in lines[1:3]] == [
        ["2", "refused", "400", "7"],
        ["1", "refused", "400", "13"],
    ]
    assert lines[-1].startswith("3 events in 1 files; ")

    shown = world.run("replay", "show", "--code", "13", "--json")
    (record,) = map(json.loads, shown.stdout.splitlines())
    assert record["id"] == "0|3"
    assert record["file"] == "relay-1.jsonl.gz"
    assert record["envelope"] == letter(3, event='""').envelope.decode()
    assert record["refusals"] == 1
    text = world.run("replay", "show", "--limit", "2").stdout
    assert text.count("Incorrect index (HTTP 400, code 7)") == 2
    assert '"sls_id":"0|1"' in text
    assert "0|3" not in text


def test_nothing_there(world: World, spool: Path) -> None:
    for action in ("list", "show", "send"):
        done = world.run("replay", action)
        assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "0 accepted, 0 refused again\n"


def test_a_dry_run_sends_nothing(world: World, spool: Path) -> None:
    path = fill(spool, [letter(1, "secret"), letter(2, "secret")])
    before = path.read_bytes()
    done = world.run("replay", "send", "--dry-run", "--set-index", "main")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2 would be sent")
    told = world.run("replay", "send", "--dry-run", "--set-index", "main", "--json")
    envelopes = [json.loads(json.loads(line)["envelope"]) for line in told.stdout.splitlines()]
    assert [each["index"] for each in envelopes] == ["main", "main"]
    assert world.hec.store.total == 0
    assert path.read_bytes() == before


def test_what_is_refused_again_is_told_by_the_exit_status_and_stays(world: World, spool: Path) -> None:
    path = fill(spool, [letter(1), letter(2, event='""', code=13), letter(3)])
    done = world.run("replay", "send", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"accepted": 2, "refused": 1, "unsent": 0}
    again = world.run("replay", "send")
    assert again.returncode == 1
    assert again.stdout.splitlines()[-1] == "0 accepted, 1 refused again"
    (bad,) = read(path)
    assert (bad.refusals, bad.code) == (3, 13)
    assert "refused 3 times" in world.run("replay", "show").stdout
    assert world.run("replay", "send", "--below", "3").returncode == 0
    assert indexed(world) == {"0|1": 1, "0|3": 1}


def test_first_one_to_try_then_the_others(world: World, spool: Path) -> None:
    fill(spool, [letter(number) for number in range(5)])
    fill(spool, [letter(number) for number in range(5, 10)], "relay-2")
    assert world.run("replay", "send", "--limit", "6", "--file", "relay-*").returncode == 0
    assert indexed(world) == Counter(f"0|{number}" for number in range(6))
    assert world.run("replay", "send").returncode == 0
    assert indexed(world) == Counter(f"0|{number}" for number in range(10))


def test_troubles_in_one_line_each(world: World, spool: Path) -> None:
    path = fill(spool, [letter(1)])
    token = world.settings["HEC_TOKEN"]
    world.settings["HEC_TOKEN"] = "a-token-that-nobody-knows"
    done = world.run("replay", "send")
    assert done.returncode == 1
    trouble, given_up = done.stderr.splitlines()
    assert "Invalid token (HTTP 403, code 4)" in trouble
    assert given_up.startswith("gave up: every collector waits for an operator")
    assert "nobody-knows" not in done.stderr + done.stdout
    world.settings["HEC_TOKEN"] = token

    with SpoolFile(path):
        done = world.run("replay", "send")
    assert done.returncode == 1
    assert done.stderr == f"{path}: in use, by another replay perhaps\n"

    path.write_bytes(path.read_bytes() + b"garbage" + pack_letter(letter(2)))
    for action in ("list", "send"):
        done = world.run("replay", action)
        assert done.returncode == 1
        assert done.stderr == f"{path}: 7 bytes are not dead letters; they are left in the file\n"
    assert indexed(world) == {"0|1": 1, "0|2": 1}
    assert path.read_bytes() == b"garbage"

    world.settings["RELAY_SPOOL_DIR"] = ""
    done = world.run("replay", "list")
    assert done.returncode == 2
    assert done.stderr.startswith("RELAY_SPOOL_DIR: required by replay")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["send", "--rate", "0"],
        ["list", "--since", "yesterday"],
        ["show", "--limit", "0"],
        ["list", "--rate", "1"],
        ["send", "--set-index", ""],
        ["list", "--code", "x"],
    ],
)
def test_wrong_arguments(world: World, arguments: list[str]) -> None:
    done = world.run("replay", *arguments)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_a_signal_ends_it_in_order(world: World, spool: Path) -> None:
    fill(spool, [letter(number) for number in range(2000)])
    with ended(world.start("replay", "send", "--rate", "100")) as process:
        deadline = time.monotonic() + TIMEOUT
        while world.hec.store.total < 30:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert err == "interrupted; events that were not accepted are still there\n"
    assert "not tried" in out
    assert len(left(spool)) + world.hec.store.total == 2000
    assert set(indexed(world).values()) == {1}


def test_killed_again_and_again(world: World, spool: Path) -> None:
    """Nothing is lost, what comes twice is within the bound and has its identity, and it comes to an end."""
    count, bad = 2400, set(range(100, 2400, 300))
    letters = [letter(n, event='""' if n in bad else '"e"') for n in range(count)]
    for at in range(0, count, 800):
        fill(spool, letters[at : at + 800], f"relay-{at}")
    relay = Spool(spool, 1 << 30, "relay-now")
    late = [letter(number) for number in range(count, count + 40)]
    kills = 0
    while len(left(spool)) > len(bad):
        with ended(world.start("replay", "send", "--below", "2", "--rate", "1000")) as process:
            before = world.hec.store.total
            deadline = time.monotonic() + TIMEOUT
            while process.poll() is None and world.hec.store.total < before + 150 + 37 * kills:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            if late:
                relay.append(late.pop())
            if process.poll() is None:
                process.kill()
                kills += 1
            process.communicate(timeout=TIMEOUT)
        assert kills < 40
    for each in late:
        relay.append(each)
    world.run("replay", "send", "--below", "2")
    assert kills >= 3
    expected = {f"0|{number}" for number in range(count + 40) if number not in bad}
    assert set(indexed(world)) == expected
    assert world.hec.store.total - len(expected) <= kills * WINDOW
    stayed = left(spool)
    assert sorted(each.envelope for each in stayed) == sorted(letters[number].envelope for number in bad)
    assert {each.refusals for each in stayed} == {2}


def test_two_at_once_send_nothing_twice(world: World, spool: Path) -> None:
    for name in range(4):
        fill(spool, [letter(number) for number in range(100 * name, 100 * name + 100)], f"relay-{name}")
    with ended(world.start("replay", "send")) as first, ended(world.start("replay", "send")) as second:
        for process in (first, second):
            process.communicate(timeout=TIMEOUT)
    assert world.run("replay", "send").returncode == 0
    assert indexed(world) == Counter(f"0|{number}" for number in range(400))
    assert list(spool.iterdir()) == []
