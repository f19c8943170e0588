"""The outbox: bytes in flight, waiting, giving back; then all of it at random against a plain model."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from typing import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sls_hec_forwarder.delivery.batcher import Batch
from sls_hec_forwarder.delivery.lease import Fence, Lease, Pull
from sls_hec_forwarder.delivery.outbox import Outbox

LONG = 30.0  # bounds waits that should end at once


def outbox(max_bytes: int = 1000, batch_bytes: int = 100, batch_age: float = 0.0) -> Outbox:
    return Outbox(max_bytes=max_bytes, batch_bytes=batch_bytes, batch_age=batch_age)


def pull(chunks: int = 1) -> Pull:
    return Lease(1, "c0", Fence(60)).begin("c1", chunks, 0.0)


def test_put_waits_for_room_and_goes_on_when_a_batch_is_delivered() -> None:
    box = outbox(max_bytes=10, batch_bytes=10)
    mine = pull(3)
    assert box.put(mine, b"x" * 6, 1, LONG)
    assert box.put(mine, b"y" * 6, 1, LONG)  # below the bound before, so the last may exceed it
    assert not box.put(mine, b"z", 1, 0.01)
    assert box.bytes_in_flight == 12

    put: list[bool] = []
    reader = threading.Thread(target=lambda: put.append(box.put(mine, b"z", 1, LONG)))
    reader.start()
    batch = box.take(LONG)
    assert batch is not None
    box.delivered(batch)
    reader.join(LONG)
    assert put == [True]
    assert box.bytes_in_flight == 7


def test_dropped_frees_room_and_moves_no_checkpoint() -> None:
    box = outbox()
    mine = pull()
    box.put(mine, b"x", 1, LONG)
    batch = box.take(LONG)
    assert batch is not None
    box.dropped(batch)
    assert box.bytes_in_flight == 0
    assert mine.lease.committed == "c0"


def test_take_waits_for_the_age_and_no_longer() -> None:
    now = 100.0
    box = Outbox(max_bytes=1000, batch_bytes=100, batch_age=5.0, clock=lambda: now)
    box.put(pull(), b"x", 1, LONG)
    assert box.take(0.0) is None
    now = 105.0
    assert box.take(0.0) is not None
    box.put(pull(), b"y", 1, LONG)
    assert box.take(0.0) is None
    box.hurry()
    assert box.take(0.0) is not None


def test_what_was_put_back_comes_first_but_not_before_its_time() -> None:
    now = 100.0
    box = Outbox(max_bytes=1000, batch_bytes=100, batch_age=0.0, clock=lambda: now)
    box.put(pull(), b"first", 1, LONG)
    batch = box.take(0.0)
    assert batch is not None
    box.put_back(batch, 3.0)
    assert box.take(0.0) is None
    box.put(pull(), b"second", 1, LONG)
    now = 104.0
    again = box.take(0.0)
    assert again is batch
    fresh = box.take(0.0)
    assert fresh is not None
    assert fresh.body() == b"second"


def test_put_back_wakes_a_sender_that_waits() -> None:
    box = outbox()
    box.put(pull(), b"x", 1, LONG)
    batch = box.take(LONG)
    assert batch is not None
    taken: list[Batch | None] = []
    sender = threading.Thread(target=lambda: taken.append(box.take(LONG)))
    sender.start()
    box.put_back(batch, 0.05)
    sender.join(LONG)
    assert taken == [batch]


def test_a_sender_that_gives_up_leaves_its_watch_to_the_next() -> None:
    """The one thread that knows when the batch is due goes away; the other must still take it in time."""
    # On a busy machine the first may be gone before the other has come.
    assert any(one_gives_up_while_another_waits() for _ in range(100))


def one_gives_up_while_another_waits() -> bool:
    """Whether they waited at the same time."""
    box = outbox(batch_age=0.3)
    taken: list[Batch | None] = []
    patient = threading.Thread(target=lambda: taken.append(box.take(LONG)))
    hasty = threading.Thread(target=lambda: box.take(0.1))
    hasty.start()
    wait_for(lambda: waiting(box) == 1 or not hasty.is_alive())  # so that it is the one that is notified
    patient.start()
    wait_for(lambda: waiting(box) == 2 or not hasty.is_alive())
    box.put(pull(), b"x", 1, LONG)
    together = hasty.is_alive()
    hasty.join(LONG)
    patient.join(LONG / 2)
    assert [batch.body() for batch in taken if batch] == [b"x"]
    return together


def waiting(box: Outbox) -> int:
    return len(box._work._waiters)  # type: ignore[attr-defined]


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_keeping_makes_room_when_it_is_short_and_all_comes_back() -> None:
    box = outbox(max_bytes=20_000, batch_bytes=6000)
    mine = pull(4)
    bodies = [b"\n".join(b'{"event":"%d %d"}' % (chunk, n) for n in range(200)) for chunk in range(4)]
    for body in bodies:
        assert box.put(mine, body, 200, LONG)
    total = box.bytes_in_flight
    batches = [box.take(LONG) for _ in bodies]
    for batch in batches:
        assert batch is not None
        box.keep(batch)
    kept = box.bytes_in_flight
    assert kept <= 10_000
    assert sum(batch.raw_size for batch in batches if batch) == total
    for batch in batches:
        assert batch is not None
        box.put_back(batch, 0.0)
    assert box.bytes_in_flight == total
    for body in bodies:
        again = box.take(LONG)
        assert again is not None
        assert again.body() == body
        box.keep(again)
        box.delivered(again)
    assert box.bytes_in_flight == 0
    assert mine.lease.committed == "c1"


def test_close_wakes_everybody_and_refuses() -> None:
    box = outbox(max_bytes=1, batch_bytes=10, batch_age=LONG)
    mine = pull(2)
    assert box.put(mine, b"x", 1, LONG)
    results: list[object] = []
    threads = [
        threading.Thread(target=lambda: results.append(box.put(mine, b"y", 1, LONG))),
        threading.Thread(target=lambda: results.append(box.take(LONG))),
    ]
    for thread in threads:
        thread.start()
    box.close()
    for thread in threads:
        thread.join(LONG)
    assert sorted(map(str, results)) == ["False", "None"]
    assert box.closed
    assert not box.put(mine, b"y", 1, 0.0)


def test_many_readers_and_senders_lose_and_repeat_nothing() -> None:
    """Real threads: every chunk is delivered once, the bound holds, and every checkpoint ends at its end."""
    readers, pulls, largest = 4, 60, 40
    box = outbox(max_bytes=400, batch_bytes=90, batch_age=0.001)
    leases = [Lease(shard, "start", Fence(600)) for shard in range(readers)]
    seen: Counter[bytes] = Counter()
    highest = 0
    lock = threading.Lock()

    def read(shard: int) -> None:
        rng = random.Random(shard)
        for number in range(pulls):
            chunks = rng.randrange(4)
            mine = leases[shard].begin(f"c{number}", chunks, 0.0)
            for chunk in range(chunks):
                body = b"\n".join(
                    b"%d/%d/%d/%d" % (shard, number, chunk, n) for n in range(rng.randrange(1, 4))
                )
                assert len(body) <= largest
                while not box.put(mine, body, body.count(b"\n") + 1, 0.5):
                    assert not box.closed

    def send(seed: int) -> None:
        nonlocal highest
        rng = random.Random(seed)
        while not box.closed:
            batch = box.take(0.2)
            if batch is None:
                continue
            with lock:
                highest = max(highest, box.bytes_in_flight)
            if rng.random() < 0.2:
                box.put_back(batch, rng.random() * 0.002)
                continue
            if batch.events > 1 and rng.random() < 0.2:
                box.put_back(batch.cut(rng.randrange(1, batch.events)), 0.0)
            with lock:
                seen.update(batch.body().split(b"\n"))
            box.delivered(batch)

    senders = [threading.Thread(target=send, args=(seed,)) for seed in range(3)]
    workers = [threading.Thread(target=read, args=(shard,)) for shard in range(readers)]
    for thread in [*senders, *workers]:
        thread.start()
    for thread in workers:
        thread.join(LONG)
    assert all(lease.wait_settled(LONG) for lease in leases)
    box.close()
    for thread in senders:
        thread.join(LONG)
    assert not any(thread.is_alive() for thread in [*senders, *workers])
    assert box.bytes_in_flight == 0
    assert highest < 400 + largest
    assert {lease.committed for lease in leases} == {f"c{pulls - 1}"}
    assert set(seen.values()) == {1}
    expected: Counter[bytes] = Counter()
    for shard in range(readers):
        rng = random.Random(shard)
        for number in range(pulls):
            for chunk in range(rng.randrange(4)):
                expected.update(
                    b"%d/%d/%d/%d" % (shard, number, chunk, n) for n in range(rng.randrange(1, 4))
                )
    assert seen == expected


class Delivery(RuleBasedStateMachine):
    """Readers, senders and the group's whims in any order, against a model that only knows sets of events."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.fence = Fence(60, clock=lambda: self.now)
        self.box = Outbox(max_bytes=200, batch_bytes=60, batch_age=1.0, clock=lambda: self.now)
        self.leases: list[Lease] = []
        self.pulls: dict[int, list[tuple[str, set[bytes]]]] = {}  # by lease: cursor and what is undelivered
        self.queued: set[bytes] = set()
        self.sizes: dict[bytes, int] = {}  # of chunks, by their first event, while in flight
        self.chunk_of: dict[bytes, bytes] = {}
        self.held: list[Batch] = []
        self.events = 0

    @rule()
    def assign(self) -> None:
        if len(self.leases) < 4:
            self.leases.append(Lease(len(self.leases), "start", self.fence))
            self.pulls[len(self.leases) - 1] = []

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), chunks=st.lists(st.integers(1, 4), max_size=3))
    def read(self, data: st.DataObject, chunks: list[int]) -> None:
        shard = data.draw(st.integers(0, len(self.leases) - 1))
        if sum(self.sizes.values()) + 8 * sum(chunks) >= 200:
            return
        cursor = f"c{len(self.pulls[shard])}"
        mine = self.leases[shard].begin(cursor, len(chunks), self.now)
        missing: set[bytes] = set()
        for count in chunks:
            names = [b"e%06d" % (self.events + number) for number in range(count)]
            self.events += count
            body = b"\n".join(names)
            assert self.box.put(mine, body, count, 0.0)
            missing.update(names)
            self.queued.update(names)
            self.sizes[names[0]] = len(body)
            self.chunk_of.update(dict.fromkeys(names, names[0]))
        self.pulls[shard].append((cursor, missing))

    @rule()
    def take(self) -> None:
        batch = self.box.take(0.0)
        if batch is not None:
            names = batch.body().split(b"\n")
            assert self.queued.issuperset(names)
            assert len(names) == len(set(names)) == batch.events
            self.queued.difference_update(names)
            self.held.append(batch)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def cut(self, data: st.DataObject) -> None:
        batch = data.draw(st.sampled_from(self.held))
        if batch.events > 1:
            self.held.append(batch.cut(data.draw(st.integers(1, batch.events - 1))))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), delay=st.floats(0, 5))
    def put_back(self, data: st.DataObject, delay: float) -> None:
        batch = self.pop(data)
        self.queued.update(batch.body().split(b"\n"))
        self.box.put_back(batch, delay)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        batch = self.pop(data)
        gone = batch.split_revoked()
        if gone is not None:
            self.forget(gone)
            self.box.dropped(gone)
        if batch.pieces:
            self.forget(batch)
            self.box.delivered(batch)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def keep(self, data: st.DataObject) -> None:
        """Then wait, and either finish or put back."""
        batch = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        names, raw = batch.body().split(b"\n"), batch.size
        self.box.keep(batch)
        assert batch.raw_size == raw
        if data.draw(st.booleans()):
            self.box.put_back(batch, 0.0)
            assert batch.body().split(b"\n") == names
            self.queued.update(names)
        else:
            self.forget_names(names)
            self.box.delivered(batch)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.leases)).revoke()

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def heartbeat(self) -> None:
        self.fence.renew(self.now)

    def pop(self, data: st.DataObject) -> Batch:
        return self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))

    def forget(self, batch: Batch) -> None:
        self.forget_names(batch.body().split(b"\n"))

    def forget_names(self, names: list[bytes]) -> None:
        for name in names:
            for pulls in self.pulls.values():
                for _, missing in pulls:
                    missing.discard(name)
            self.sizes[self.chunk_of[name]] -= len(name)

    @invariant()
    def checkpoints_are_contiguous(self) -> None:
        for shard, lease in enumerate(self.leases):
            if lease.revoked:
                assert not lease.active
                continue
            expected = "start"
            for cursor, missing in self.pulls[shard]:
                if missing:
                    break
                expected = cursor
            assert lease.committed == expected

    @invariant()
    def bytes_are_counted(self) -> None:
        in_flight = self.box.bytes_in_flight
        names = self.queued.union(*[set(batch.body().split(b"\n")) for batch in self.held])
        # Beside the events themselves only the LF between those of one chunk count.
        assert sum(map(len, names)) <= in_flight <= sum(map(len, names)) + max(0, self.events)
        if not names:
            assert in_flight == 0

    def teardown(self) -> None:
        self.now += 100
        while True:
            batch = self.box.take(0.0)
            if batch is None:
                break
            self.held.append(batch)
        for batch in self.held:
            self.box.delivered(batch)
        assert self.box.bytes_in_flight == 0
        for shard, lease in enumerate(self.leases):
            if not lease.revoked and self.pulls[shard]:
                assert lease.committed == self.pulls[shard][-1][0]


Delivery.TestCase.settings = settings(max_examples=60, stateful_step_count=50)
TestDelivery = Delivery.TestCase
