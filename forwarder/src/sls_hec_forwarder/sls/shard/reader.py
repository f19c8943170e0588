"""One leased shard, from assignment to release: a thread that pulls, has encoded, and queues for sending."""

from __future__ import annotations

import enum
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable, Optional

from sls_hec_forwarder.delivery.lease import Fence, Lease, Pull
from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.delivery.unsaved import Unsaved
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.health.facts import ShardFacts
from sls_hec_forwarder.retry.backoff import CountingBackoff
from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.client import SlsClient
from sls_hec_forwarder.sls.api.errors import CursorInvalid, GroupMissing, NotMember, SlsError, Unreadable
from sls_hec_forwarder.sls.api.pull_answer import PullAnswer
from sls_hec_forwarder.sls.api.trouble import Trouble, recreated
from sls_hec_forwarder.sls.observer import Lost, SlsObserver
from sls_hec_forwarder.sls.shard.checkpoints import Checkpoints, Saver
from sls_hec_forwarder.sls.shard.memory import Memory
from sls_hec_forwarder.sls.shard.positions import Origin, Positions, Start
from sls_hec_forwarder.sls.shard.pull_plan import PullPlan
from sls_hec_forwarder.wire.encoder import Chunk, Encoded
from sls_hec_forwarder.wire.protobuf import WireError

#: How often (seconds) a thread that waits for room looks whether it is still wanted.
_LOOK = 0.25
#: Pause (seconds) of a reader that has nothing to do: suspended, finished or halted.
_REST = 0.5
#: The checkpoint at the end of a read-only shard is saved again this often (seconds) until SLS takes the
#: shard back: SLS looks whether the shard is finished when a checkpoint is saved, and the last save may have
#: been before the shard became read-only.
_SAVE_AGAIN = 15.0
#: Time (seconds) for the last checkpoint, beyond the time to deliver.
_SAVE_TIME = 5.0
#: A pull that cannot be decoded so many times in a row is an alarm.
_ALARM_AFTER = 3
#: A shard that may not be pulled for so long (seconds), because too much is unsaved, is stuck, not slow.
_STUCK_AFTER = 30.0
_STUCK = "checkpoint_stuck"
#: Pause (seconds) after an error that nobody foresaw, before the shard is given back.
_AFTER_BUG = 5.0
#: How often (seconds) to look whether another member has saved a checkpoint.
_WAIT_FOR_OTHERS = 1.0
#: Members that begin a group together know of each other's checkpoints after this time (seconds).
_GROUP_BEGINS = 30.0
#: Members restore the checkpoints of a group that was deleted for so many of its time-outs.
_RESTORING = 3

#: Conditions that end when the shard is not read here any more, beside those of calls that fail.
_OF_A_SHARD = ("pull_unreadable", "shard_stopped", "checkpoint_awaited", _STUCK)
_NOT_HERE = "the shard is not read here any more"

_log = logging.getLogger(__name__)


#: LogGroupList bytes, shard, position of the first log group (None: unknown) to events. Raises WireError.
Encode = Callable[[bytes, int, Optional[int]], Encoded]


@dataclass(frozen=True)
class Surroundings:
    """What the readers of a process share."""

    settings: SlsSettings
    client: SlsClient
    positions: Positions
    checkpoints: Checkpoints
    fence: Fence
    outbox: Outbox
    encode: Encode
    #: How many pulls may be decompressed or wait for room in the outbox at a time.
    permits: threading.Semaphore
    observer: SlsObserver
    conditions: Conditions
    #: What a crash would repeat, of all shards.
    unsaved: Unsaved
    memory: Memory
    #: To be called when SLS has no such group.
    group_lost: Callable[[str], None]
    #: To be called when SLS does not know this consumer, although its heartbeats were in time.
    forgotten: Callable[[], None]
    #: Whether the group was lost lately: other members may be about to save what they delivered.
    restoring: Callable[[], bool]
    #: The group's time-out in seconds.
    group_timeout: Callable[[], float]
    #: Whether a shard is known to be read-only.
    read_only: Callable[[int], bool]
    clock: Callable[[], float] = time.monotonic


class Phase(enum.Enum):
    """Where a reader is in its life."""

    STARTING = "starting"
    READING = "reading"
    FINISHED = "finished"
    EXPIRED = "stopped at an expired cursor"
    DRAINING = "draining"
    ENDED = "ended"


