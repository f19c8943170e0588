"""Moves the checkpoints of a consumer group without live members: first a plan, then its execution."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sls_hec_forwarder.errors import OperatorError
from sls_hec_forwarder.sls.api import cursor as cursors
from sls_hec_forwarder.sls.api.client import SlsClient
from sls_hec_forwarder.sls.api.errors import CursorInvalid
from sls_hec_forwarder.sls.api.read_client import Checkpoint, ReadClient
from sls_hec_forwarder.times import parse_moment

#: The consumer name that the writes use. SLS may show it as the owner of a shard, because it wrote the
#: checkpoint; it is never a member.
CONSUMER = "sls-hec-forwarder-reset"


class Impossible(OperatorError):
    """The request cannot be carried out; the message says why."""


class MembersAlive(OperatorError):
    """The group has live members, which would overwrite moved checkpoints again."""

    def __init__(self, members: dict[str, list[int]], timeout: int) -> None:
        held = "; ".join(
            f"{name} (shard{'s' * (len(shards) > 1)} {', '.join(map(str, shards))})"
            for name, shards in sorted(members.items())
        )
        super().__init__(
            f"nothing was changed: the group has members: {held}; stop them on all hosts with "
            f"`ansible-playbook ansible/pause.yml`, then wait {timeout} s: SLS removes members after the "
            "group's time-out"
        )


@dataclass(frozen=True)
class Spot:
    """A place in a shard; `time` is when SLS received the log group there (unix seconds), None at the end."""

    cursor: str
    time: int | None


@dataclass(frozen=True)
class Move:
    """How one shard's checkpoint is to move. `before` is None if the shard has no checkpoint.

    `groups`: log groups that are skipped, or if negative, repeated. None when `before` cannot be compared
    because the shard no longer holds it: it expired, or belongs to a deleted logstore of the same name.
    """

    shard: int
    before: Spot | None
    after: Spot
    groups: int | None
    outside: bool = False

    @property
    def seconds(self) -> int | None:
        """Seconds that are skipped, or if negative, repeated; None unless both times are known."""
        if self.before is None or self.before.time is None or self.after.time is None:
            return None
        return self.after.time - self.before.time


@dataclass(frozen=True)
class Plan:
    """All moves. Must not be carried out while there are live `members` (name to shards). `timeout` in s."""

    moves: tuple[Move, ...]
    members: dict[str, list[int]]
    timeout: int


def plan(client: ReadClient, to: str, shards: Collection[int] = ()) -> Plan:
    """Make the plan; changes nothing. `to` is as in the setting SLS_START_POSITION, or a cursor.

    Empty `shards` means all. Raises SlsError, and Impossible for a shard or a cursor that does not exist.
    """
    name = client.settings.group
    group = next((each for each in client.list_groups() if each.name == name), None)
    if group is None:
        raise Impossible(
            f"{client.place} has no consumer group {name}: there is nothing to reset; `run` creates the "
            "group and starts at SLS_START_POSITION"
        )
    there = sorted(each.shard for each in client.list_shards())
    unknown = sorted(set(shards) - set(there))
    if unknown:
        raise Impossible(
            f"{client.place} has no shard {', '.join(map(str, unknown))}; there are: "
            f"{', '.join(map(str, there))}"
        )
    wanted = sorted(set(shards)) or there
    at = _moment(to)
    if at is None and len(wanted) != 1:
        raise Impossible(
            f"a cursor belongs to one shard: choose it with --shard, one of {', '.join(map(str, wanted))}"
        )
    saved = client.checkpoints()
    moves = tuple(_move(client, shard, at, to, saved.get(shard)) for shard in wanted)
    return Plan(moves, members(saved), group.timeout)


def members(saved: dict[int, Checkpoint]) -> dict[str, list[int]]:
    """Owners and their shards, from the group's checkpoints: SLS has no other list of members."""
    found: dict[str, list[int]] = {}
    for shard, each in sorted(saved.items()):
        if each.owner and each.owner != CONSUMER:
            found.setdefault(each.owner, []).append(shard)
    return found


def _moment(to: str) -> str | int | None:
    """`to` as a place for which SLS can give a cursor; None: `to` is itself a cursor."""
    if to in ("begin", "end"):
        return to
    try:
        return parse_moment(to)
    except ValueError:
        return None


def _move(client: ReadClient, shard: int, at: str | int | None, to: str, saved: Checkpoint | None) -> Move:
    begin, end = client.cursor(shard, "begin"), client.cursor(shard, "end")
    cursor = to if at is None else client.cursor(shard, at)
    if not _within(begin, cursor, end):
        raise Impossible(
            f"shard {shard}: {cursor} is not one of its cursors; it holds {begin} ({cursors.decode(begin)}) "
            f"to {end} ({cursors.decode(end)})"
        )
    after = _spot(client, shard, cursor, end)
    if saved is None or not saved.cursor:
        return Move(shard, None, after, None)
    if not _within(begin, saved.cursor, end):
        return Move(shard, Spot(saved.cursor, None), after, None, outside=True)
    before = _spot(client, shard, saved.cursor, end)
    return Move(shard, before, after, cursors.distance(saved.cursor, cursor))


def _within(begin: str, cursor: str, end: str) -> bool:
    try:
        return cursors.decode(begin) <= cursors.decode(cursor) <= cursors.decode(end)
    except ValueError:
        return False


def _spot(client: ReadClient, shard: int, cursor: str, end: str) -> Spot:
    if cursors.distance(cursor, end) == 0:
        return Spot(cursor, None)
    try:
        return Spot(cursor, client.cursor_time(shard, cursor))
    except CursorInvalid as problem:  # retention may just have passed it
        raise Impossible(f"shard {shard}: SLS does not know the cursor {cursor}: {problem}") from problem


def carry_out(client: SlsClient, planned: Plan) -> Iterator[Move]:
    """Save each new checkpoint and read it back; yield each move when it is done.

    Before each move, check again that the group has no live member and that nobody moved a checkpoint
    meanwhile. Raises MembersAlive, Impossible and SlsError; moves yielded before that are done.
    """
    for move in planned.moves:
        saved = client.checkpoints()
        alive = members(saved)
        if alive:
            raise MembersAlive(alive, planned.timeout)
        current = saved[move.shard].cursor if move.shard in saved else ""
        expected = move.before.cursor if move.before else ""
        if current != expected:
            raise Impossible(
                f"shard {move.shard}: its checkpoint is {current or 'none'} now, not {expected or 'none'}"
                ": somebody moved it meanwhile; run `reset` again"
            )
        client.save_checkpoint(move.shard, move.after.cursor, force=True)
        found = client.checkpoint(move.shard).cursor
        if found != move.after.cursor:
            raise Impossible(
                f"shard {move.shard}: saved {move.after.cursor}, but SLS has {found or 'none'} now"
            )
        yield move
    alive = members(client.checkpoints())
    if alive:
        names = ", ".join(sorted(alive))
        raise Impossible(
            f"members joined meanwhile and may have read from the old checkpoints: {names}; run `reset` again"
        )
