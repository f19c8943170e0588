"""Bad events among good ones: one bad event costs one event, against both kinds of collectors."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sls_hec_forwarder.delivery.batcher import Batch
from sls_hec_forwarder.delivery.lease import Fence, Lease
from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.health.catalogue import Severity
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.hec.api.answers import classify
from sls_hec_forwarder.hec.api.token import Token as SentToken
from sls_hec_forwarder.hec.observer import HecObserver
from sls_hec_forwarder.hec.send.dead_letters import DeadLetters
from sls_hec_forwarder.hec.send.outcomes import Dead, Policy, decide
from sls_hec_forwarder.hec.send.refusals import Refusals
from sls_hec_forwarder.hec.send.send_context import SendContext
from sls_hec_forwarder.hec.send.settler import Settler
from sls_hec_forwarder.retry.backoff import Backoff
from sls_hec_forwarder.settings.model import HecSettings
from sls_hec_forwarder.spool.dead_letter import DeadLetter
from sls_hec_forwarder.spool.files import files
from sls_hec_forwarder.spool.spool import Spool
from sls_hec_standins.hec import DEMO_TOKEN, HecStandin, Token
from sls_hec_standins.http import Fault

from ...spool.letters import read
from .rig import Rig, envelope, indexed, running, wait_until

BAD: dict[str, tuple[bytes, int]] = {
    "syntax error": (b'{"event": nope}', 6),
    "truncated": (b'{"event":"second"', 6),
    "garbage": (b"garbage", 6),
    "neither event nor fields": (b'{"time":1,"host":"a"}', 12),
    "empty event": (b'{"event":""}', 13),
    "blank event": (b'{"event":"  "}', 13),
    "null event": (b'{"event":null}', 13),
    "nested fields": (b'{"event":"a","fields":{"b":{"c":1}}}', 15),
    "array in array": (b'{"event":"a","fields":{"b":[[1]]}}', 15),
    "fields is an array": (b'{"event":"a","fields":[1]}', 6),
    "time is no number": (b'{"event":"a","time":"soon"}', 15),
    "index": (b'{"event":"a","index":"secret"}', 7),
    "invalid UTF-8": (b'{"event":"\xff"}', 6),
}
TOKENS = [Token(DEMO_TOKEN, name="demo", indexes=("main", "audit"))]


@pytest.fixture(params=["prefix", "atomic"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def standin(mode: str, **more: Any) -> HecStandin:
    options: dict[str, Any] = {"profile": "atomic" if mode == "atomic" else "enterprise", "tokens": TOKENS}
    return HecStandin(**{**options, **more})


def letters(folder: Path) -> list[DeadLetter]:
    return [each for path in files(folder) for each in read(path)]


def feed(rig: Rig, lines: list[bytes], per_chunk: int = 7) -> None:
    for at in range(0, len(lines), per_chunk):
        rig.put(lines[at : at + per_chunk])


def good(rig: Rig, count: int) -> list[bytes]:
    names = [f"0|{len(rig.fed) + number}" for number in range(count)]
    rig.fed += names
    return [envelope(name) for name in names]


def all_good_once(rig: Rig, hec: HecStandin) -> None:
    assert rig.settled()
    wait_until(lambda: rig.outbox.bytes_in_flight == 0)
    assert indexed(hec) == Counter(rig.fed)
    assert hec.store.total == len(rig.fed)
    assert rig.lease.committed == rig.ends[0]


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("at", [0, 3, 9])
def test_exactly_the_bad_event_dies(kind: str, at: int, mode: str, tmp_path: Path) -> None:
    bad, code = BAD[kind]
    with standin(mode) as hec, running(hec.url, on_error=mode, spool=Spool(tmp_path, 1 << 20, "a")) as rig:
        lines = good(rig, 9)
        lines.insert(at, bad)
        rig.put(lines)
        all_good_once(rig, hec)
        (letter,) = letters(tmp_path)
        assert (letter.envelope, letter.code, letter.reason, letter.shard) == (bad, code, "refused", 0)
        assert letter.endpoint == hec.url
        assert rig.counts.dead == {("refused", code): 1}
        assert sum(rig.counts.answers.values()) <= 2
        assert rig.counts.totals["possible duplicates"] == 0


@pytest.mark.parametrize("code_of_null", [6, 12])
def test_other_releases_other_codes(code_of_null: int, mode: str, tmp_path: Path) -> None:
    switches = {"null_event": code_of_null, "bad_time": 6}
    options: dict[str, Any] = {"on_error": mode, "spool": Spool(tmp_path, 1 << 20, "a")}
    with standin(mode, switches=switches) as hec, running(hec.url, **options) as rig:
        lines = good(rig, 20)
        lines[5:5] = [BAD["null event"][0], BAD["time is no number"][0]]
        feed(rig, lines)
        all_good_once(rig, hec)
        assert len(letters(tmp_path)) == 2


@pytest.mark.parametrize("seed", range(4))
def test_many_bad_events_anywhere(seed: int, mode: str, tmp_path: Path) -> None:
    rng = random.Random(seed)
    with standin(mode) as hec, running(hec.url, on_error=mode, spool=Spool(tmp_path, 1 << 24, "a")) as rig:
        lines = good(rig, 200)
        planted = []
        for number in range(60):
            bad, _ = rng.choice(list(BAD.values()))
            if bad.endswith(b"}"):
                bad = bad.replace(b"{", b'{"host":"%d",' % number, 1)
            planted.append(bad)
            lines.insert(rng.randrange(len(lines)), bad)
        feed(rig, lines)
        all_good_once(rig, hec)
        assert Counter(each.envelope for each in letters(tmp_path)) == Counter(planted)


def test_a_batch_of_nothing_but_bad_events_is_bounded_work(mode: str, tmp_path: Path) -> None:
    with standin(mode) as hec:
        spool = Spool(tmp_path, 1 << 24, "a")
        with running(hec.url, on_error=mode, spool=spool, batch_bytes=100_000) as rig:
            rig.put([b'{"event":"","host":"%d"}' % number for number in range(400)])
            assert rig.settled()
            assert sum(rig.counts.answers.values()) <= 520
            assert len(letters(tmp_path)) == 400


def test_bad_events_on_the_wire_are_compressed_too(mode: str, tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 20, "a")
    with standin(mode) as hec, running(hec.url, on_error=mode, gzip_level=1, spool=spool) as rig:
        lines = good(rig, 30)
        lines.insert(10, BAD["null event"][0])
        feed(rig, lines)
        all_good_once(rig, hec)


def test_too_large_is_split_and_the_one_that_cannot_be_dies(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 24, "a")
    options: dict[str, Any] = {"batch_bytes": 100_000, "spool": spool}
    with standin("prefix", switches={"max_content_length": 5000}) as hec, running(hec.url, **options) as rig:
        lines = good(rig, 300)
        giant = envelope("giant", text="x" * 6000)
        lines.insert(100, giant)
        rig.put(lines)
        all_good_once(rig, hec)
        (letter,) = letters(tmp_path)
        assert (letter.reason, letter.status, letter.envelope) == ("oversize", 413, giant)
        assert max(each.size for each in hec.app.newest_requests() if each.status == 200) <= 5000


def test_cloud_says_broken_where_it_means_too_large(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 26, "a")
    options: dict[str, Any] = {"batch_bytes": 20_000_000, "spool": spool}
    with HecStandin(profile="cloud", tokens=TOKENS) as hec, running(hec.url, **options) as rig:
        names = [f"0|{number}" for number in range(12)]
        rig.fed += names
        lines = [envelope(name, host="x" * 1_000_000) for name in names]
        giant = envelope("giant", host="x" * 6_000_000)
        lines[6:6] = [giant, b'{"event":null}']
        rig.put(lines)
        all_good_once(rig, hec)
        assert {(each.reason, each.code) for each in letters(tmp_path)} == {
            ("oversize", 6),
            ("refused", 13),
        }


def test_a_wrong_index_goes_to_the_fallback(tmp_path: Path, mode: str) -> None:
    spool = Spool(tmp_path, 1 << 20, "a")
    options: dict[str, Any] = {"on_error": mode, "fallback_index": "audit", "spool": spool}
    with standin(mode) as hec, running(hec.url, **options) as rig:
        lines = good(rig, 20)
        name = "0|rerouted"
        rig.fed.append(name)
        lines.insert(7, envelope(name, index="secret"))
        feed(rig, lines)
        all_good_once(rig, hec)
        assert [e.index for e in hec.store.events() if e.fields["sls_id"] == name] == ["audit"]
        assert rig.counts.totals["rerouted"] == 1
        assert letters(tmp_path) == []


def test_a_wrong_fallback_index_does_not_loop(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 20, "a")
    with standin("prefix") as hec, running(hec.url, fallback_index="nowhere", spool=spool) as rig:
        lines = good(rig, 20)
        lines.insert(7, envelope("0|lost", index="secret"))
        feed(rig, lines)
        all_good_once(rig, hec)
        (letter,) = letters(tmp_path)
        assert (letter.code, letter.envelope) == (7, envelope("0|lost", index="secret"))
        assert (letter.refusals, letter.tried) == (2, {"index": "nowhere"})


def test_a_wrong_index_is_told_from_its_first_event_on(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 24, "a")
    with standin("prefix") as hec, running(hec.url, spool=spool) as rig:
        for number in range(120):
            rig.put([envelope(f"lost {number}", index="audti")])
        assert rig.settled()
        lines = [each for each in rig.said.begun if each.startswith("dead_letters ")]
        assert len(lines) == 3  # the first, the tenth, the hundredth
        for line in lines:
            assert f"{hec.url}: " in line
            assert "Incorrect index (HTTP 400, code 7): index 'audti'" in line
            assert "replay send" in line
        (standing,) = rig.said.standing()
        assert (standing.name, standing.count, standing.severity) == ("dead_letters", 120, Severity.CRITICAL)
        assert rig.said.total("dead_letters") == len(letters(tmp_path)) == 120
        assert rig.counts.dead == {("refused", 7): 120}


def test_the_fallback_index_is_told(tmp_path: Path) -> None:
    options: dict[str, Any] = {"fallback_index": "audit", "spool": Spool(tmp_path, 1 << 20, "a")}
    with standin("prefix") as hec, running(hec.url, **options) as rig:
        rig.feed(12, index="audti")
        assert rig.settled()
        assert rig.said.open == [f"events_rerouted {hec.url}"]
        assert len(rig.said.begun) == 2
        said = "Incorrect index (HTTP 400, code 7): index 'audti'; it is sent to index 'audit'"
        assert said in rig.said.begun[0]
        assert rig.said.total("events_rerouted") == rig.counts.totals["rerouted"] == 12


def test_what_was_held_is_no_trouble_any_more_when_it_is_taken_after_all() -> None:
    with standin("prefix") as hec, running(hec.url) as rig:
        rig.feed(2, index="audti")
        wait_until(lambda: "dead_letters_unsaved " in rig.said.open)
        assert "'audti'" in rig.said.begun[0]
        hec.tokens.change("demo", indexes=["main", "audti"])
        assert rig.settled()
        wait_until(lambda: not rig.said.open)


@pytest.mark.parametrize("reason", ["no spool", "full", "unwritable"])
def test_what_cannot_be_saved_is_held_and_the_others_go_on(reason: str, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    blocker = folder / "other.jsonl.gz"
    more: dict[str, Any] = {}
    if reason == "full":
        blocker.write_bytes(b"x" * 10_000)
        more["spool"] = Spool(folder, 5000, "a")
    elif reason == "unwritable":
        (tmp_path / "file").write_text("")
        more["spool"] = Spool(tmp_path / "file" / "spool", 5000, "a")
    with standin("prefix") as hec, running(hec.url, **more) as rig:
        other = rig.assign()
        rig.put([b'{"event":null}'])
        names = rig.feed(100, lease=other)
        assert other.wait_settled(40)
        assert indexed(hec) == Counter(names)
        wait_until(lambda: rig.said.begun)
        assert rig.lease.committed == "start"
        assert "held" in rig.said.begun[0]
        assert rig.counts.totals["discarded"] == 0
        if reason == "full":
            blocker.unlink()
            assert rig.settled()
            assert len(letters(folder)) == 1
            assert any("dead letters are saved again" in each for each in rig.said.ended)


def test_what_cannot_be_saved_is_dropped_where_that_is_wanted(tmp_path: Path) -> None:
    with standin("prefix") as hec, running(hec.url, spool=Spool(tmp_path, 10, "a"), drop_unsaved=True) as rig:
        lines = good(rig, 20)
        lines.insert(3, b'{"event":null}')
        feed(rig, lines)
        all_good_once(rig, hec)
        assert rig.counts.totals["discarded"] == 1
        assert "DROPPED" in rig.said.begun[0]
        assert "Event field cannot be blank" in rig.said.begun[0]
        assert rig.said.total("events_discarded") == 1


def test_the_letter_is_saved_before_the_checkpoint_passes(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 20, "a")
    seen: list[str] = []
    with standin("prefix") as hec, running(hec.url, spool=spool) as rig:
        append = spool.append

        def watched(letter: DeadLetter) -> None:
            seen.append(rig.lease.committed)
            append(letter)
            assert len(letters(tmp_path)) == 1
            seen.append(rig.lease.committed)

        spool.append = watched  # type: ignore[method-assign]
        rig.put([b'{"event":null}'])
        assert rig.settled()
    assert seen == ["start", "start"]
    assert rig.lease.committed == rig.ends[0]


def test_a_poisoned_answer_number_costs_requests_but_no_event(tmp_path: Path) -> None:
    with standin("prefix") as hec, running(hec.url, spool=Spool(tmp_path, 1 << 20, "a")) as rig:
        hec.faults.add(
            Fault("answer", "event", times=3, status=400, body='{"code":6,"invalid-event-number":999}')
        )
        feed(rig, good(rig, 40))
        all_good_once(rig, hec)
        assert letters(tmp_path) == []


class Pauses(Outbox):
    """An outbox that notes for how long batches are put back."""

    def __init__(self) -> None:
        super().__init__(max_bytes=1000, batch_bytes=100, batch_age=0.0)
        self.seen: list[float] = []

    def put_back(self, batch: Batch, delay: float) -> None:
        self.seen.append(delay)
        super().put_back(batch, 0.0)


def test_what_cannot_be_saved_is_posted_again_ever_more_seldom() -> None:
    """Hundreds of them would else keep the collector busy for as long as nobody makes room."""
    outbox, conditions = Pauses(), Conditions()
    around = SendContext(
        settings=HecSettings(token=DEMO_TOKEN),
        outbox=outbox,
        policy=Policy(),
        retry=Backoff(1.0, 60.0, random.Random(1)),
        dead_letters=DeadLetters(None, HecObserver(), conditions),
        refusals=Refusals(conditions),
        token=SentToken(DEMO_TOKEN),
        conditions=conditions,
        observer=HecObserver(),
    )
    settler = Settler("hec", around)
    pull = Lease(0, "c0", Fence(60.0)).begin("c1", 1, 0.0)
    assert outbox.put(pull, b'{"event":null}', 1, timeout=1.0)
    refused = classify(400, {}, b'{"text":"Event field is required","code":12,"invalid-event-number":0}')
    for _ in range(8):
        batch = settler.custody.take(1.0)
        assert batch is not None
        (result,) = decide(batch, refused, around.policy)
        assert isinstance(result, Dead)
        settler.refused(batch, result, refused)
    assert min(outbox.seen) >= 5.0
    assert outbox.seen[-1] >= 30.0
