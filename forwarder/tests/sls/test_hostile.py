"""SLS and the metadata service as hostile ends: calls end in time, and nothing large is made of little."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import struct
import threading
import time
import zlib
from typing import Any, Callable

import lz4.block
import pytest
import zstd

from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls.api import metadata_service
from sls_hec_forwarder.sls.api.client import SlsClient
from sls_hec_forwarder.sls.api.credentials import credentials_for
from sls_hec_forwarder.sls.api.errors import CorruptPull, ServiceFault, TooLarge, TooSlow
from sls_hec_forwarder.sls.api.metadata_service import fetch
from sls_hec_forwarder.sls.api.pull_answer import MOST_BYTES
from sls_hec_forwarder.sls.api.zstd_frame import content_size
from sls_hec_forwarder.sls.shard.pull_plan import PullPlan

from ..http.hostile import DRIPS, FLOODS, says
from ..http.scripted import Script, answer, read_request, scripted
from .api.test_pull_answer import RAW, pulled

PATIENCE = 30.0

CALLS: dict[str, Callable[[SlsClient], object]] = {
    "pull": lambda client: client.pull(0, "MQ=="),
    "heartbeat": lambda client: client.heartbeat([]),
    "checkpoint": lambda client: client.save_checkpoint(0, "MQ=="),
    "shards": lambda client: client.list_shards(),
}


def client(port: int, timeout: float, **changes: Any) -> SlsClient:
    sls = SlsSettings(
        endpoint="http://sls.test", proxy=f"http://127.0.0.1:{port}", project="p", logstore="l", group="g",
        ak_id="a", ak_key="secret", **changes,
    )  # fmt: skip
    return SlsClient(sls, "me", credentials_for(sls), timeout=timeout)


def fails(script: Script, call: str, kind: type[Exception], match: str, timeout: float = 300.0) -> None:
    begun = time.monotonic()
    with scripted(script) as port:
        one = client(port, timeout)
        with contextlib.closing(one), pytest.raises(kind, match=match):
            CALLS[call](one)
    assert time.monotonic() - begun < PATIENCE


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("end", ["body", "head", "interim answer"])
def test_a_drip(call: str, end: str) -> None:
    fails(DRIPS[end], call, TooSlow, "in time", timeout=0.4)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("end", ["100 Continue", "header lines", "trailers"])
def test_a_flood(call: str, end: str) -> None:
    fails(FLOODS[end], call, ServiceFault, "no answer")


def test_a_body_that_does_not_end() -> None:
    fails(FLOODS["chunks"], "shards", ServiceFault, "too long")
    fails(FLOODS["body"], "pull", TooLarge, "longer than")


def test_an_answer_that_nobody_asked_to_encode() -> None:
    body = gzip.compress(b"[]")
    fails(says(answer(body, "200 OK", "Content-Encoding: gzip")), "shards", ServiceFault, "encoded as 'gzip'")


def test_abort_ends_a_call_and_all_that_follow() -> None:
    with scripted(DRIPS["nothing"]) as port:
        one = client(port, 300.0)
        failures: list[ServiceFault] = []

        def call() -> None:
            with pytest.raises(ServiceFault, match="aborted") as caught:
                one.heartbeat([])
            failures.append(caught.value)

        thread = threading.Thread(target=call)
        thread.start()
        time.sleep(0.3)
        assert thread.is_alive()
        one.abort()
        thread.join(PATIENCE)
        assert len(failures) == 1
        with pytest.raises(ServiceFault, match="aborted"):
            one.list_shards()
        one.close()


# Pulls that unfold


def bomb(compression: str, size: int) -> bytes:
    data = bytes(size)
    if compression == "lz4":
        return bytes(lz4.block.compress(data, store_size=False))
    packers = {"zstd": zstd.compress, "deflate": zlib.compress, "gzip": gzip.compress}
    return bytes(packers[compression](data))


@pytest.mark.parametrize("compression", ["lz4", "zstd", "deflate", "gzip"])
@pytest.mark.parametrize("said", [1000, 300_000_000])
def test_a_bomb_is_not_unfolded(compression: str, said: int) -> None:
    body = bomb(compression, 300_000_000)
    with pytest.raises(CorruptPull):
        pulled(compression=compression, body=body, raw_bytes=said).unpack()


def test_a_size_beyond_what_is_taken_is_refused_before_anything_is_made_of_it() -> None:
    for compression in ("", "lz4", "zstd"):
        with pytest.raises(TooLarge):
            pulled(compression=compression, raw_bytes=MOST_BYTES + 1).unpack()


@pytest.mark.parametrize("compression", ["gzip", "deflate", "zstd", "br"])
def test_only_what_was_asked_for_is_taken(compression: str) -> None:
    headers = (
        "x-log-cursor: Mg==", "x-log-count: 1", f"x-log-bodyrawsize: {len(RAW)}",
        f"x-log-compresstype: {compression}",
    )  # fmt: skip
    fails(says(answer(b"body", "200 OK", *headers)), "pull", CorruptPull, "but lz4 was requested")


def block(kind: int, size: int, last: bool = False) -> bytes:
    return struct.pack("<I", int(last) | kind << 1 | size << 3)[:3]


MAGIC = b"\x28\xb5\x2f\xfd"


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65791, 65792, 1_000_000])
@pytest.mark.parametrize("level", [1, 19])
def test_the_size_that_a_frame_announces(size: int, level: int) -> None:
    data = (b"log groups " * (size // 11 + 1))[:size]
    assert content_size(zstd.compress(data, level)) == size


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        MAGIC,
        b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + b"abcd" + zstd.compress(RAW),  # one to be skipped
        zstd.compress(RAW) + zstd.compress(RAW),
        zstd.compress(RAW)[:-1],
        zstd.compress(RAW) + b"x",
        MAGIC + b"\x00\x38" + (block(1, 128 * 1024) + b"a") * 4000 + block(0, 0, True),  # without a size
        MAGIC + b"\x20\x05" + block(3, 5, True),  # a kind of block that there is not
        MAGIC + b"\x20\x05" + block(0, 0) * 1_000_000,
    ],
)
def test_what_is_not_one_whole_frame_with_its_size(frame: bytes) -> None:
    with pytest.raises(ValueError, match="frame"):
        content_size(frame)
    with pytest.raises(CorruptPull):
        pulled(compression="zstd", body=frame).unpack()


def test_a_frame_that_announces_the_absurd() -> None:
    frame = MAGIC + b"\xe0" + struct.pack("<Q", 2**60) + block(1, 5, True) + b"a"
    assert content_size(frame) == 2**60
    with pytest.raises(CorruptPull, match="but the header says"):
        pulled(compression="zstd", body=frame).unpack()


def test_what_was_too_much_is_asked_for_in_smaller_parts() -> None:
    reader = PullPlan("opaque", 0.5, most=1000)
    for problem in (TooLarge("x"), TooSlow("x"), TooLarge("x"), TooLarge("x"), TooLarge("x")):
        assert reader.failed(problem) <= 30
    assert (reader.count, reader.undecodable) == (1, 0)
    reader.failed(TooLarge("x"))  # one log group alone: this is an alarm
    assert (reader.count, reader.undecodable) == (1, 1)
    for _ in range(20):
        reader.pulled(pulled(), read_only=False)
    assert reader.count == 1000
    reader.failed(ServiceFault("x"))
    assert reader.count == 1000


def test_a_shard_whose_pulls_are_too_large_is_read_all_the_same(
    cloud: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sls_hec_forwarder.sls.api import pull_answer as pulls
    from sls_hec_forwarder.sls.api import sdk

    monkeypatch.setattr(pulls, "MOST_BYTES", 2000)
    monkeypatch.setattr(sdk, "MOST_BYTES", 2000)
    cloud.make(shards=1)
    cloud.put(0, groups=200)
    member = cloud.member()
    eventually(lambda: set(cloud.delivered()) == cloud.truth)
    assert max(cloud.delivered().values()) == 1
    assert member.seen.failures["pull", "corrupt"]


# Metadata


@pytest.mark.parametrize("end", DRIPS)
def test_a_metadata_service_that_drips(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata_service, "DEADLINE", 0.6)
    monkeypatch.setattr(metadata_service, "_TOKEN_TIME", 0.2)
    begun = time.monotonic()
    with scripted(DRIPS[end]) as port, pytest.raises(ServiceFault, match="in time"):
        fetch("my-role", f"http://127.0.0.1:{port}")
    assert time.monotonic() - begun < PATIENCE


@pytest.mark.parametrize("end", FLOODS)
def test_a_metadata_service_that_floods(end: str) -> None:
    with scripted(FLOODS[end]) as port, pytest.raises(ServiceFault, match=r"no answer|more than 64 kB"):
        fetch("my-role", f"http://127.0.0.1:{port}")


def test_a_metadata_service_that_encodes() -> None:
    body = gzip.compress(json.dumps({"Code": "Success"}).encode())
    script = says(answer(body, "200 OK", "Content-Encoding: gzip"))
    with scripted(script) as port, pytest.raises(ServiceFault, match="encoded as 'gzip'"):
        fetch("my-role", f"http://127.0.0.1:{port}")


def test_closing_the_credentials_ends_what_they_wait_for() -> None:
    asked = threading.Event()

    def silent(sock: socket.socket) -> None:
        read_request(sock)
        asked.set()
        sock.recv(1)

    with scripted(silent) as port:
        url = f"http://127.0.0.1:{port}"
        sls = SlsSettings(
            endpoint="e", project="p", logstore="l", group="g", ram_role="my-role", metadata_url=url
        )
        credentials = credentials_for(sls)
        assert asked.wait(PATIENCE)
        credentials.close()
        assert not [each for each in threading.enumerate() if each.name == "sls-credentials"]


# Stop


def test_a_stop_ends_in_time_whatever_sls_does(cloud: Any, eventually: Any) -> None:
    from sls_hec_standins.http import Fault

    cloud.make(shards=2)
    member = cloud.member(timeout=300.0)
    eventually(lambda: member.shards == [0, 1])
    cloud.standin.faults.add(Fault("hang", "*", delay=60))
    time.sleep(1.0)
    begun = time.monotonic()
    assert not member.stop(timeout=2.0)
    took = time.monotonic() - begun
    cloud.standin.faults.clear()
    assert took < 10  # it was 12 s and more; what is allowed is 3, on a machine with nothing else to do
    assert not [each for each in threading.enumerate() if each.name.startswith("sls-")]
