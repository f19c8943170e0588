"""Dead letters, written by a real sender, are sent again to the HEC stand-in."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sls_hec_forwarder.replay.resend import WINDOW, GivenUp, Resend, Tally
from sls_hec_forwarder.replay.selection import Selection
from sls_hec_forwarder.settings.model import HecSettings, RelaySettings, Settings, SlsSettings
from sls_hec_forwarder.spool.dead_letter import DeadLetter, pack_letter
from sls_hec_forwarder.spool.files import files
from sls_hec_forwarder.spool.locked_file import SpoolFile
from sls_hec_forwarder.spool.spool import Spool
from sls_hec_standins.hec import DEMO_TOKEN, HecStandin, Token
from sls_hec_standins.http import Fault

from ..hec.send.rig import LONG, Counts, Said, envelope, indexed, running, wait_until
from ..spool.letters import read

TOKENS = [Token(DEMO_TOKEN, name="demo", indexes=("main", "audit"))]
MIB = 1 << 20


@pytest.fixture(params=["prefix", "atomic"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    descriptors = len(os.listdir("/proc/self/fd"))
    yield
    assert [each.name for each in threading.enumerate() if each.name.startswith("hec-")] == []
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors)


def standin(mode: str = "prefix", **more: Any) -> HecStandin:
    options: dict[str, Any] = {"profile": "atomic" if mode == "atomic" else "enterprise", "tokens": TOKENS}
    return HecStandin(**{**options, **more})


def settings(*urls: str, **more: Any) -> Settings:
    options: dict[str, Any] = {
        "endpoints": urls,
        "token": DEMO_TOKEN,
        "timeout": 20.0,
        "retry_max_delay": 0.4,
        "batch_bytes": 5000,
        "batch_age": 0.01,
    }
    return Settings(SlsSettings(), HecSettings(**{**options, **more}), RelaySettings())


def resend(*urls: str, **more: Any) -> Resend:
    options: dict[str, Any] = {"rate": 20_000.0, "patience": LONG, "conditions": Said()}
    given: dict[str, Any] = {
        name: more.pop(name) for name in ("rate", "patience", "edits", "observer") if name in more
    }
    return Resend(settings(*urls, **more), **{**options, **given})


def letter(number: int, index: str = "main") -> DeadLetter:
    body = envelope(f"0|{number}", index=index)
    return DeadLetter(1_700_000_000.0 + number, "refused", 400, 7, "Incorrect index", "https://a", 3, body)


def spooled(folder: Path, count: int, index: str = "main") -> None:
    """As the relay writes it, but without its many syncs."""
    folder.mkdir(exist_ok=True)
    lines = [letter(number, index) for number in range(count)]
    (folder / "relay-1.jsonl.gz").write_bytes(b"".join(map(pack_letter, lines)))


def letters(folder: Path) -> list[DeadLetter]:
    return [each for path in files(folder) for each in read(path)]


def replay(running: Resend, folder: Path, selection: Selection | None = None) -> Tally:
    """All files once."""
    selection = selection or Selection()
    for path in files(folder):
        with SpoolFile(path) as file:
            numbers = [number for number in file.numbers() if selection.takes(file.letter(number))]
            file.reserve()
            running.file(file, numbers)
    return running.total


def test_a_spool_of_the_relay_is_mended_and_what_is_bad_stays_once(tmp_path: Path, mode: str) -> None:
    blank = [b'{"event":"","host":"%d"}' % number for number in range(3)]
    with standin(mode) as hec:
        with running(hec.url, on_error=mode, spool=Spool(tmp_path, MIB, "a", file_bytes=2000)) as rig:
            rig.feed(20)
            wrong = rig.feed(30, index="secret")
            rig.put(blank)
            assert rig.settled()
        assert hec.store.total == 20
        assert len(files(tmp_path)) > 2
        before = {each.envelope: each for each in letters(tmp_path)}
        assert len(before) == 33

        with resend(hec.url, on_error=mode, edits={"index": "main"}) as again:
            assert replay(again, tmp_path) == Tally(accepted=30, refused=3)
        assert indexed(hec) == Counter(rig.fed)
        assert {each.index for each in hec.store.events() if each.fields["sls_id"] in wrong} == {"main"}
        left = letters(tmp_path)
        assert sorted(each.envelope for each in left) == sorted(blank)
        for each in left:
            first = before[each.envelope]
            assert (each.code, each.refusals, each.tried) == (13, 2, {"index": "main"})
            assert (each.time, each.shard) == (first.time, first.shard)
            assert each.again is not None
            assert each.again >= each.time

        with resend(hec.url, on_error=mode) as again:
            assert replay(again, tmp_path, Selection(below=2)) == Tally()
            assert replay(again, tmp_path) == Tally(refused=3)
        assert [each.refusals for each in letters(tmp_path)] == [3, 3, 3]
        assert hec.store.total == 50


def test_only_what_is_meant_is_sent(tmp_path: Path) -> None:
    spooled(tmp_path, 40)
    with standin() as hec, resend(hec.url) as again:
        assert replay(again, tmp_path, Selection(since=1_700_000_010, until=1_700_000_020)).accepted == 10
        assert indexed(hec) == Counter(f"0|{number}" for number in range(10, 20))
    assert len(letters(tmp_path)) == 30


def test_a_wrong_index_goes_to_the_fallback(tmp_path: Path) -> None:
    spooled(tmp_path, 20, index="secret")
    counts = Counts()
    with standin() as hec, resend(hec.url, fallback_index="audit", observer=counts) as again:
        assert replay(again, tmp_path) == Tally(accepted=20)
        assert {each.index for each in hec.store.events()} == {"audit"}
    assert counts.totals["rerouted"] == 20
    assert files(tmp_path) == []


def test_a_letter_goes_when_it_is_acknowledged_and_not_before(tmp_path: Path) -> None:
    spooled(tmp_path, 20)
    acking = [Token(DEMO_TOKEN, name="demo", use_ack=True)]
    done: list[Tally] = []
    with standin(tokens=acking, ack_latency=300) as hec, resend(hec.url) as again:
        thread = threading.Thread(target=lambda: done.append(replay(again, tmp_path)))
        thread.start()
        wait_until(lambda: hec.store.total == 20)
        asked = len([each for each in hec.app.newest_requests() if each.route == "ack"])
        wait_until(lambda: len([e for e in hec.app.newest_requests() if e.route == "ack"]) > asked + 2)
        assert len(letters(tmp_path)) == 20
        hec.clock.advance(301)
        thread.join(LONG)
        assert done == [Tally(accepted=20)]
        assert hec.store.total == 20
    assert files(tmp_path) == []


def test_no_more_than_the_window_can_come_twice(tmp_path: Path) -> None:
    spooled(tmp_path, WINDOW + 500)
    acking = [Token(DEMO_TOKEN, name="demo", use_ack=True)]
    with standin(tokens=acking, ack_latency=3600) as hec, resend(hec.url, patience=1.0) as again:
        with pytest.raises(GivenUp, match="nothing was settled for 1 s"):
            replay(again, tmp_path)
        assert 0 < hec.store.total <= WINDOW
        assert again.total == Tally()
    assert len(letters(tmp_path)) == WINDOW + 500


@pytest.mark.parametrize("times", [1, 5])
def test_what_may_come_twice_has_its_identity(tmp_path: Path, times: int) -> None:
    spooled(tmp_path, 100)
    with standin() as hec, resend(hec.url) as again:
        hec.lose_answers(times=times)
        assert replay(again, tmp_path).accepted == 100
        assert set(indexed(hec)) == {f"0|{number}" for number in range(100)}
    assert files(tmp_path) == []


def test_a_wrong_token_ends_it_and_changes_nothing(tmp_path: Path) -> None:
    spooled(tmp_path, 50)
    before = files(tmp_path)[0].read_bytes()
    with standin() as hec, resend(hec.url, token="0" * 36) as again:
        with pytest.raises(GivenUp, match="operator"):
            replay(again, tmp_path)
        assert hec.store.total == 0
    assert files(tmp_path)[0].read_bytes() == before


def test_trouble_that_passes_is_waited_for(tmp_path: Path) -> None:
    spooled(tmp_path, 50)
    with standin() as hec, resend(hec.url) as again:
        hec.faults.add(Fault("busy", "event", times=4))
        assert replay(again, tmp_path).accepted == 50
        assert set(indexed(hec).values()) == {1}


def test_trouble_that_does_not_pass_ends_it(tmp_path: Path) -> None:
    spooled(tmp_path, 50)
    with standin() as hec, resend(hec.url, patience=0.5) as again:
        hec.faults.add(Fault("refuse", "*"))
        with pytest.raises(GivenUp, match="nothing was settled"):
            replay(again, tmp_path)
    assert len(letters(tmp_path)) == 50


def test_not_faster_than_asked(tmp_path: Path) -> None:
    spooled(tmp_path, 60)
    with standin() as hec, resend(hec.url, rate=50.0) as again:
        started = time.monotonic()
        assert replay(again, tmp_path).accepted == 60
        assert time.monotonic() - started >= 60 / 50 - 0.2


def test_stopped_in_the_middle_nothing_comes_twice(tmp_path: Path) -> None:
    spooled(tmp_path, 500)
    done: list[Tally] = []
    with standin() as hec:
        with resend(hec.url, rate=200.0) as again:
            thread = threading.Thread(target=lambda: done.append(replay(again, tmp_path)))
            thread.start()
            wait_until(lambda: hec.store.total > 20)
            again.stop.set()
            thread.join(LONG)
        (result,) = done
        assert 20 < result.accepted < 500
        assert len(letters(tmp_path)) == 500 - result.accepted
        with resend(hec.url) as again:
            replay(again, tmp_path)
        assert indexed(hec) == Counter(f"0|{number}" for number in range(500))
    assert files(tmp_path) == []


def test_the_relay_writes_on_meanwhile(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10 * MIB, "relay", file_bytes=4000)
    for number in range(100):
        spool.append(letter(number))

    def write() -> None:
        for number in range(100, 300):
            spool.append(letter(number))

    writer = threading.Thread(target=write)
    with standin() as hec, resend(hec.url) as again:
        writer.start()
        while writer.is_alive():
            replay(again, tmp_path)
        writer.join()
        replay(again, tmp_path)
        assert indexed(hec) == Counter(f"0|{number}" for number in range(300))
    assert files(tmp_path) == []


def test_what_cannot_be_sent_stays_as_it_is(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MIB, "a")
    broken = DeadLetter(1.0, "refused", 400, 6, "Invalid data format", "https://a", 0, b'{"event": nope}')
    spool.append(broken)
    spool.append(letter(1))
    with standin() as hec, resend(hec.url, edits={"sourcetype": "x"}) as again:
        assert replay(again, tmp_path) == Tally(accepted=1, unsent=1)
        assert [each.sourcetype for each in hec.store.events()] == ["x"]
    assert letters(tmp_path) == [broken]