class ShardReader:
    """Started for a shard that was assigned; ends by `release` or `revoke`, and then calls `ended`.

    The shard is held, and reported in heartbeats, until `ended` is called, from the reader's own thread.
    """

    def __init__(
        self, shard: int, term: int, around: Surroundings, ended: Callable[[ShardReader], None]
    ) -> None:
        self.shard = shard
        self.term = term
        self.phase = Phase.STARTING
        self.plan: PullPlan | None = None
        self.saver: Saver | None = None
        #: Everything that was read is delivered and saved; known when it has ended.
        self.complete = False
        self._around = around
        self._ended = ended
        self._lease: Lease | None = None
        self._full_since: float | None = None  # since when too much is unsaved to pull more
        self._valid = 0.0  # when the cursor was last known to be one of the shard, in unix seconds
        self._saved_at = 0.0  # when the checkpoint was last saved, in unix seconds; evidence when it expires
        self._revoked = False
        self._leave = threading.Event()
        self._drain_until = float("inf")
        self._lock = threading.Lock()  # of the lease's creation, against `revoke`
        #: When a pull was last answered, on the clock of the surroundings; None before the first.
        self.last_pull: float | None = None
        self._waiting = False  # for room in the outbox
        self._subject = f"shard {shard}"
        self._start_trouble = Trouble(around.conditions, "start_failing", self._subject)
        self._pull_trouble = Trouble(around.conditions, "pull_failing", self._subject)
        self._thread = threading.Thread(target=self._run, name=f"sls-shard-{shard}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def release(self, drain_time: float) -> None:
        """Deliver what is in flight, for at most `drain_time` seconds, save the checkpoint, end."""
        self._drain_until = self._around.clock() + drain_time
        self._leave.set()

    def revoke(self) -> None:
        """Drop everything and end: the shard is, or may be, another consumer's."""
        with self._lock:
            self._revoked = True
            if self._lease is not None:
                self._lease.revoke()
        self._leave.set()

    def join(self, timeout: float) -> bool:
        """Wait for the end of the thread; False when `timeout` seconds were not enough."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def pull_failing(self) -> bool:
        """The last pull failed, so what the one before said of the end is not known any more."""
        return self._pull_trouble.failing

    @property
    def lease(self) -> Lease | None:
        return self._lease

    def _run(self) -> None:
        reason = "failed"
        try:
            lease = self._open()
            if lease is not None:
                self._around.observer.lease_started(self.shard)
                self._read(lease)
                self._drain(lease)
            else:
                self.complete = not self._revoked
            reason = "revoked" if self._revoked else "released"
        except Exception as error:  # noqa: BLE001 - told; a reader that died unseen would keep its shard for ever
            # Given back after a pause: the next reader, here or elsewhere, starts at the checkpoint.
            _log.exception("shard %d: unexpected error, giving the shard back", self.shard)
            text = f"{type(error).__name__}: {error}"
            self._around.conditions.occurred("reader_failed", self._subject, text)
            if self._lease is not None:
                self._lease.revoke()
            self._leave.wait(_AFTER_BUG)
        finally:
            self.phase = Phase.ENDED
            if self.saver is not None:
                self._around.checkpoints.remove(self.saver)
                self.saver.close(_NOT_HERE)
            try:
                self._around.observer.lease_ended(self.shard, reason)
                _log.info("shard %d: %s", self.shard, reason)
                for trouble in (self._start_trouble, self._pull_trouble):
                    trouble.close(_NOT_HERE)
                for name in _OF_A_SHARD:
                    self._around.conditions.end(name, self._subject, _NOT_HERE)
            finally:
                self._ended(self)

    def facts(self, lag: float | None) -> ShardFacts:
        """What is measured of the shard; `lag` in seconds."""
        now = self._around.clock()

        def ago(moment: float | None) -> float | None:
            return None if moment is None else max(0.0, now - moment)

        lease, saver = self._lease, self.saver
        reading = self.phase is Phase.READING and not self._waiting
        return ShardFacts(
            shard=self.shard,
            phase=self.phase.value,
            pulling=reading and lease is not None and lease.active,
            lag=lag,
            oldest_undelivered=None if lease is None else ago(lease.oldest_started),
            last_pull=ago(self.last_pull),
            last_delivery=None if lease is None else ago(lease.last_advance),
            last_checkpoint=None if saver is None else ago(saver.saved_at),
        )

    # Opening

    def _open(self) -> Lease | None:
        """Find where to start; None when the shard has to be left before that."""
        around = self._around
        backoff = CountingBackoff(0.5, 30.0)
        began = around.clock()
        while not self._leave.is_set():
            try:
                start = around.positions.first(self.shard)
                if self._has_to_wait(start, began):
                    self._leave.wait(_WAIT_FOR_OTHERS)
                    continue
                if start.new and not self._leave.is_set():
                    # Before anything is read: if this process dies, the next one must not find another start.
                    around.client.save_checkpoint(self.shard, start.cursor)
            except GroupMissing as problem:
                around.observer.failed("start", problem.kind)
                around.group_lost(str(problem))
                self._leave.wait(backoff.next())
            except SlsError as problem:
                around.observer.failed("start", problem.kind)
                self._start_trouble.failed(problem)
                if isinstance(problem, NotMember):
                    self._not_member()
                self._leave.wait(backoff.next())
            else:
                self._start_trouble.over()
                around.conditions.end("checkpoint_awaited", self._subject)
                return self._make_lease(start)
        return None

    def _not_member(self) -> None:
        if self._around.fence.is_open():
            self._around.forgotten()
        self.revoke()

    def _has_to_wait(self, start: Start, began: float) -> bool:
        """Whether another member may save a better checkpoint than this start."""
        around = self._around
        waited = around.clock() - began
        if start.origin is Origin.UNCERTAIN and waited < _GROUP_BEGINS:
            return True
        if start.origin in (Origin.SETTINGS, Origin.UNCERTAIN) and around.restoring():
            known = "another member may know how far it was delivered"
        elif start.origin is Origin.SEEN:
            known = f"another member was last seen at {start.cursor}"
        else:
            return False
        if waited >= around.group_timeout():
            return False
        text = f"the new consumer group has no checkpoint of it; {known}"
        around.conditions.measured("checkpoint_awaited", self._subject, text)
        return True

    def _tell_start(self, start: Start) -> None:
        conditions, origin = self._around.conditions, start.origin
        if origin in (Origin.OWN, Origin.SEEN):
            text = (
                f"the new consumer group had no checkpoint of it; going on at {start.cursor}, {origin.value}"
            )
            conditions.occurred("group_restored", self._subject, text)
        elif origin is Origin.RECREATED:
            conditions.occurred("logstore_recreated", "", recreated(self._around.client.place))

    def _make_lease(self, start: Start) -> Lease | None:
        around = self._around
        with self._lock:
            if self._revoked:
                return None
            self._lease = lease = Lease(self.shard, start.cursor, around.fence, around.unsaved)
        around.memory.hold(lease)
        self._tell_start(start)
        self._saved_at = self._valid = start.updated
        self.plan = PullPlan(start.cursor, around.settings.fetch_interval, around.settings.fetch_count)
        self.saver = Saver(
            around.client,
            lease,
            around.observer,
            around.conditions,
            lost=self._not_member,
            group_lost=around.group_lost,
            moved=self._checkpoint_moved,
            clock=around.clock,
        )
        around.checkpoints.add(self.saver)
        _log.info("shard %d: reading from %s, %s", self.shard, start.cursor, start.origin.value)
        return lease

    # Reading

    def _read(self, lease: Lease) -> None:
        assert self.plan is not None
        self.phase = Phase.READING
        while not self._leave.is_set():
            if self.phase is Phase.READING and self.plan.finished:
                self.phase = Phase.FINISHED
                _log.info("shard %d: read to its end", self.shard)
            if lease.suspended or self.phase is Phase.EXPIRED:
                self._leave.wait(_REST)
            elif self.phase is Phase.FINISHED:
                self._rest(lease, self.plan)
            elif not self._has_room(lease):
                self._leave.wait(_LOOK)
            else:
                self._leave.wait(self._step(lease, self.plan))

    def _has_room(self, lease: Lease) -> bool:
        """Whether more may be pulled, by what a crash would repeat; saves the checkpoint where that helps."""
        saver, conditions = self.saver, self._around.conditions
        assert saver is not None
        now = self._around.clock()
        if (lease.should_save or not lease.may_pull(now)) and saver.due:
            self._around.checkpoints.save(saver)
        if lease.may_pull(now):
            self._full_since = None
            conditions.end(_STUCK, f"shard {self.shard}")
            return True
        if self._full_since is None:
            self._full_since = now
        elif now - self._full_since >= _STUCK_AFTER:
            waits = "delivered" if lease.committed == saver.saved else "saved"
            text = f"{lease.unsaved_bytes} bytes beyond {saver.saved} wait to be {waits}"
            conditions.measured(_STUCK, f"shard {self.shard}", text)
        return False

    def _step(self, lease: Lease, plan: PullPlan) -> float:
        """One pull; seconds until the next."""
        around = self._around
        try:
            if plan.stop is None and around.positions.bounded:
                plan.stop = around.positions.stop_cursor(self.shard)
                if plan.stopped:
                    return 0.0
            read_only = around.read_only(self.shard)
            answer = around.client.pull(self.shard, plan.cursor, count=plan.count, end_cursor=plan.stop or "")
            self.last_pull = around.clock()
            answer.check()  # what contradicts itself is not counted either
            around.observer.pulled(self.shard, answer.wire_bytes, answer.raw_bytes, answer.groups)
            if not self._take_over(lease, answer):
                return 0.0
            if read_only and not answer.groups and answer.next_cursor == answer.cursor:
                self._check_end(answer)  # a shard that ends is not pulled any more
        except CursorInvalid as problem:
            return self._expired(lease, plan, problem)
        except WireError as problem:
            broken = Unreadable(f"the log groups at cursor {plan.cursor} cannot be read: {problem}")
            return self._pull_failed(plan, broken)
        except SlsError as problem:
            return self._pull_failed(plan, problem)
        self._valid = around.positions.now()
        self._pull_trouble.over()
        if plan.undecodable:
            around.conditions.end("pull_unreadable", self._subject)
        return plan.pulled(answer, read_only)

    def _take_over(self, lease: Lease, answer: PullAnswer) -> bool:
        """Encode and queue an answer; False when the shard has to be left before that is complete."""
        around = self._around
        if answer.missing:
            self._check_gap(answer)
        if not answer.raw_bytes:
            if answer.missing:
                self._report_gap(answer)
            if answer.next_cursor != answer.cursor:
                lease.begin(answer.next_cursor, 0, around.clock())
            return True
        self._waiting = True
        while not around.permits.acquire(timeout=_LOOK):
            if self._leave.is_set():
                return False
        try:
            encoded = around.encode(answer.unpack(), self.shard, answer.first_cursor)
            if encoded.groups != answer.groups:
                raise Unreadable(
                    f"the answer at cursor {answer.cursor} has {encoded.groups} log groups where its header "
                    f"says {answer.groups}"
                )
            if self._leave.is_set():
                return False
            if answer.missing:
                self._report_gap(answer)
            size = sum(len(each.body) for each in encoded.chunks)
            pull = lease.begin(answer.next_cursor, len(encoded.chunks), around.clock(), size)
            around.observer.encoded(self.shard, encoded.events, size, encoded.repaired)
            for topic, logs in encoded.filtered.items():
                around.observer.filtered(topic, logs)
            return self._put(lease, pull, encoded.chunks)
        finally:
            around.permits.release()
            self._waiting = False

    def _put(self, lease: Lease, pull: Pull, chunks: Sequence[Chunk]) -> bool:
        """Queue the chunks; on release this goes on while there is time, so that the pull can complete."""
        around = self._around
        for chunk in chunks:
            while not around.outbox.put(pull, chunk.body, chunk.events, _LOOK):
                if around.outbox.closed:  # nothing can be delivered any more
                    self.revoke()
                if lease.revoked or self._drain_left() <= 0:
                    return False
        return True

    def _rest(self, lease: Lease, plan: PullPlan) -> None:
        """Nothing more to pull: see that SLS learns it."""
        assert self.saver is not None
        settled = lease.committed == plan.cursor
        saved = settled and self._around.checkpoints.save(self.saver, again=plan.at_end)
        self._leave.wait(_SAVE_AGAIN if saved else _REST)

    # Trouble

    def _pull_failed(self, plan: PullPlan, problem: SlsError) -> float:
        self._around.observer.failed("pull", problem.kind)
        self._pull_trouble.failed(problem)
        pause = plan.failed(problem)
        if plan.undecodable >= _ALARM_AFTER:
            text = f"the same pull failed {plan.undecodable} times, so this is no accident: {problem}"
            self._around.conditions.begin("pull_unreadable", self._subject, text)
        return pause

    def _expired(self, lease: Lease, plan: PullPlan, problem: CursorInvalid) -> float:
        around = self._around
        seen = plan.cursor_time or self._saved_at or None
        try:
            expiry = around.positions.expired(self.shard, plan.cursor, seen, self._valid)
        except SlsError as other:
            return self._pull_failed(plan, other)
        around.observer.expired(self.shard, expiry.lost)
        if expiry.recreated and expiry.next_cursor is not None:
            around.conditions.occurred("logstore_recreated", "", recreated(around.client.place))
            return self._jump(lease, plan, expiry.next_cursor)
        policy = f"SLS_EXPIRED_CURSOR={around.settings.expired}"
        if expiry.next_cursor is None:
            text = f"lost before they were read: {expiry.lost}; {policy}: {problem}"
            around.conditions.begin("shard_stopped", self._subject, text)
            self.phase = Phase.EXPIRED
            return 0.0
        text = f"lost before they were read: {expiry.lost}; going on at {expiry.next_cursor}, {policy}"
        around.conditions.occurred("logs_lost", self._subject, text)
        return self._jump(lease, plan, expiry.next_cursor)

    def _jump(self, lease: Lease, plan: PullPlan, cursor: str) -> float:
        lease.begin(cursor, 0, self._around.clock())
        plan.jump(cursor)
        self._valid = self._around.positions.now()
        return 0.0

    def _checkpoint_moved(self, cursor: str) -> None:
        """Somebody set the group's checkpoint: it is obeyed by a new reader, which starts from there.

        While the group is being restored it was a member that knows better how far the shard was delivered.
        """
        lease, around = self._lease, self._around
        assert lease is not None
        groups = cursors.distance(cursor, lease.committed)
        restored = around.memory.group_was_lost(within=_RESTORING * around.group_timeout())
        if groups is None:
            effect = "what is between them is repeated or skipped"
        elif groups >= 0:
            effect = f"{groups} log groups are read again"
        elif restored:
            effect = f"{-groups} log groups that were delivered are not read again"
        else:
            effect = f"{-groups} log groups are SKIPPED"
        moved = f"the checkpoint from {lease.committed} to {cursor}: {effect}"
        around.memory.moved(self.shard, cursor)
        if restored:
            around.conditions.occurred("group_restored", self._subject, f"another member restored {moved}")
        else:
            around.conditions.occurred("checkpoint_moved", self._subject, f"somebody set {moved}")
        self.revoke()

    def _check_gap(self, answer: PullAnswer) -> None:
        """Raises Unreadable when the shard still holds what the answer steps over."""
        begin = self._around.client.cursor(self.shard, "begin")
        held = cursors.distance(begin, cursors.encode(answer.first_position))
        if held is None or held > 0:
            raise Unreadable(
                f"the answer at cursor {answer.cursor} steps over {answer.missing} log groups without "
                f"bringing them, though the shard still holds all from {begin} on"
            )

    def _check_end(self, answer: PullAnswer) -> None:
        """Raises Unreadable when the shard goes on behind an answer that says that it ends."""
        end = self._around.client.cursor(self.shard, "end")
        if (cursors.distance(answer.cursor, end) or 0) > 0:
            raise Unreadable(
                f"the answer at cursor {answer.cursor} is empty, though the shard goes on to {end}"
            )

    def _report_gap(self, answer: PullAnswer) -> None:
        """SLS went on behind the cursor without calling it invalid. Raises SlsError."""
        around = self._around
        if around.positions.recreated(self.shard, self._valid):
            around.conditions.occurred("logstore_recreated", "", recreated(around.client.place))
            return
        lost = Lost(answer.cursor, answer.missing, None, answer.cursor_time)
        self._around.observer.expired(self.shard, lost)
        text = f"{lost} are missing between cursor {answer.cursor} and the first one of the answer"
        self._around.conditions.occurred("logs_lost", self._subject, text)

    # Leaving

    def _drain(self, lease: Lease) -> None:
        """Deliver and save what is in flight, as far as the time goes; the next owner repeats the rest."""
        if self._revoked:
            return
        assert self.saver is not None
        self.phase = Phase.DRAINING
        around = self._around
        around.outbox.hurry()
        settled = lease.wait_settled(max(0.0, self._drain_left()))
        if not settled:
            _log.warning(
                "shard %d: %d pulls could not be delivered in time; the next owner of the shard repeats them",
                *(self.shard, lease.pulls_in_flight),
            )
        saved = around.checkpoints.save_finally(self.saver, max(_SAVE_TIME, self._drain_left()))
        if not saved and not lease.revoked:
            _log.warning(
                "shard %d: the last checkpoint could not be saved; the next owner goes on at %s",
                *(self.shard, self.saver.saved),
            )
        self.complete = settled and saved
        if saved:
            around.memory.handed_over(lease)
        lease.revoke()  # nothing of it may be sent once it is somebody else's

    def _drain_left(self) -> float:
        return self._drain_until - self._around.clock()
