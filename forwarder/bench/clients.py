"""What one POST costs by the relay and by three HTTP clients: CPU milliseconds of this process.

pypy3 bench/clients.py [--url http://127.0.0.1:8088]
"""

from __future__ import annotations

import argparse
import http.client
import os
import platform
import time
from typing import Callable
from urllib.parse import urlsplit

import requests
import urllib3
from send import standin

from sls_hec_forwarder.http.address import Address
from sls_hec_forwarder.http.connection import Connection
from sls_hec_forwarder.http.tls import TlsFiles
from sls_hec_standins.hec import DEMO_TOKEN

PATH = "/services/collector/event"
HEADERS = {"Authorization": f"Splunk {DEMO_TOKEN}", "Content-Type": "application/json"}


def clients(url: str) -> dict[str, Callable[[bytes], object]]:
    plain = http.client.HTTPConnection(urlsplit(url).netloc)
    pool = urllib3.PoolManager()
    relay = Connection(Address.of(url), TlsFiles(), timeout=60.0)
    session = requests.Session()

    def by_http_client(body: bytes) -> object:
        plain.request("POST", PATH, body, HEADERS)
        return plain.getresponse().read()

    return {
        "relay": lambda body: relay.exchange("POST", PATH, HEADERS, body),
        "http.client": by_http_client,
        "urllib3": lambda body: pool.request("POST", url + PATH, body=body, headers=HEADERS, retries=False),
        "requests": lambda body: session.post(url + PATH, data=body, headers=HEADERS).content,
    }


def measure(post: Callable[[bytes], object], body: bytes, times: int) -> float:
    """CPU seconds of one POST."""
    for _ in range(times // 4):
        post(body)
    started = time.process_time()
    for _ in range(times):
        post(body)
    return (time.process_time() - started) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--url", help="a collector of your own instead of the stand-in")
    args = parser.parse_args()
    text = b'{"event":"' + os.urandom(500_000).hex().encode() + b'"}'
    print(f"{platform.python_implementation()} {platform.python_version()}")
    print(f"{'':14}{'2 KB':>8}{'1 MB':>8}")
    with standin() as own:
        for name, post in clients(args.url or own).items():
            small, large = measure(post, text[:2000], 1000), measure(post, text[:1_000_000], 200)
            print(f"{name:14}{small * 1000:>8.2f}{large * 1000:>8.2f}")


if __name__ == "__main__":
    main()
