"""The calls to SLS that only read, with the relay's own types for answers and errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, ClassVar, TypeVar

from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls.api.credentials import CredentialsSource
from sls_hec_forwarder.sls.api.errors import (
    AuthFailed,
    ClockSkewed,
    CorruptPull,
    Refusal,
    ServiceFault,
    SlsError,
    classify,
)
from sls_hec_forwarder.sls.api.pull_answer import PullAnswer, first_cursor
from sls_hec_forwarder.sls.api.sdk import BODY, PACKED, Api, Refused
from sls_hec_forwarder.times import LAST_SECOND
from sls_hec_forwarder.untrusted import LARGEST, plain, whole_number

_T = TypeVar("_T")

#: Longest time-out of a group (seconds) that is accepted.
_LONGEST_TIMEOUT = 2**31 - 1
#: Longest cursor (characters); those of SLS have 28.
_LONGEST_CURSOR = 1024
#: Longest text (characters) of SLS that an error quotes.
_LONGEST_TEXT = 500
_LONGEST_CODE = 100


@dataclass(frozen=True)
class ConsumerGroup:
    """A consumer group as SLS has it; `timeout` in seconds."""

    name: str
    timeout: int
    in_order: bool


@dataclass(frozen=True)
class Checkpoint:
    """Where a group stands in one shard; `cursor` and `owner` may be empty, `updated` is in unix seconds."""

    shard: int
    cursor: str
    owner: str
    updated: float


@dataclass(frozen=True)
class Shard:
    """A shard as SLS lists it; `created` in unix seconds."""

    shard: int
    read_only: bool
    created: int


class ReadClient:
    """Read access to one project, logstore and group: no method changes anything at SLS.

    Every method is one request and raises SlsError. Thread-safe. `timeout` (seconds) is for the whole
    request, from connecting to the last byte of the answer.
    """

    #: Class that sends the requests; this one refuses those that could change something.
    api_class: ClassVar[type[Api]] = Api

    def __init__(
        self,
        settings: SlsSettings,
        consumer: str,
        credentials: CredentialsSource,
        *,
        timeout: float | None = None,
    ) -> None:
        self.settings = settings
        self.consumer = consumer
        self.place = f"{settings.project}/{settings.logstore}"
        self._credentials = credentials
        self._api = self.api_class(
            settings, consumer, credentials, settings.timeout if timeout is None else timeout
        )
        self._names = (settings.project, settings.logstore)
        self._group_names = (*self._names, settings.group)

    def close(self) -> None:
        self._api.drop_connections()

    def abort(self) -> None:
        """Abort every request, those under way and all later ones. May be called from any thread."""
        self._api.abort()

    def drop_connections(self) -> None:
        """Close idle connections; the next request opens a new one and reads the certificates again."""
        self._api.drop_connections()

    @property
    def clock_skew(self) -> float | None:
        """Seconds by which this machine's clock is ahead of SLS's, by its last answer; None before that."""
        return self._api.clock_skew

    # Consumer group

    def list_groups(self) -> list[ConsumerGroup]:
        def call() -> list[ConsumerGroup]:
            return [_group(each) for each in rows(self._api.list_consumer_group(*self._names))]

        return self._ask("ListConsumerGroup", call)

    def checkpoint(self, shard: int) -> Checkpoint:
        """The group's checkpoint of one shard."""

        def call() -> Checkpoint:
            (entry,) = rows(self._api.get_check_point(*self._group_names, shard))
            return _checkpoint(entry)

        return self._ask("GetCheckPoint", call, shard)

    def checkpoints(self) -> dict[int, Checkpoint]:
        """The group's checkpoints of all shards, by shard."""

        def call() -> dict[int, Checkpoint]:
            found = [_checkpoint(each) for each in rows(self._api.get_check_point(*self._group_names))]
            return {each.shard: each for each in found}

        return self._ask("GetCheckPoint", call)

    # Shards and logs

    def list_shards(self) -> list[Shard]:
        def call() -> list[Shard]:
            return [_shard(each) for each in rows(self._api.list_shards(*self._names))]

        return self._ask("ListShards", call)

    def cursor(self, shard: int, at: str | int) -> str:
        """The cursor at "begin", at "end", or at a receive time in unix seconds."""
        return self._ask(
            "GetCursor", lambda: _text(self._api.get_cursor(*self._names, shard, at).get_cursor()), shard
        )

    def cursor_time(self, shard: int, cursor: str) -> int:
        """Receive time (unix seconds) of the log group at `cursor`."""
        return self._ask(
            "GetCursorTime",
            lambda: whole_number(
                self._api.get_cursor_time(*self._names, shard, cursor).get_cursor_time(), high=LAST_SECOND
            ),
            shard,
        )

    def pull(self, shard: int, cursor: str, *, count: int = 1000, end_cursor: str = "") -> PullAnswer:
        """Pull log groups from `cursor` on, at most `count`, and before `end_cursor` if one is given."""
        settings = self.settings
        filtered = bool(settings.query or settings.processor)

        def call() -> PullAnswer:
            answer = self._api.pull_logs(
                *self._names,
                shard,
                cursor,
                count=count,
                end_cursor=end_cursor or None,
                query=settings.query or None,
                processor=settings.processor or None,
                accept_compress_type=settings.compression,
            )
            headers: Mapping[str, str] = answer.get_all_headers()
            groups = whole_number(answer.get_loggroup_count(), low=-LARGEST)
            next_cursor = _text(answer.get_next_cursor())
            seen = headers.get("x-log-cursor-time", "")
            compression = headers.get(PACKED, "")
            if compression not in ("", settings.compression):
                raise CorruptPull(
                    f"compressed as {compression[:20]!r}, but {settings.compression} was requested"
                )
            return PullAnswer(
                shard=shard,
                cursor=cursor,
                next_cursor=next_cursor,
                groups=groups,
                first_cursor=None if filtered else first_cursor(headers, cursor, next_cursor, groups),
                cursor_time=_time_told(seen),
                # With a query, an answer without groups may only mean that none passed the filter.
                caught_up=headers.get("x-log-end-of-cursor") == "1" or next_cursor == cursor,
                compression=compression,
                raw_bytes=whole_number(answer.get_raw_size(), low=-LARGEST),
                body=getattr(answer, BODY) or b"",
                filtered=filtered,
            )

        return self._ask("PullLogs", call, shard)

    def _ask(self, call_name: str, call: Callable[[], _T], shard: int | None = None) -> _T:
        where = self.place if shard is None else f"{self.place}/{shard}"
        try:
            return call()
        except Refused as refused:
            raise self._error(call_name, where, refused.refusal) from None
        except SlsError as problem:  # no answer
            raise type(problem)(f"{call_name} {where}: {self._credentials.redact(str(problem))}") from problem
        except AssertionError:  # from Api: a call that this client must not make
            raise
        except Exception as problem:
            # The SDK does not check the shape of answers; whatever that raises, the relay must continue.
            raise ServiceFault(
                f"{call_name} {where}: not a valid answer of SLS ({type(problem).__name__}: "
                f"{self._credentials.redact(str(problem))[:200]})",
                status=200,
            ) from problem

    def _error(self, call_name: str, where: str, refusal: Refusal) -> SlsError:
        kind = classify(refusal)
        text = plain(self._credentials.redact(" ".join(refusal.message.split())), _LONGEST_TEXT)
        code, request_id = plain(refusal.code, _LONGEST_CODE), plain(refusal.request_id, _LONGEST_CODE)
        foreign = not code and not request_id
        if foreign:
            message = f"{call_name} {where}: not SLS's own answer: {text} (HTTP {refusal.status})"
            message += self._on_the_way(refusal.status)
        else:
            message = (
                f"{call_name} {where}: {code or 'no error code'}: {text} "
                f"(HTTP {refusal.status}, request {request_id or 'without id'})"
            )
        if kind is ClockSkewed and self.clock_skew is not None:
            message += f"; this machine's clock is {self.clock_skew:+.0f} s off"
        if kind is AuthFailed:
            self._credentials.rejected()
        error = kind(message, status=refusal.status, code=code, request_id=request_id)
        error.call, error.foreign = call_name, foreign
        return error

    def _on_the_way(self, status: int) -> str:
        """What to check when something between here and SLS refuses."""
        if status not in (401, 403, 407):
            return ""
        if not self.settings.proxy:
            return ": check what proxies and firewalls between the relay and SLS_ENDPOINT allow"
        return ": check what the proxy allows" if status == 403 else ": check user and password in SLS_PROXY"


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected a cursor, got {value!r:.40}")
    # It must fit into a URL and into a checkpoint.
    if len(value) > _LONGEST_CURSOR or not (value.isascii() and value.isprintable()):
        raise ValueError(f"expected a cursor, got {value!r:.40}")
    return value


