"""Each parser of what comes from outside: an answer, or the error that its docstring names, for every input.

JSON is built with the words that the parsers look for, so that most of it gets far; its values are what no
service means: absurd numbers, halves of characters, other types, deep nesting. The examples are the same in
every run.
"""

from __future__ import annotations

import gzip
import json
import math
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any, Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sls_hec_forwarder.errors import SettingsError
from sls_hec_forwarder.hec.api.answers import classify
from sls_hec_forwarder.hec.api.client import Client
from sls_hec_forwarder.hec.api.target import Target
from sls_hec_forwarder.hec.api.token import Token
from sls_hec_forwarder.hec.send.acks import parse_answers
from sls_hec_forwarder.http.answer import Response
from sls_hec_forwarder.http.connection import Connection
from sls_hec_forwarder.http.tls import TlsFiles
from sls_hec_forwarder.settings import SlsSettings, load
from sls_hec_forwarder.settings.env_file import parse
from sls_hec_forwarder.sls.api.client import SlsClient
from sls_hec_forwarder.sls.api.credentials import credentials_for
from sls_hec_forwarder.sls.api.errors import ServiceFault, SlsError
from sls_hec_forwarder.sls.api.metadata_service import read_grant
from sls_hec_forwarder.sls.api.pull_answer import MOST_BYTES
from sls_hec_forwarder.spool.dead_letter import DeadLetter, pack_letter
from sls_hec_forwarder.spool.locked_file import records
from sls_hec_forwarder.times import parse_http_date, parse_iso
from sls_hec_forwarder.untrusted import parse_json, whole_number
from sls_hec_forwarder.wire.encoder import Encoder, WireError
from sls_hec_forwarder.wire.rules import Rules

from .test_bytes_from_outside import PACKED, RAW, edits, mutated

fixed = settings(max_examples=150, derandomize=True, database=None)

# Values as they stand in JSON, by none of which a parser may be surprised.
NUMBERS = (
    "0",
    "1",
    "-1",
    "0.5",
    "1e400",
    "-1e400",
    "NaN",
    "Infinity",
    "9" * 19,
    "9" * 400,
    "9" * 5000,
    "1" + "0" * 25,
)
WORDS = (
    '""',
    "null",
    "true",
    '"\\ud800"',
    '"\\u001b]0;x\\u0007"',
    '"\\u202e\\u009b"',
    '"\\u0000"',
    '"MTAwMA=="',
    '"1"',
)
TIMES = (
    '"2026-11-27T10:00:00Z"',
    '"99999-01-01T00:00:00Z"',
    '"0001-01-01T00:00:00+23:59"',
    '"9999-12-31T23:59:59-23:59"',
)
DEEP = ("[" * 200 + "]" * 200, '{"a":' * 200 + "1" + "}" * 200)

leaves = st.sampled_from([*NUMBERS, *WORDS, *TIMES, *DEEP]) | st.text(max_size=8).map(json.dumps)


def array(items: Sequence[str]) -> str:
    return f"[{','.join(items)}]"


def objects(names: Sequence[str]) -> st.SearchStrategy[str]:
    """JSON objects that have some of these names."""

    def written(pairs: Mapping[str, str]) -> str:
        return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in pairs.items()) + "}"

    values = leaves | st.lists(leaves, max_size=2).map(array)
    return st.dictionaries(st.sampled_from(names) | st.text(max_size=3), values, max_size=8).map(written)


def answers_of(*names: str) -> st.SearchStrategy[bytes]:
    """Bodies: an object, a list of them, something else, each perhaps spoilt in some bytes."""
    some = objects(names)
    whole = some | st.lists(some | leaves, max_size=4).map(array) | leaves
    return st.builds(lambda text, changes: mutated(text.encode(), changes), whole, st.just([]) | edits)


header_values = (
    st.sampled_from([each.strip('"') for each in (*NUMBERS, *TIMES)])
    | st.sampled_from(["\xb2", "\x1b[2J\x9b", "Fri, 31 Dec 99999999999 23:59:59 GMT", "x" * 60_000])
    | st.text(st.characters(max_codepoint=255), max_size=40)
)


