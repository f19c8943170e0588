"""How fast the SLS stand-in serves prepared pulls: `python bench/sls_standin.py [--python PATH ...]`.

MB are 10^6 bytes. "raw" is the LogGroupList before compression, "sent" what goes over the socket. CPU seconds
are those of the server's process, user and system, from /proc. nginx, if installed, serves one prepared body
with its headers from a file: the ceiling. The client does no more than sign once and count bytes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any, Callable, NamedTuple
from urllib.parse import urlencode

from sls_hec_standins.sls import cursors
from sls_hec_standins.sls.auth import sign_v1

_TICKS = os.sysconf("SC_CLK_TCK")
_STORE = {"project": "proj", "logstore": "store"}
_PATH = "/logstores/store/shards/0"


class Target(NamedTuple):
    """A server to measure: requests to send in turn, and the processes whose CPU time counts."""

    name: str
    port: int
    requests: Sequence[bytes]
    pids: Sequence[int]


class Reply(NamedTuple):
    headers: dict[str, str]
    size: int  # of the body


class Client:
    """One keep-alive connection; bodies are received and dropped."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._buffer = memoryview(bytearray(1 << 20))

    def ask(self, request: bytes) -> Reply:
        self._sock.sendall(request)
        head = b""
        while b"\r\n\r\n" not in head:
            received = self._sock.recv(1 << 16)
            if not received:
                raise ConnectionError(f"closed in the middle of {head!r}")
            head += received
        head, _, body = head.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        if " 200 " not in status:
            raise ConnectionError(f"{status}: {body!r}")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        size = int(headers["content-length"])
        left = size - len(body)
        while left:
            left -= self._sock.recv_into(self._buffer, min(left, len(self._buffer)))
        return Reply(headers, size)

    def close(self) -> None:
        self._sock.close()


