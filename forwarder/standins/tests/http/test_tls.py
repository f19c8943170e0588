"""TLS: certificates, client certificates, reload, and tunnels."""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from sls_hec_standins.http import ServerTls, ThrowawayCa
from sls_hec_standins.http.tls import CertificateError

REQUEST = b"GET /x HTTP/1.0\r\n\r\n"


def trust(ca: ThrowawayCa) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca.cert))


def test_names_of_a_certificate(serve: Any, raw: Any, ca: Any) -> None:
    made = ca.server(["*.log.example", "127.0.0.1", "::1"])
    server = serve(tls=ServerTls(made.cert, made.key))
    assert server.url.startswith("https://")
    for name in ("project.log.example", "127.0.0.1"):
        answer = raw(server).tls(trust(ca), name).send(REQUEST).until(b"}")
        assert json.loads(answer.split(b"\r\n\r\n")[1])["secure"] is True
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)hostname|doesn't match|not valid"):
        raw(server).tls(trust(ca), "localhost")


def test_expired_and_foreign_certificates(serve: Any, raw: Any, ca: Any, tmp_path: Path) -> None:
    expired, other = ca.server(days=-1), ThrowawayCa(tmp_path / "other").server()
    for made in (expired, other):
        with pytest.raises(ssl.SSLCertVerificationError):
            raw(serve(tls=ServerTls(made.cert, made.key))).tls(trust(ca), "localhost")


def test_client_certificate(serve: Any, raw: Any, ca: Any, tmp_path: Path) -> None:
    made = ca.server()
    server = serve(tls=ServerTls(made.cert, made.key, ca.cert))
    good, foreign = ca.client(), ThrowawayCa(tmp_path / "other").client()
    for client, accepted in ((good, True), (foreign, False), (None, False)):
        context = trust(ca)
        if client is not None:
            context.load_cert_chain(str(client.cert), str(client.key))
        # With TLS 1.3 the client learns of its refusal when it reads.
        if accepted:
            assert b"}" in raw(server).tls(context, "localhost").send(REQUEST).until(b"}")
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                raw(server).tls(context, "localhost").send(REQUEST).until(b"}")
    assert list(server.app_errors) == []


def test_reload(serve: Any, raw: Any, ca: Any) -> None:
    expired, good = ca.server(days=-1), ca.server()
    server = serve(tls=ServerTls(expired.cert, expired.key))
    with pytest.raises(ssl.SSLCertVerificationError):
        raw(server).tls(trust(ca), "localhost")
    server.set_tls(ServerTls(good.cert, good.key))
    assert b"}" in raw(server).tls(trust(ca), "localhost").send(REQUEST).until(b"}")


def test_plain_http_to_a_tls_port(serve: Any, raw: Any, ca: Any) -> None:
    made = ca.server()
    server = serve(tls=ServerTls(made.cert, made.key))
    peer = raw(server).send(REQUEST)
    with_end = b""
    try:
        with_end = peer.all()
    except ConnectionResetError:
        # Which of the two depends on what the server had read when it gave up.
        with_end = b""
    assert b"200 OK" not in with_end


def test_stop_during_a_handshake(serve: Any, raw: Any, ca: Any) -> None:
    made = ca.server()
    server = serve(tls=ServerTls(made.cert, made.key))
    raw(server).send(b"\x16\x03\x01")
    server.stop()


def test_tunnel_ends_in_the_server(serve: Any, raw: Any, ca: Any) -> None:
    """As a client with an https URL and a proxy does it (RFC 9110 9.3.6)."""
    made = ca.server(["*.log.example"])
    server = serve(tunnel_tls=ServerTls(made.cert, made.key))
    connect = b"CONNECT project.log.example:443 HTTP/1.1\r\nHost: project.log.example:443\r\n\r\n"
    peer = raw(server).send(connect)
    assert peer.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    peer.tls(trust(ca), "project.log.example")
    answer = peer.send(b"GET /y HTTP/1.1\r\nHost: project.log.example\r\n\r\n").until(b"}")
    told = json.loads(answer.split(b"\r\n\r\n")[1])
    assert (told["host"], told["path"], told["secure"]) == ("project.log.example", "/y", True)
    assert raw(server).send(REQUEST).until(b"}").startswith(b"HTTP/1.1 200 ")


def test_openssl_says_what_is_wrong(ca: Any) -> None:
    with pytest.raises(CertificateError, match="openssl"):
        ca.server(["bad,name:x"])


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.pem"):
        ServerTls(tmp_path / "absent.pem", tmp_path / "absent.key").context()


def test_large_body_over_tls(serve: Any, raw: Any, ca: Any) -> None:
    made = ca.server()
    server = serve(tls=ServerTls(made.cert, made.key))
    peer = raw(server).tls(trust(ca), "localhost")
    peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000)
    assert b'"body":1000000' in peer.until(b"}")
    assert isinstance(peer.sock, socket.socket)