def headers_of(*names: str) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from(names), header_values)


def told(problem: Exception) -> str:
    """Its message, which must be bounded and can be written anywhere."""
    text = str(problem)
    text.encode()
    assert len(text) < 20_000  # of settings, all that is wrong stands there
    return text


# The collectors


@fixed
@given(
    status=st.integers(-1, 1000),
    headers=headers_of("retry-after", "date", "content-type"),
    body=answers_of("text", "code", "invalid-event-number", "ackId", "acks"),
    sent=st.sampled_from([0, 100, 6_000_000]),
)
def test_an_answer_of_a_collector(status: int, headers: dict[str, str], body: bytes, sent: int) -> None:
    found = classify(status, headers, body, sent, now=1_800_000_000.0)
    assert str(found).isprintable()
    assert len(str(found)) < 1000
    for number in (found.code, found.invalid_event, found.ack_id, found.accepted_prefix):
        assert number is None or 0 <= number < 2**63
    assert found.retry_after is None or (math.isfinite(found.retry_after) and found.retry_after >= 0)


@fixed
@given(answers_of("acks", "0", "1"))
@example(b'{"acks":{"0":true,"99999999999999999999":true,"-1":true,"\\u0661":true}}')
def test_an_answer_about_acknowledgements(body: bytes) -> None:
    found = parse_answers(body)
    assert found is None or all(0 <= key < 2**63 and type(value) is bool for key, value in found.items())


class Scripted(Connection):
    """Answers without a network, and keeps what was sent."""

    def __init__(self, response: Response) -> None:
        super().__init__(Target(False, "127.0.0.1", 1), TlsFiles(), 1.0)
        self._response = response
        self.sent: list[Mapping[str, str]] = []

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, limit: int = 0
    ) -> Response:
        self.sent.append(headers)
        return self._response


@fixed
@given(st.lists(header_values | st.just("name=value; Path=/"), max_size=30))
def test_cookies_of_a_load_balancer(cookies: list[str]) -> None:
    """What is sent back stands in a header: it is one line, and not without a bound."""
    connection = Scripted(Response(200, {}, b'{"text":"Success","code":0}', tuple(cookies)))
    client = Client(connection, Target(False, "127.0.0.1", 1), Token("t"), "channel")
    client.sticky = True
    for _ in range(2):
        client.post(b"{}")
    sent = connection.sent[1].get("Cookie", "")
    assert not {"\r", "\n"} & set(sent)
    sent.encode("latin-1")
    assert len(sent) <= 64 * 1024


# SLS