def pull_request(cursor: str, count: int, compression: str) -> bytes:
    """A signed PullLogs, good for fifteen minutes."""
    query = {"type": "log", "cursor": cursor, "count": str(count)}
    headers = {
        "host": "proj.sls.test",
        "date": formatdate(usegmt=True),
        "x-log-apiversion": "0.6.0",
        "x-log-signaturemethod": "hmac-sha1",
        "x-log-bodyrawsize": "0",
        "accept": "application/x-protobuf",
        "accept-encoding": compression,
    }
    headers["authorization"] = f"LOG ak:{sign_v1('sk', 'GET', _PATH, query, headers)}"
    lines = [f"GET {_PATH}?{urlencode(query)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


@contextlib.contextmanager
def standin(python: str, size: float, count: int, compression: str) -> Iterator[Target]:
    """A stand-in with `size` bytes in one shard, and requests that read all of it."""
    command = [python, "-m", "sls_hec_standins.sls.cli", "--access-key", "ak:sk", "--create", "proj/store:1"]
    command += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--pull-cache", "2048"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        *_, url, _, admin = process.stdout.readline().split()
        port = int(url.rpartition(":")[2])
        post(f"{admin}/loads", {**_STORE, "megabytes": size / 1e6, "logs_per_group": 100})
        post(f"{admin}/pulls", {**_STORE, "compression": compression, "count": count})
        requests, cursor = [], first_cursor(admin)
        client = Client(port)
        while True:
            request = pull_request(cursor, count, compression)
            reply = client.ask(request)
            if reply.headers["x-log-count"] == "0":
                break
            requests.append(request)
            cursor = reply.headers["x-log-cursor"]
        client.close()
        yield Target(f"{runtime(python)} {compression} x{count}", port, requests, [process.pid])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextlib.contextmanager
def nginx(program: str, origin: Target) -> Iterator[Target]:
    """nginx with the first answer of `origin` as a file."""
    client = Client(origin.port)
    reply = client.ask(origin.requests[0])
    client.close()
    with tempfile.TemporaryDirectory() as folder:
        # Workers run as another user when this is root.
        os.chmod(folder, 0o755)
        (Path(folder) / "body").write_bytes(os.urandom(reply.size))
        headers = "\n".join(
            f'add_header {name} "{value}";'
            for name, value in reply.headers.items()
            if name.startswith("x-log-")
        )
        port = free_port()
        (Path(folder) / "nginx.conf").write_text(
            f"""
            daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
            events {{ worker_connections 64; }}
            http {{
                access_log off; keepalive_requests 1000000; default_type application/x-protobuf;
                client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
                uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
                server {{ listen 127.0.0.1:{port}; root {folder}; {headers} }}
            }}"""
        )
        process = subprocess.Popen(
            [program, "-c", f"{folder}/nginx.conf", "-p", folder], stderr=subprocess.DEVNULL
        )
        try:
            wait_for(lambda: accepts(port) and bool(children(process.pid)))
            request = b"GET /body HTTP/1.1\r\nHost: x\r\n\r\n"
            yield Target("nginx, one body", port, [request], [process.pid, *children(process.pid)])
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(60)


def measure(target: Target, seconds: float, connections: int) -> None:
    """Ask for `seconds` over so many connections and print a line."""
    totals = [[0, 0, 0] for _ in range(connections)]
    failures: list[BaseException] = []
    stop = time.monotonic() + seconds

    def ask(total: list[int]) -> None:
        try:
            client = Client(target.port)
            while not total[0] or time.monotonic() < stop:
                for request in target.requests:
                    reply = client.ask(request)
                    total[0] += 1
                    total[1] += int(reply.headers["x-log-bodyrawsize"])
                    total[2] += reply.size
            client.close()
        except (OSError, KeyError) as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(total,)) for total in totals]
    start, used = time.monotonic(), cpu_seconds(target.pids)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed, used = time.monotonic() - start, max(cpu_seconds(target.pids) - used, 1 / _TICKS)
    if failures:
        raise failures[0]
    requests, raw, sent = (sum(column) for column in zip(*totals))
    print(
        f"{target.name:<24}{raw / requests / 1e6:>9.2f}{raw / sent:>7.1f}{requests / elapsed:>9.0f}"
        f"{raw / elapsed / 1e6:>9.0f}{raw / used / 1e6:>12.0f}{sent / used / 1e6:>12.0f}"
    )


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time of processes (proc(5), fields 14 and 15)."""
    used = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / _TICKS


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def runtime(python: str) -> str:
    code = "import platform as p; print(p.python_implementation(), p.python_version())"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def post(url: str, obj: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(obj).encode(), method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=600) as answer:
        return json.load(answer)


def first_cursor(admin: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{admin}/state", timeout=60) as answer:
        cursor = json.load(answer)["projects"]["proj"]["logstores"]["store"]["shards"][0]["first"]
    assert cursors.decode(cursor) is not None
    return str(cursor)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not met():
        if time.monotonic() > deadline:
            raise TimeoutError("nginx does not start")
        time.sleep(0.05)


def accepts(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--python", action="append", help="interpreter to run the stand-in on; may be repeated"
    )
    parser.add_argument("--size", type=float, default=60, help="MB in the shard (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=5, help="time a line (default %(default)s)")
    parser.add_argument("--connections", type=int, default=2, help="clients (default %(default)s)")
    args = parser.parse_args()
    print(
        f"{'':<24}{'raw MB':>9}{'ratio':>7}{'req/s':>9}{'raw MB/s':>9}{'raw MB/CPUs':>12}{'sent MB/CPUs':>13}"
    )
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    for python in args.python or [sys.executable]:
        for compression, count in (("lz4", 1000), ("zstd", 1000), ("lz4", 10)):
            with standin(python, args.size * 1e6, count, compression) as target:
                measure(target, args.seconds, args.connections)
                if program is not None:
                    with nginx(program, target) as ceiling:
                        measure(ceiling, args.seconds, args.connections)
    if program is None:
        print("nginx is not installed: no ceiling to compare with")


if __name__ == "__main__":
    main()
