"""One keep-alive HTTP connection to one collector. Used by one thread; `abort` is for the others.

On `http.client`, because a POST costs the relay several times more CPU through requests or urllib3
(`bench/clients.py` has the numbers), and nothing of theirs is needed: retries, redirects and pools are
decided elsewhere or unwanted.
"""

from __future__ import annotations

import errno
import http.client
import random
import select
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Callable, Final

from sls_hec_forwarder.errors import TransientError
from sls_hec_forwarder.hec.target import Proxy, Target, TlsFiles

# Splunk closes connections that are idle for 12 s when it is busy (busyKeepAliveIdleTimeout in inputs.conf).
IDLE_SECONDS: Final = 8.0
# A connection is left for a new one after this time, so that load balancers see new hosts behind them.
AGE_SECONDS: Final = 300.0
# A name has few addresses and each is tried: one that swallows packets must not use up the whole patience.
CONNECT_SECONDS: Final = 10.0
ANSWER_BYTES: Final = 64 * 1024

# OpenSSL's reasons for a TLS failure that stays until somebody changes a certificate, a file or a port.
_OPERATOR_REASONS: Final = (
    "CERTIFICATE",
    "UNKNOWN_CA",
    "HANDSHAKE_FAILURE",
    "PROTOCOL_VERSION",
    "UNSUPPORTED_PROTOCOL",
    "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE",
    "HTTP_REQUEST",
    "ACCESS_DENIED",
    "UNRECOGNIZED_NAME",
    "INSUFFICIENT_SECURITY",
    "KEY_VALUES_MISMATCH",
    "NO_START_LINE",
    "PEM",
)


class NoAnswer(TransientError):
    """No complete answer came. `sent`: the request, or part of it, may have arrived."""

    def __init__(self, cause: BaseException, sent: bool) -> None:
        super().__init__(describe(cause))
        self.cause = cause
        self.sent = sent

    @property
    def operator(self) -> bool:
        """TLS and its files, or the other end speaks no TLS: it stays so until somebody changes something."""
        return is_operator_fault(self.cause)


class Aborted(OSError):
    """`abort` was called: the relay stops."""


class ProxyRefused(OSError):
    """The proxy did not open the tunnel."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the proxy refused the tunnel (HTTP {status})")
        self.status = status


@dataclass(frozen=True)
class Response:
    """An answer, whatever its status. Names of `headers` are in lower case; `cookies` are its Set-Cookie."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()