class Answering:
    """Stands for the session below the SDK's client."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def exchange(self, *_: object, **__: object) -> Response:
        return self._response

    def close(self) -> None:
        """Nothing is open."""


def client_answered(response: Response) -> SlsClient:
    found = SlsSettings(
        *("http://sls.test", "key", "secret"), project="project", logstore="logstore", group="group"
    )
    client = SlsClient(found, "relay-1", credentials_for(found))
    client._api._http = Answering(response)  # type: ignore[assignment]
    return client


#: Each call, and an answer to it that is read.
CALLS: dict[str, tuple[Callable[[SlsClient], object], bytes]] = {
    "list groups": (lambda client: client.list_groups(), b'[{"name":"a","timeout":40,"order":false}]'),
    "list shards": (
        lambda client: client.list_shards(),
        b'[{"shardID":0,"status":"readwrite","createTime":1700000000}]',
    ),
    "checkpoints": (
        lambda client: client.checkpoints(),
        b'[{"shard":0,"checkpoint":"MTAwMA==","updateTime":1700000000000000,"consumer":"relay-1"}]',
    ),
    "checkpoint": (
        lambda client: client.checkpoint(0),
        b'[{"shard":0,"checkpoint":"MTAwMA==","updateTime":1700000000000000,"consumer":"relay-1"}]',
    ),
    "cursor": (lambda client: client.cursor(0, "begin"), b'{"cursor":"MTAwMA=="}'),
    "cursor time": (lambda client: client.cursor_time(0, "MTAwMA=="), b'{"cursor_time":1700000000}'),
    "heartbeat": (lambda client: client.heartbeat([0]), b"[0,1]"),
    "save checkpoint": (lambda client: client.save_checkpoint(0, "MTAwMA=="), b""),
    "create group": (lambda client: client.create_group(40, False), b""),
}
statuses = st.sampled_from([200, 200, 200, 400, 401, 403, 404, 500, 599])
bodies = answers_of(
    *("name", "timeout", "order", "shardID", "status", "createTime", "shard", "checkpoint", "updateTime"),
    *("consumer", "cursor", "cursor_time", "errorCode", "errorMessage"),
)


@pytest.mark.parametrize("call", CALLS)
@settings(max_examples=60, derandomize=True, database=None)
@given(
    status=statuses,
    body=bodies | edits,
    headers=headers_of("date", "x-log-requestid", "content-encoding"),
    reason=header_values,
)
def test_an_answer_of_sls(
    call: str,
    status: int,
    body: bytes | list[tuple[float, bytes, int]],
    headers: dict[str, str],
    reason: str,
) -> None:
    ask, good = CALLS[call]
    content = body if isinstance(body, bytes) else mutated(good, body)
    client = client_answered(Response(status, headers, content, (), reason))
    try:
        ask(client)
    except SlsError as problem:
        told(problem)
    skew = client.clock_skew
    assert skew is None or math.isfinite(skew)


@pytest.mark.parametrize("call", CALLS)
def test_a_good_answer_of_sls_is_read(call: str) -> None:
    ask, good = CALLS[call]
    ask(client_answered(Response(200, {"date": "Fri, 27 Nov 2026 10:00:00 GMT"}, good)))


PULL_HEADERS = (
    *("x-log-cursor", "x-log-count", "x-log-bodyrawsize", "x-log-cursor-time", "x-log-read-last-cursor"),
    *("x-log-end-of-cursor", "x-log-compresstype", "date"),
)
GOOD = {
    "x-log-cursor": "MTAwMg==",
    "x-log-count": "2",
    "x-log-bodyrawsize": str(len(RAW)),
    "x-log-compresstype": "lz4",
}


@settings(max_examples=300, derandomize=True, database=None)
@given(
    status=statuses,
    headers=headers_of(*PULL_HEADERS),
    compression=st.sampled_from(sorted(PACKED)),
    changes=st.just([]) | edits,
)
def test_a_pull(
    status: int, headers: dict[str, str], compression: str, changes: list[tuple[float, bytes, int]]
) -> None:
    body = mutated(PACKED[compression], changes)
    client = client_answered(Response(status, {**GOOD, **headers}, body))
    try:
        answer = client.pull(0, "MTAwMA==")
        answer.check()
        raw = answer.unpack()
        assert len(raw) <= MOST_BYTES
        Encoder(Rules(source="s")).encode(raw, shard=0, first_cursor=answer.first_cursor, max_bytes=10_000)
    except (SlsError, WireError) as problem:
        told(problem)


def test_a_good_pull_is_read() -> None:
    assert client_answered(Response(200, GOOD, PACKED["lz4"])).pull(0, "MTAwMA==").unpack() == RAW


# The metadata service


CREDENTIALS = (
    b'{"Code":"Success","AccessKeyId":"STS.a","AccessKeySecret":"b","SecurityToken":"c",'
    b'"Expiration":"2030-01-01T00:00:00Z"}'
)


@fixed
@given(
    answers_of("Code", "AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration")
    | edits.map(lambda changes: mutated(CREDENTIALS, changes))
)
def test_credentials_of_the_metadata_service(body: bytes) -> None:
    try:
        grant = read_grant(parse_json(body))
    except (ServiceFault, ValueError) as problem:
        told(problem)
        return
    assert math.isfinite(grant.expires)
    key = grant.key
    for part in (key.get_access_key_id(), key.get_access_key_secret(), key.get_security_token()):
        part.encode("ascii")


def test_good_credentials_are_read() -> None:
    assert read_grant(parse_json(CREDENTIALS)).key.get_access_key_id() == "STS.a"


# Files


LETTER = DeadLetter(1_700_000_000.125, "refused", 400, 6, "Invalid data", "https://a", 3, b'{"event":"x"}')
FIELDS = (
    *("time", "reason", "status", "code", "text", "endpoint", "shard", "envelope", "event", "refusals"),
    *("again", "tried", "endpoint", "index"),
)


@fixed
@given(answers_of(*FIELDS))
def test_a_line_of_a_dead_letter_file(line: bytes) -> None:
    try:
        found = DeadLetter.from_line(line)
    except ValueError:
        return
    assert isinstance(found.envelope, bytes)
    pack_letter(found)


@fixed
@given(st.lists(answers_of(*FIELDS), max_size=3), edits, st.booleans())
def test_a_dead_letter_file(lines: list[bytes], changes: list[tuple[float, bytes, int]], spoil: bool) -> None:
    data = pack_letter(LETTER) + gzip.compress(b"\n".join(lines) + b"\n") + pack_letter(LETTER)
    spoilt = mutated(data, changes) if spoil else data
    found = [*records(spoilt)]
    assert spoil or [letter for _, letter in found if letter is not None].count(LETTER) == 2


lines = st.lists(
    st.sampled_from(
        ["SLS_PROJECT=a", 'HEC_TOKEN="x', "# c", "A='", "B=\\", "=", "\x00=1", "RELAY_PULLS=9" * 3]
    )
    | st.text(max_size=30),
    max_size=6,
)


@fixed
@given(lines)
def test_a_file_of_settings(found: list[str]) -> None:
    try:
        read = parse("\n".join(found))
    except SettingsError as problem:
        told(problem)
        return
    assert all(isinstance(name, str) and isinstance(value, str) for name, value in read.items())


SETTINGS = (
    *("SLS_ENDPOINT", "SLS_PROJECT", "SLS_GROUP_TIMEOUT", "SLS_START_POSITION", "SLS_PROXY", "SLS_TIMEOUT"),
    *("HEC_ENDPOINTS", "HEC_TOKEN", "HEC_TOPIC_RULES", "HEC_BATCH_BYTES", "HEC_BATCH_AGE", "HEC_HOST"),
    *("RELAY_UNFOLD", "RELAY_TOPICS_INCLUDE", "RELAY_METRICS", "RELAY_BYTES_IN_FLIGHT", "RELAY_IDENTITY"),
)


@fixed
@given(
    st.dictionaries(
        st.sampled_from(SETTINGS), leaves.map(lambda text: text.strip('"')) | st.text(max_size=20)
    )
)
def test_values_of_settings(environ: dict[str, str]) -> None:
    try:
        load(environ)
    except SettingsError as problem:
        told(problem)


# What all of them stand on


@fixed
@given(answers_of("a"))
@example(b"[" * 1_000_000)
@example(b'{"a":' * 100_000)
def test_json(body: bytes) -> None:
    try:
        found = parse_json(body)
    except ValueError as problem:
        told(problem)
    else:
        assert _finite(found)


def _finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, (list, dict)):
        return all(_finite(each) for each in (value.values() if isinstance(value, dict) else value))
    return True


@fixed
@given(
    header_values
    | st.text(max_size=30)
    | st.builds(urllib.parse.unquote, st.text("%0123456789", max_size=20))
)
@example("Fri, 27 Nov 2026 10:00:00 +99999999")
@example("9999-12-31T23:59:59.999999-23:59")
@example("2026")
def test_numbers_and_times(text: str) -> None:
    readers: list[Callable[[str], float]] = [whole_number, parse_http_date, parse_iso]
    for read in readers:
        found = _read(read, text)
        assert found is None or 0 <= found < 2**63


def _read(read: Callable[[str], float], text: str) -> float | None:
    try:
        return read(text)
    except ValueError as problem:
        told(problem)
        return None
