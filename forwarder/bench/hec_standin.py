"""How fast the HEC stand-in takes events, per second of its own CPU time.

    python bench/hec_standin.py                        # this interpreter
    python bench/hec_standin.py --python pypy3         # that one instead; repeatable
    python bench/hec_standin.py --seconds 10 --batch 1000000

One sender posts prepared batches over one connection to a stand-in in a process of its own; CPU time is
what the kernel charged to that process. MB are 10^6 bytes of HEC JSON before gzip. nginx with a fixed
answer, where it is installed, is the ceiling: it reads the body and looks at nothing.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

TOKEN = "00000000-0000-0000-0000-000000000000"

_NGINX = """
daemon off; master_process off; error_log stderr; pid {folder}/nginx.pid;
events {{ }}
http {{
  access_log off; client_max_body_size 0; keepalive_requests 1000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port};
    default_type application/json;
    location / {{ return 200 '{{"text":"Success","code":0}}'; }}
  }}
}}
"""


class Target(NamedTuple):
    name: str
    port: int
    pid: int


class Load(NamedTuple):
    """A request as it goes over the wire, and what it stands for."""

    request: bytes
    size: int
    events: int


def main() -> int:
    args = _arguments()
    body = make_body(args.batch)
    plain, packed = make_load(body, packed=False), make_load(body, packed=True)
    ratio = len(packed.request) / plain.size
    print(
        f"{plain.events} events of {plain.size / plain.events:.0f} B a batch, {ratio:.2f} of it with gzip, ",
        end="",
    )
    print(f"{args.seconds:g} s a row, one connection")
    print(f"{'receiver':<46}{'MB/s':>8}{'CPU':>7}{'MB/CPU s':>10}{'events/CPU s':>14}")
    for python in args.python or [sys.executable]:
        for options in (["--count-only"], ["--keep", "1000"], []):
            with standin(python, options) as target:
                show(target, "plain", *measure(target, plain, args.seconds), plain)
            with standin(python, options) as target:
                show(target, "gzip", *measure(target, packed, args.seconds), packed)
    if shutil.which("nginx", path=_SEARCH) is None:
        print("nginx is not installed: no reference row")
        return 0
    with nginx() as target:
        show(target, "plain", *measure(target, plain, args.seconds), plain)
        show(target, "gzip", *measure(target, packed, args.seconds), packed)
    return 0


def make_body(size: int) -> bytes:
    """About `size` bytes of envelopes as a relay sends them for audit logs, LF between them."""
    rng, lines, total = random.Random(1), list[bytes](), 0
    while total < size:
        number = len(lines)
        identity = {"type": "assumed-role", "principalId": f"{rng.getrandbits(60)}:user", "accountId": "1"}
        request = {"RegionId": "cn-hangzhou", "InstanceId": f"i-{rng.getrandbits(80):x}", "Force": False}
        event = {
            "__topic__": "audit_log",
            "__source__": "10.0.0.1",
            "eventId": f"{rng.getrandbits(128):032x}",
            "eventName": rng.choice(["AssumeRole", "DescribeInstances", "StopInstance", "CreateUser"]),
            "userIdentity": json.dumps(identity),
            "requestParameters": json.dumps(request),
            "requestId": f"{rng.getrandbits(128):032X}",
            "sourceIpAddress": f"192.0.2.{rng.randrange(256)}",
            "userAgent": "AlibabaCloud (Linux; amd64) Java/1.8.0_152-b187 Core/4.5.17 HTTPClient",
        }
        envelope = {
            "time": 1_700_000_000 + number / 1000,
            "host": "10.0.0.1",
            "source": "sls:bench/audit",
            "sourcetype": "aliyun:actiontrail",
            "index": "main",
            "fields": {"sls_id": f"0|{1_700_000_000_000_000_000 + number}|0"},
            "event": event,
        }
        lines.append(json.dumps(envelope, separators=(",", ":")).encode())
        total += len(lines[-1]) + 1
    return b"\n".join(lines)


def make_load(body: bytes, *, packed: bool) -> Load:
    sent = gzip.compress(body, 1) if packed else body
    head = (
        "POST /services/collector/event HTTP/1.1\r\nHost: bench\r\n"
        f"Authorization: Splunk {TOKEN}\r\nContent-Type: application/json\r\n"
        f"{'Content-Encoding: gzip' if packed else 'X-Plain: yes'}\r\nContent-Length: {len(sent)}\r\n\r\n"
    )
    return Load(head.encode() + sent, len(body), body.count(b"\n") + 1)


def measure(target: Target, load: Load, seconds: float) -> tuple[int, float, float]:
    """Post for `seconds`; batches taken, seconds passed and CPU seconds of the receiver."""
    with socket.create_connection(("127.0.0.1", target.port), timeout=60) as sock:
        _post(sock, load)  # warm up: connection, first allocations
        cpu, begun, batches = cpu_seconds(target.pid), time.monotonic(), 0
        while time.monotonic() - begun < seconds:
            _post(sock, load)
            batches += 1
        return batches, time.monotonic() - begun, cpu_seconds(target.pid) - cpu


def _post(sock: socket.socket, load: Load) -> None:
    sock.sendall(load.request)
    answer = b""
    while not answer.endswith(b"}"):
        more = sock.recv(4096)
        if not more:
            raise ConnectionError("the receiver closed the connection")
        answer += more
    if b'"code":0' not in answer:
        raise RuntimeError(f"the receiver answered {answer!r}")


def show(target: Target, form: str, batches: int, seconds: float, cpu: float, load: Load) -> None:
    megabytes = batches * load.size / 1e6
    print(
        f"{target.name + ', ' + form:<46}{megabytes / seconds:>8.0f}{cpu / seconds:>7.0%}"
        f"{megabytes / cpu:>10.0f}{batches * load.events / cpu:>14,.0f}",
        flush=True,
    )


def cpu_seconds(pid: int) -> float:
    """User and system time charged to a process so far (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


@contextmanager
def standin(python: str, options: list[str]) -> Iterator[Target]:
    command = [python, "-m", "sls_hec_standins.hec.cli", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        words = process.stdout.readline().split()
        port = urlsplit(words[3]).port
        assert port is not None
        name = f"{_implementation(python)} {' '.join(options) or 'everything held'}"
        yield Target(name, port, process.pid)
    finally:
        process.terminate()
        process.communicate(timeout=60)


@contextmanager
def nginx() -> Iterator[Target]:
    program = shutil.which("nginx", path=_SEARCH)
    assert program is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "nginx.conf")
        config.write_text(_NGINX.format(folder=folder, port=port))
        process = subprocess.Popen([program, "-p", folder, "-c", str(config)])
        try:
            _wait_for(port)
            yield Target("nginx, fixed answer", port, process.pid)
        finally:
            process.terminate()
            process.wait(timeout=60)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", port)) != 0:
            if time.monotonic() > deadline:
                raise TimeoutError("nginx does not listen")
            time.sleep(0.05)


def _implementation(python: str) -> str:
    code = "import platform as p; print(p.python_implementation(), p.python_version())"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Benchmark of the HEC stand-in as a receiver.")
    parser.add_argument("--python", action="append", metavar="PATH", help="interpreter of the stand-in")
    parser.add_argument("--seconds", type=float, default=5.0, help="a row (default %(default)s)")
    parser.add_argument("--batch", type=int, default=2_000_000, metavar="BYTES", help="default %(default)s")
    return parser.parse_args()


# Distributions put nginx where only root looks for programs.
_SEARCH = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"

if __name__ == "__main__":
    sys.exit(main())
