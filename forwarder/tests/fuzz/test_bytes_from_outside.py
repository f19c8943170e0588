"""Valid bytes of either service, mutated: an answer or an error that is foreseen, never a crash or a hang.

The LogGroupList itself and the answers' JSON are fuzzed beside their readers, in
`tests/wire/test_properties.py` and `tests/hec/api/test_answers.py`; here it is what stands around them.
"""

from __future__ import annotations

import json
import socket
import zlib
from typing import Callable

import lz4.block
import zstd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sls_hec_forwarder.hec.api.answers import Action, classify
from sls_hec_forwarder.http.connection import NoAnswer
from sls_hec_forwarder.sls.api.errors import CorruptPull
from sls_hec_forwarder.wire.encoder import Encoder, WireError
from sls_hec_forwarder.wire.rules import Rules
from sls_hec_standins.sls import wire
from sls_hec_standins.sls.generator import Generator

from ..http.scripted import read_request, scripted
from ..http.test_connection import connection
from ..sls.api.test_pull_answer import pulled

RAW = wire.write_log_group_list(Generator(1, nasty=0.2).groups(logs=60))
PACKED: dict[str, bytes] = {
    "lz4": lz4.block.compress(RAW, store_size=False),
    "zstd": zstd.compress(RAW, 1),
    "deflate": zlib.compress(RAW),
    "": RAW,
}
ANSWERS = (
    b'HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n{"text":"Success","code":0}',
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1b\r\n{"text":"Success","code":0}\r\n0\r\n\r\n',
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 65\r\nConnection: close\r\n\r\n"
    b'{"text":"Invalid data format","code":6,"invalid-event-number":1 }\n',
    b"HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n"
    b'HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n{"text":"Success","code":0,"ackId":12}',
)

# Where (a share of the length), what is put there, and how many bytes it replaces.
edits = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6), st.integers(0, 6)), min_size=1, max_size=5)


def mutated(data: bytes, changes: list[tuple[float, bytes, int]]) -> bytes:
    for share, new, gone in changes:
        at = int(share * len(data))
        data = data[:at] + new + data[at + gone :]
    return data


@settings(max_examples=300)
@given(
    compression=st.sampled_from(sorted(PACKED)),
    changes=edits,
    size=st.just(len(RAW)) | st.integers(1, 2**40),
)
@example(compression="lz4", changes=[(0.0, b"", 0)], size=2**62)
def test_a_spoilt_pull_is_refused_or_read_as_what_it_says(
    compression: str, changes: list[tuple[float, bytes, int]], size: int
) -> None:
    answer = pulled(compression=compression, body=mutated(PACKED[compression], changes), raw_bytes=size)
    try:
        raw = answer.unpack()
    except CorruptPull:
        return
    assert len(raw) == size
    try:
        encoded = Encoder(Rules(source="sls:p/l")).encode(raw, shard=0, first_cursor=1, max_bytes=10_000)
    except WireError:
        return
    events = [line for chunk in encoded.chunks for line in chunk.body.split(b"\n")]
    assert len(events) == encoded.events
    assert all(isinstance(json.loads(event)["event"], dict) for event in events)


def saying(data: bytes) -> Callable[[socket.socket], None]:
    def script(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(data)

    return script


@settings(max_examples=150)
@given(answer=st.sampled_from(ANSWERS), changes=edits)
def test_a_spoilt_answer_is_none_or_means_something(
    answer: bytes, changes: list[tuple[float, bytes, int]]
) -> None:
    sent = mutated(answer, changes)
    with scripted(saying(sent)) as port, connection(port, timeout=10.0) as conn:
        try:
            response = conn.exchange("POST", "/services/collector/event", {}, b'{"event":"x"}')
        except NoAnswer:
            return
    found = classify(response.status, response.headers, response.body, 13, now=0.0)
    if found.action in (Action.DONE, Action.DONE_SLOW_DOWN):
        assert json.loads(response.body)["code"] in (0, 24, 25)
