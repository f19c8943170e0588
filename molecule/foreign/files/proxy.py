"""A forward proxy with a password: one exchange on each connection, and a line on stdout for each."""

from __future__ import annotations

import base64
import socket
import socketserver
import threading
from urllib.parse import urlsplit

ASKED = b"Basic " + base64.b64encode(b"relay:pr0xy")


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy until one of them ends, then end both."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass  # the other direction was at its end
    for each in (source, sink):
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is closed already


class Exchange(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        client: socket.socket = self.request
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(65536)
            if not data:
                return
            head += data
        head, _, rest = head.partition(b"\r\n\r\n")
        request, *fields = head.split(b"\r\n")
        method, target, _ = request.split(b" ", 2)
        named = {name.lower(): value.strip() for name, value in (field.split(b":", 1) for field in fields)}
        if named.get(b"proxy-authorization") != ASKED:
            print("no password for", target.decode(), flush=True)
            client.sendall(
                b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=proxy\r\n"
                b"Content-Length: 0\r\nConnection: close\r\n\r\n"
            )
            return
        url = urlsplit(("//" if method == b"CONNECT" else "") + target.decode())
        print(method.decode(), url.netloc, flush=True)
        with socket.create_connection((str(url.hostname), url.port or 80), 30) as server:
            server.settimeout(None)
            if method == b"CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                server.sendall(rest)
            else:
                path = url._replace(scheme="", netloc="").geturl() or "/"
                kept = [
                    field
                    for field in fields
                    if field.split(b":", 1)[0].lower() not in (b"proxy-authorization", b"connection", b"proxy-connection")
                ]
                lines = [b" ".join([method, path.encode(), b"HTTP/1.1"]), *kept, b"Connection: close", b"", b""]
                server.sendall(b"\r\n".join(lines) + rest)
            up = threading.Thread(target=pump, args=(client, server), daemon=True)
            up.start()
            pump(server, client)
            up.join()


class Proxy(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


Proxy(("::", 3128), Exchange).serve_forever()
