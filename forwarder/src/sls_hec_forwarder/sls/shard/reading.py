"""Reads an open shard: pulls log groups, encodes them, and queues them, until the shard has to be left."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sls_hec_forwarder.delivery.lease import Pull
from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.errors import CursorInvalid, SlsError, Unreadable
from sls_hec_forwarder.sls.api.pull_answer import PullAnswer
from sls_hec_forwarder.sls.api.trouble import recreated
from sls_hec_forwarder.sls.observer import Lost
from sls_hec_forwarder.sls.shard.open_shard import Leave, OpenShard, Phase
from sls_hec_forwarder.sls.shard.shard_context import ShardContext
from sls_hec_forwarder.wire.encoder import Chunk
from sls_hec_forwarder.wire.protobuf import WireError

#: How often (seconds) a thread that waits for room checks whether it has to leave the shard.
_LOOK = 0.25
#: Pause (seconds) of a reader that has nothing to do: suspended, finished or halted.
_REST = 0.5
#: How often (seconds) the checkpoint at the end of a read-only shard is saved again until SLS takes the shard
#: back. SLS checks whether the shard is finished only when a checkpoint is saved, and the last save may have
#: been before the shard became read-only.
_SAVE_AGAIN = 15.0
#: Number of failures to decode the same pull after which a condition is raised.
_ALARM_AFTER = 3
#: Time (seconds) without pulls, because too much is unsaved, after which a shard counts as stuck, not slow.
_STUCK_AFTER = 30.0

_log = logging.getLogger(__name__)


class Reading:
    """Reads one open shard; used by the reader's thread."""

    def __init__(self, shard: OpenShard, around: ShardContext, leave: Leave) -> None:
        self._shard = shard
        self._around = around
        self._leave = leave

    def read(self) -> None:
        """Read until the shard has to be left."""
        shard = self._shard
        while not self._leave.told:
            if shard.phase is Phase.READING and shard.plan.finished:
                shard.phase = Phase.FINISHED
                _log.info("shard %d: read to its end", shard.number)
            if shard.lease.suspended or shard.phase is Phase.EXPIRED:
                self._leave.wait(_REST)
            elif shard.phase is Phase.FINISHED:
                self._rest()
            elif not self._has_room():
                self._leave.wait(_LOOK)
            else:
                self._leave.wait(self._step())

    def _has_room(self) -> bool:
        """Whether the limit on what a crash may repeat allows a pull; saves the checkpoint if that helps."""
        shard = self._shard
        lease, saver = shard.lease, shard.saver
        now = self._around.clock()
        if (lease.should_save or not lease.may_pull(now)) and saver.due:
            self._around.checkpoints.save(saver)
        if lease.may_pull(now):
            shard.full_since = None
            shard.conditions.end("checkpoint_stuck")
            return True
        if shard.full_since is None:
            shard.full_since = now
        elif now - shard.full_since >= _STUCK_AFTER:
            waits = "delivered" if lease.committed == saver.saved else "saved"
            text = f"{lease.unsaved_bytes} bytes beyond the checkpoint {saver.saved} are not {waits} yet"
            shard.conditions.measured("checkpoint_stuck", text)
        return False

    def _step(self) -> float:
        """Make one pull; return the seconds until the next."""
        around, shard, plan = self._around, self._shard, self._shard.plan
        try:
            if plan.stop is None and around.positions.bounded:
                plan.stop = around.positions.stop_cursor(shard.number)
                if plan.stopped:
                    return 0.0
            read_only = around.read_only(shard.number)
            answer = around.client.pull(
                shard.number, plan.cursor, count=plan.count, end_cursor=plan.stop or ""
            )
            shard.last_pull = around.clock()
            answer.check()  # before it is counted
            around.observer.pulled(shard.number, answer.wire_bytes, answer.raw_bytes, answer.groups)
            if not self._take_over(answer):
                return 0.0
            if read_only and not answer.groups and answer.next_cursor == answer.cursor:
                self._check_end(answer)  # because a shard at its end is never pulled again
        except CursorInvalid as problem:
            return self._expired(problem)
        except WireError as problem:
            broken = Unreadable(f"the log groups at cursor {plan.cursor} cannot be decoded: {problem}")
            return self._failed(broken)
        except SlsError as problem:
            return self._failed(problem)
        shard.valid = around.positions.now()
        shard.trouble.over()
        if plan.undecodable:
            shard.conditions.end("pull_unreadable")
        return plan.pulled(answer, read_only)

    def _take_over(self, answer: PullAnswer) -> bool:
        """Encode and queue an answer; return False when the shard has to be left before that is complete."""
        around, shard = self._around, self._shard
        if answer.missing:
            self._check_gap(answer)
        if not answer.raw_bytes:
            if answer.missing:
                self._report_gap(answer)
            if answer.next_cursor != answer.cursor:
                shard.lease.begin(answer.next_cursor, 0, around.clock())
            return True
        shard.waiting = True
        while not around.permits.acquire(timeout=_LOOK):
            if self._leave.told:
                return False
        try:
            encoded = around.encode(answer.unpack(), shard.number, answer.first_cursor)
            if encoded.groups != answer.groups:
                raise Unreadable(
                    f"the answer at cursor {answer.cursor} has {encoded.groups} log groups, but its header "
                    f"says {answer.groups}"
                )
            if self._leave.told:
                return False
            if answer.missing:
                self._report_gap(answer)
            size = sum(len(each.body) for each in encoded.chunks)
            pull = shard.lease.begin(answer.next_cursor, len(encoded.chunks), around.clock(), size)
            around.observer.encoded(shard.number, encoded.events, size, encoded.repaired)
            for topic, logs in encoded.filtered.items():
                around.observer.filtered(topic, logs)
            return self._put(pull, encoded.chunks)
        finally:
            around.permits.release()
            shard.waiting = False

    def _put(self, pull: Pull, chunks: Sequence[Chunk]) -> bool:
        """Queue the chunks; after a release this continues while there is time, to complete the pull."""
        outbox = self._around.outbox
        for chunk in chunks:
            while not outbox.put(pull, chunk.body, chunk.events, _LOOK):
                if outbox.closed:  # nothing more can be delivered
                    self._leave.revoke()
                if self._shard.lease.revoked or self._leave.drain_left <= 0:
                    return False
        return True

    def _rest(self) -> None:
        """Nothing more to pull: make sure that SLS has the last checkpoint."""
        shard = self._shard
        settled = shard.lease.committed == shard.plan.cursor
        saved = settled and self._around.checkpoints.save(shard.saver, again=shard.plan.at_end)
        self._leave.wait(_SAVE_AGAIN if saved else _REST)

    # Trouble

    def _failed(self, problem: SlsError) -> float:
        shard = self._shard
        self._around.observer.failed("pull", problem.kind)
        shard.trouble.failed(problem)
        pause = shard.plan.failed(problem)
        if shard.plan.undecodable >= _ALARM_AFTER:
            text = (
                f"the same pull failed {shard.plan.undecodable} times, so this is not a transmission error: "
                f"{problem}"
            )
            shard.conditions.begin("pull_unreadable", text)
        return pause

    def _expired(self, problem: CursorInvalid) -> float:
        around, shard = self._around, self._shard
        seen = shard.plan.cursor_time or shard.start.updated or None
        try:
            expiry = around.positions.expired(shard.number, shard.plan.cursor, seen, shard.valid)
        except SlsError as other:
            return self._failed(other)
        around.observer.expired(shard.number, expiry.lost)
        if expiry.recreated and expiry.next_cursor is not None:
            around.conditions.occurred("logstore_recreated", "", recreated(around.client.place))
            return self._jump(expiry.next_cursor)
        policy = f"SLS_EXPIRED_CURSOR={around.settings.expired}"
        if expiry.next_cursor is None:
            text = f"lost before they were read: {expiry.lost}; {policy}: {problem}"
            shard.conditions.begin("shard_stopped", text)
            shard.phase = Phase.EXPIRED
            return 0.0
        text = f"lost before they were read: {expiry.lost}; continuing at {expiry.next_cursor}, {policy}"
        around.conditions.occurred("logs_lost", shard.subject, text)
        return self._jump(expiry.next_cursor)

    def _jump(self, cursor: str) -> float:
        self._shard.lease.begin(cursor, 0, self._around.clock())
        self._shard.plan.jump(cursor)
        self._shard.valid = self._around.positions.now()
        return 0.0

    def _check_gap(self, answer: PullAnswer) -> None:
        """Raises Unreadable when the shard still holds the log groups that the answer leaves out."""
        begin = self._around.client.cursor(self._shard.number, "begin")
        held = cursors.distance(begin, cursors.encode(answer.first_position))
        if held is None or held > 0:
            raise Unreadable(
                f"the answer at cursor {answer.cursor} skips {answer.missing} log groups although the "
                f"shard still holds everything from {begin} on"
            )

    def _check_end(self, answer: PullAnswer) -> None:
        """Raises Unreadable when the shard has more after an answer that says that it ends there."""
        end = self._around.client.cursor(self._shard.number, "end")
        if (cursors.distance(answer.cursor, end) or 0) > 0:
            raise Unreadable(
                f"the answer at cursor {answer.cursor} is empty although the shard continues to {end}"
            )

    def _report_gap(self, answer: PullAnswer) -> None:
        """Report log groups that SLS skipped without calling the cursor invalid. Raises SlsError."""
        around, shard = self._around, self._shard
        if around.positions.recreated(shard.number, shard.valid):
            around.conditions.occurred("logstore_recreated", "", recreated(around.client.place))
            return
        lost = Lost(answer.cursor, answer.missing, None, answer.cursor_time)
        around.observer.expired(shard.number, lost)
        text = f"{lost} are missing between cursor {answer.cursor} and the first log group of the answer"
        around.conditions.occurred("logs_lost", shard.subject, text)
