"""What sending costs: MB of events per CPU second of this process, by gzip level, plain and over TLS.

The collector is a stand-in in a process of its own that counts lines and looks at nothing. Bodies are
realistic envelopes; gzip's share depends on them. Run it on the interpreter that is asked about:

    pypy3 bench/send.py
    pypy3 bench/send.py --ack 2
    pypy3 bench/send.py --bytes 500M --connections 8 --url https://splunk:8088 --token ...
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sls_hec_forwarder.delivery.lease import Fence, Lease
from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.hec.send.sender import Sender
from sls_hec_forwarder.settings.model import HecSettings
from sls_hec_standins.hec import DEMO_TOKEN
from sls_hec_standins.http import ThrowawayCa

CHUNK = 250_000


def chunks(count: int) -> list[tuple[bytes, int]]:
    """Chunks of about `CHUNK` bytes as the encoder makes them, with the number of their events."""
    rng = random.Random(1)
    made, number = [], 0
    for _ in range(count):
        lines: list[str] = []
        size = 0
        while size < CHUNK:
            lines.append(envelope(rng, number))
            size += len(lines[-1]) + 1
            number += 1
        made.append(("\n".join(lines).encode(), len(lines)))
    return made


def envelope(rng: random.Random, number: int) -> str:
    event = {
        "__topic__": "audit_log",
        "__source__": f"10.0.{rng.randrange(4)}.{rng.randrange(255)}",
        "auditID": f"{rng.getrandbits(128):032x}",
        "verb": rng.choice(["get", "list", "create", "update", "delete", "watch"]),
        "user": f"system:serviceaccount:ns{rng.randrange(30)}:sa{rng.randrange(100)}",
        "uri": f"/api/v1/namespaces/ns{rng.randrange(30)}/pods/pod-{rng.randrange(100_000)}",
        "code": str(rng.choice([200, 200, 200, 201, 403, 404])),
        "latency": f"{rng.random():.6f}",
    }
    whole = {
        "time": f"17{number // 7:08d}.{rng.randrange(10**9):09d}",
        "source": "sls:project/audit",
        "event": event,
        "fields": {"sls_id": f"3|{1_600_000_000_000 + number}|{number % 50}"},
    }
    return json.dumps(whole, separators=(",", ":"))


@contextmanager
def standin(*more: str) -> Iterator[str]:
    """The URL of a collector that counts, in a process of its own."""
    command = [
        sys.executable,
        "-c",
        "import sys; from sls_hec_standins.hec.cli import main; sys.exit(main())",
    ]
    arguments = ["--listen", "localhost:0", "--admin", "127.0.0.1:0", "--count-only", *more]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[3]
        finally:
            process.terminate()


def send(settings: HecSettings, data: list[tuple[bytes, int]], total: int) -> tuple[float, float, int]:
    """Send about `total` bytes; CPU seconds, seconds and bytes of it."""
    outbox = Outbox(max_bytes=32 << 20, batch_bytes=settings.batch_bytes, batch_age=settings.batch_age)
    sender = Sender(settings, outbox, conditions=Conditions())
    lease = Lease(0, "start", Fence(86400))
    sender.start()

    def feed(amount: int) -> int:
        fed = 0
        while fed < amount:
            body, events = data[fed // CHUNK % len(data)]
            pull = lease.begin(str(fed), 1, time.monotonic())
            assert outbox.put(pull, body, events, 60)
            fed += len(body)
        assert lease.wait_settled(60)
        return fed

    feed(total // 5)  # the compiler's and the connections' time to warm up
    cpu, started = time.process_time(), time.monotonic()
    fed = feed(total)
    result = time.process_time() - cpu, time.monotonic() - started, fed
    outbox.close()
    assert sender.stop(30)
    assert threading.active_count() == 1
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bytes", default="300M", help="per row, such as 300M; default %(default)s")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--gzip", default="0,1,6", help="levels; default %(default)s")
    parser.add_argument("--ack", type=float, metavar="S", help="with acknowledgement after S seconds instead")
    parser.add_argument("--url", help="a collector of your own instead of the stand-in")
    parser.add_argument("--token", default=DEMO_TOKEN)
    args = parser.parse_args()
    total = int(args.bytes.rstrip("M")) * 1_000_000
    data = chunks(40)
    print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} CPUs")
    print(f"{'':6}{'gzip':>5}{'MB/s':>8}{'MB per CPU s':>14}{'CPU s per GB':>14}")
    with tempfile.TemporaryDirectory() as folder:
        ca = ThrowawayCa(Path(folder))
        pair = ca.server(["localhost", "127.0.0.1"])
        rows: list[tuple[str, str | None, tuple[str, ...]]]
        if args.url:
            rows = [("given", args.url, ())]
        elif args.ack is not None:
            acked = ("--token", f"{DEMO_TOKEN},use_ack", "--ack-latency", str(args.ack))
            rows = [("no ack", None, ()), ("ack", None, acked)]
        else:
            rows = [
                ("plain", None, ()),
                ("TLS", None, ("--cert", str(pair.cert), "--key", str(pair.key))),
            ]
        for name, url, more in rows:
            for level in map(int, args.gzip.split(",")):
                with standin(*more) as own:
                    settings = HecSettings(
                        token=args.token,
                        endpoints=(url or own,),
                        ca_file="" if url else str(ca.cert),
                        gzip_level=level,
                        connections=args.connections,
                    )
                    cpu, seconds, sent = send(settings, data, total)
                megabytes = sent / 1e6
                print(
                    f"{name:6}{level:>5}{megabytes / seconds:>8.0f}{megabytes / cpu:>14.0f}"
                    f"{cpu / megabytes * 1000:>14.2f}"
                )


if __name__ == "__main__":
    main()
