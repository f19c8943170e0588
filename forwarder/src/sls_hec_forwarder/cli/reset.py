"""`reset`: moves the group's checkpoints, and first shows what that repeats or skips."""

from __future__ import annotations

import argparse
import dataclasses
import os
from typing import TYPE_CHECKING, Any

from sls_hec_forwarder import settings as configuration
from sls_hec_forwarder.cli.output import complain, duration, flush, say, say_json, table
from sls_hec_forwarder.errors import RelayError
from sls_hec_forwarder.settings.env_file import environment
from sls_hec_forwarder.times import iso

if TYPE_CHECKING:
    from sls_hec_forwarder.sls.api.client import SlsClient
    from sls_hec_forwarder.sls.api.read_client import ReadClient
    from sls_hec_forwarder.sls.group.reset import Move, Plan, Spot


def command(arguments: argparse.Namespace) -> int:
    """Returns 1 if the reset is not possible, or not now."""
    settings = configuration.load(environment(os.environ, arguments.env_file)).sls

    from sls_hec_forwarder.sls.api.client import SlsClient
    from sls_hec_forwarder.sls.api.credentials import credentials_for
    from sls_hec_forwarder.sls.api.read_client import ReadClient
    from sls_hec_forwarder.sls.group.reset import CONSUMER

    credentials = credentials_for(settings)
    reader = ReadClient(settings, CONSUMER, credentials)
    writer = SlsClient(settings, CONSUMER, credentials) if arguments.yes else None
    try:
        return _reset(reader, writer, arguments)
    finally:
        reader.close()
        if writer is not None:
            writer.close()
        credentials.close()


def _reset(client: ReadClient, writer: SlsClient | None, arguments: argparse.Namespace) -> int:
    """Without a `writer`, only show what would happen."""
    from sls_hec_forwarder.sls.group.reset import MembersAlive, carry_out, plan

    where = f"{client.place}, group {client.settings.group}"
    planned: Plan | None = None
    done: list[Move] = []
    problem = ""
    try:
        planned = plan(client, arguments.to, arguments.shard or ())
        if not arguments.json:
            say(where, "", *_text(planned), "")
            flush()
        if planned.members:
            raise MembersAlive(planned.members, planned.timeout)
        if writer is not None:
            for move in carry_out(writer, planned):
                done.append(move)  # noqa: PERF402 - what was done before an error counts
    except RelayError as error:
        problem = str(error)
    if arguments.json:
        say_json(_fields(where, planned, done, problem))
    elif done:
        shards = ", ".join(f"{move.shard} at {move.after.cursor}" for move in done)
        say(f"changed and verified by reading back: shard {shards}")
    elif planned and not problem:
        say("nothing was changed; add --yes to change it")
    if problem:
        complain(problem)
    return 1 if problem else 0


def _text(planned: Plan) -> list[str]:
    rows = [
        (
            str(move.shard),
            "no checkpoint" if move.before is None else move.before.cursor,
            "-" if move.before is None else "outside the shard" if move.outside else _time(move.before),
            move.after.cursor,
            _time(move.after),
            _effect(move),
        )
        for move in planned.moves
    ]
    return table(rows, ("SHARD", "FROM", "ITS TIME", "TO", "ITS TIME", "EFFECT"))


def _time(spot: Spot) -> str:
    if spot.time is None:
        return "end"
    return iso(spot.time)


def _effect(move: Move) -> str:
    if move.before is None:
        return "is read from there"
    if move.groups is None:
        return "is read from there; what this repeats or skips is not known"
    if not move.groups:
        return "nothing"
    verb, first, last = (
        ("SKIPS", move.before, move.after) if move.groups > 0 else ("REPEATS", move.after, move.before)
    )
    lasted = "" if move.seconds is None else f" ({duration(abs(move.seconds))})"
    until = f"up to {_time(last)}" if last.time is not None else "up to the end"
    return f"{verb} {abs(move.groups)} log groups, received from {_time(first)} {until}{lasted}"


def _fields(where: str, planned: Plan | None, done: list[Move], problem: str) -> dict[str, Any]:
    moves = planned.moves if planned else ()
    return {
        "where": where,
        "problem": problem,
        "members": planned.members if planned else {},
        "shards": [
            {**dataclasses.asdict(move), "seconds": move.seconds, "changed": move in done} for move in moves
        ],
    }
