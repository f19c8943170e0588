"""The thread that serves metrics: outlives errors, ends on `close`, keeps no process."""

from __future__ import annotations

import socket
import socketserver
import subprocess
import sys
import threading
import urllib.request

import pytest

from sls_hec_forwarder.metrics.server import Answer, MetricsServer


def yes() -> Answer:
    return Answer(200, "text/plain", b"yes")


def test_the_thread_does_not_keep_a_process_that_fails_to_close_it() -> None:
    script = """
from sls_hec_forwarder.metrics.server import MetricsServer
MetricsServer("0", {}).start()
raise SystemExit(3)
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 3


def test_close_ends_though_an_answer_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sls_hec_forwarder.metrics.server._END", 0.5)
    asked, let_go = threading.Event(), threading.Event()

    def never() -> Answer:
        asked.set()
        let_go.wait(60)
        return yes()

    server = MetricsServer("0", {"/metrics": never})
    server.start()
    with socket.create_connection(server.address, timeout=10) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert asked.wait(10)
        closing = threading.Thread(target=server.close, daemon=True)
        closing.start()
        closing.join(30)
        ended = not closing.is_alive()
        let_go.set()
    assert ended


def test_an_error_in_the_thread_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = MetricsServer("0", {"/metrics": yes})
    left = [RuntimeError("boom")] * 2
    select = socketserver.TCPServer.handle_request

    def failing(self: socketserver.TCPServer) -> None:
        if left:
            raise left.pop()
        select(self)

    monkeypatch.setattr(socketserver.TCPServer, "handle_request", failing)
    server.start()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.address[1]}/metrics", timeout=30) as answer:
        assert answer.read() == b"yes"
    server.close()
    assert len([record for record in caplog.records if "boom" in record.getMessage()]) == 1