def _time_told(header: str) -> int | None:
    """The receive time in a header of a pull; None if invalid, which is no reason to refuse the logs."""
    try:
        return whole_number(header, high=LAST_SECOND)
    except ValueError:
        return None


def rows(answer: Any) -> list[Any]:
    """The array in an answer; the SDK would take any text or object as an empty one."""
    body = answer.get_body()
    if not isinstance(body, list):
        raise ValueError(f"expected an array, got {body!r:.40}")
    return body


def _group(entry: Mapping[str, Any]) -> ConsumerGroup:
    return ConsumerGroup(
        str(entry["name"]), whole_number(entry["timeout"], high=_LONGEST_TIMEOUT), bool(entry["order"])
    )


def _checkpoint(entry: Mapping[str, Any]) -> Checkpoint:
    cursor = entry.get("checkpoint") or ""
    return Checkpoint(
        shard=whole_number(entry["shard"]),
        cursor=_text(cursor) if cursor else "",
        owner=str(entry.get("consumer") or ""),
        updated=whole_number(entry.get("updateTime") or 0, high=LAST_SECOND * 1_000_000) / 1e6,
    )


def _shard(entry: Mapping[str, Any]) -> Shard:
    return Shard(
        shard=whole_number(entry["shardID"]),
        read_only=str(entry.get("status", "")).lower() == "readonly",
        created=whole_number(entry.get("createTime") or 0, high=LAST_SECOND),
    )