class Connection:
    """Opens by itself when needed; `timeout` (seconds) bounds each wait for the other side."""

    def __init__(
        self,
        target: Target,
        tls: TlsFiles,
        timeout: float,
        proxy: Proxy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self.target = target
        self._tls = tls
        self._timeout = timeout
        self._connect_timeout = min(timeout, CONNECT_SECONDS)
        self._proxy = proxy
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, keeps no secret
        self._sock: socket.socket | None = None
        self._http: http.client.HTTPConnection | None = None
        self._used = 0.0
        self._leave_at = 0.0
        self._aborted = False
        #: How often a connection was made.
        self.opened = 0

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Response:
        """One request and its answer; redirects are answers. Raises NoAnswer."""
        conn = self.open()
        try:
            return self._converse(conn, method, path, headers, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise NoAnswer(error, sent=True) from error

    def _converse(
        self,
        conn: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Response:
        every = {"Host": self.target.host_header, **headers}
        if self._proxy and not self.target.tls:
            path = f"http://{self.target.authority}{path}"
            if self._proxy.authorization:
                every["Proxy-Authorization"] = self._proxy.authorization
        broken: OSError | None = None
        try:
            conn.request(method, path, body, every)
        except (BrokenPipeError, ConnectionResetError) as error:
            broken = error  # a server that refuses a body answers before it has read it, and closes
        try:
            response = conn.getresponse()
            data = response.read(ANSWER_BYTES)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if broken is not None and not is_operator_fault(error):
                raise broken from None
            raise
        if response.length and len(data) < ANSWER_BYTES:
            raise http.client.IncompleteRead(data, response.length)
        if broken is not None or not response.isclosed() or conn.sock is None:
            self.close()
        self._used = self._clock()
        return Response(
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            data,
            tuple(response.headers.get_all("Set-Cookie", ())),
        )

    def open(self) -> http.client.HTTPConnection:
        """Have a connection that can be used; `exchange` does this too. Raises NoAnswer."""
        try:
            return self._ready()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise NoAnswer(error, sent=False) from error

    def _ready(self) -> http.client.HTTPConnection:
        now = self._clock()
        if self._http is not None and (
            now - self._used > IDLE_SECONDS or now > self._leave_at or self._closed_by_peer()
        ):
            self.close()
        if self._http is None:
            self._connect()
            self._leave_at = now + AGE_SECONDS * self._rng.uniform(0.8, 1.2)
        assert self._http is not None
        return self._http

    def _closed_by_peer(self) -> bool:
        """Whether there is something to read where no answer is due: the other side has closed."""
        assert self._sock is not None
        return _readable(self._sock, 0.0)

    def _connect(self) -> None:
        target, proxy = self.target, self._proxy
        sock = self._dial(proxy.host, proxy.port) if proxy else self._dial(target.host, target.port)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.tls:
            if proxy:
                self._tunnel(sock, proxy)
            wrapped = self._tls.context().wrap_socket(
                sock, server_hostname=target.name, do_handshake_on_connect=False
            )
            self._watch(wrapped)
            started = self._clock()
            wrapped.do_handshake()
            _await_verdict(wrapped, self._clock() - started)
            sock = wrapped
        sock.settimeout(self._timeout)
        self._http = http.client.HTTPConnection(target.host, target.port)
        self._http.sock = sock
        self._http.auto_open = 0
        self._used = self._clock()
        self.opened += 1

    def _dial(self, host: str, port: int) -> socket.socket:
        """A connected socket to one of the addresses of `host`, within a family in random order."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        families = list(dict.fromkeys(each[0] for each in found))
        found.sort(key=lambda each: (families.index(each[0]), self._rng.random()))
        failure: OSError | None = None
        for family, kind, protocol, _, address in found:
            sock = socket.socket(family, kind, protocol)
            sock.settimeout(self._connect_timeout)
            self._watch(sock)
            try:
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure or OSError(f"{host} has no address")

    def _tunnel(self, sock: socket.socket, proxy: Proxy) -> None:
        authority = self.target.authority
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        if proxy.authorization:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        sock.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        response = http.client.HTTPResponse(sock, method="CONNECT")
        try:
            response.begin()
        finally:
            response.close()
        if response.status != 200:
            raise ProxyRefused(response.status)

    def _watch(self, sock: socket.socket) -> None:
        """From now on `abort` ends waits on `sock`."""
        self._sock = sock
        if self._aborted:
            raise Aborted("stopping")

    def abort(self) -> None:
        """End what the connection waits for, now and for ever. From any thread."""
        self._aborted = True
        sock = self._sock
        if sock is not None:
            try:
                # Not SSLSocket.shutdown, which takes the TLS state away under the reader's feet.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:  # not connected, or closed meanwhile: nobody waits on it
                return

    def close(self) -> None:
        """Close if open; the next exchange opens again."""
        if self._http is not None:
            self._http.close()
            self._http = None
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def _await_verdict(sock: ssl.SSLSocket, handshake: float) -> None:
    """Hear what the server says of our certificate, or of having none, before anything is sent.

    In TLS 1.3 the client's part of the handshake is over before the server has judged it (RFC 8446 4.4.2).
    Its alert would be lost in the reset that follows when the server closes without reading our request.
    A server that is content mostly says so too, by sending session tickets; one that is silent is waited for
    as long as the `handshake` took (seconds), and not beyond a second.
    """
    if sock.version() != "TLSv1.3" or not _readable(sock, min(handshake, 1.0)):
        return
    timeout = sock.gettimeout()
    sock.setblocking(False)
    try:
        if not sock.recv(1):
            raise ConnectionResetError(errno.ECONNRESET, "closed after the TLS handshake")
        raise http.client.BadStatusLine("bytes before any request")
    except ssl.SSLWantReadError:
        sock.settimeout(timeout)  # it was tickets, and they are read now


def _readable(sock: socket.socket, timeout: float) -> bool:
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(timeout * 1000))


def is_operator_fault(error: BaseException) -> bool:
    """Whether the error stays until somebody changes a certificate, a file, a port or the proxy's rights."""
    if isinstance(error, ssl.SSLError):
        return any(word in (error.reason or str(error)).upper() for word in _OPERATOR_REASONS)
    if isinstance(error, ProxyRefused):
        return 400 <= error.status < 500
    return isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError))


def describe(error: BaseException) -> str:
    """The error in a few words, for a log line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {getattr(error, 'verify_message', '') or error.reason}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, socket.gaierror):
        return f"name not resolved: {error.strerror}"
    if isinstance(error, (socket.timeout, TimeoutError)):
        return "timed out"
    if isinstance(error, http.client.RemoteDisconnected):
        return "closed without an answer"
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror.lower()}{where}"
    return f"{type(error).__name__}: {error}"[:200]
