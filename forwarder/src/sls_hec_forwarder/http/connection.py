"""One keep-alive HTTP connection to one server. Used by one thread at a time; `abort` is for the others.

On `http.client`, because an exchange costs the relay several times more CPU through requests or urllib3
(`bench/clients.py` has the numbers), and nothing of theirs is needed: retries, redirects and pools are
decided elsewhere or unwanted.

Every exchange has one deadline, from the look-up of the name to the last byte of the answer, and a size.
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
from typing import Callable, Final

from sls_hec_forwarder.errors import TransientError
from sls_hec_forwarder.http.address import Address, Proxy
from sls_hec_forwarder.http.answer import Response, StrictResponse
from sls_hec_forwarder.http.deadline import Deadline
from sls_hec_forwarder.http.resolver import resolve
from sls_hec_forwarder.http.tls import TlsFiles
from sls_hec_forwarder.http.wire import Wire

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

    @property
    def untrusted(self) -> bool:
        """The server's certificate was refused."""
        return isinstance(self.cause, ssl.SSLCertVerificationError)

    @property
    def late(self) -> bool:
        """The time was up."""
        return isinstance(self.cause, (socket.timeout, TimeoutError))


class Aborted(OSError):
    """`abort` was called: the relay stops."""


class ProxyRefused(OSError):
    """The proxy did not open the tunnel."""

    def __init__(self, status: int) -> None:
        # 407 is what it should say to a wrong password (RFC 9110 15.5.8); tinyproxy says 401.
        why = ", it wants another user and password" if status in (401, 407) else ""
        super().__init__(f"the proxy refused the tunnel (HTTP {status}{why})")
        self.status = status


class Connection:
    """Opens by itself when needed. `timeout` (seconds) is for each exchange as a whole, connecting included.

    After `idle` seconds without an exchange a connection is not trusted any more, but replaced.
    """

    def __init__(
        self,
        address: Address,
        tls: TlsFiles,
        timeout: float,
        proxy: Proxy | None = None,
        *,
        idle: float = IDLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self.address = address
        self._tls = tls
        self._timeout = timeout
        self._proxy = proxy
        self._idle = idle
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, not for security
        self._sock: socket.socket | None = None
        self._wire: Wire | None = None
        self._begun: Deadline | None = None
        self._used = 0.0
        self._leave_at = 0.0
        self._aborted = False
        #: How often a connection was made.
        self.opened = 0

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def open(self) -> None:
        """Have a connection that can be used; `exchange` does this too. Raises NoAnswer.

        To be followed by an exchange at once: time that it takes to connect is part of that.
        """
        deadline = Deadline(self._timeout, self._clock)
        before = self.opened
        self._ready(deadline)
        if self.opened != before:
            self._begun = deadline

    def exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        limit: int = ANSWER_BYTES,
    ) -> Response:
        """One request and its answer, of whose body no more than `limit` bytes are read.

        Redirects are answers. Raises NoAnswer.
        """
        deadline, self._begun = self._begun or Deadline(self._timeout, self._clock), None
        wire = self._ready(deadline)
        wire.deadline = deadline
        try:
            return self._converse(wire, method, path, headers, body, limit)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise NoAnswer(self._cause(error), sent=True) from error

    def _converse(
        self, wire: Wire, method: str, path: str, headers: Mapping[str, str], body: bytes, limit: int
    ) -> Response:
        every = {"Host": self.address.host_header, **headers}
        if self._proxy and not self.address.tls:
            path = self.address.absolute + path
            if self._proxy.authorization:
                every["Proxy-Authorization"] = self._proxy.authorization
        broken: OSError | None = None
        try:
            _send(wire, method, path, body, every)
        except (BrokenPipeError, ConnectionResetError) as error:
            broken = error  # a server that refuses a body answers before it has read it, and closes
        answer = StrictResponse(wire, method=method)
        try:
            answer.begin()
            data, cut = answer.body(limit)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if broken is not None and not is_operator_fault(error):
                raise broken from None
            raise
        finally:
            answer.close()
        if broken is not None or cut or answer.will_close:
            self.close()
        self._used = self._clock()
        return Response(
            answer.status,
            {name.lower(): value for name, value in answer.getheaders()},
            data,
            tuple(answer.headers.get_all("Set-Cookie", ())),
            answer.reason,
            cut,
        )

    def _ready(self, deadline: Deadline) -> Wire:
        try:
            now = self._clock()
            if self._wire is not None and (
                now - self._used > self._idle or now > self._leave_at or self._closed_by_peer()
            ):
                self.close()
            if self._wire is None:
                self._wire = self._connect(deadline)
                self._leave_at = now + AGE_SECONDS * self._rng.uniform(0.8, 1.2)
                self._used = self._clock()
                self.opened += 1
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise NoAnswer(self._cause(error), sent=False) from error
        return self._wire

    def _cause(self, error: Exception) -> Exception:
        return Aborted() if self._aborted else error

    def _closed_by_peer(self) -> bool:
        """Whether there is something to read where no answer is due: the other side has closed."""
        assert self._sock is not None
        return _readable(self._sock, 0.0)

    def _connect(self, deadline: Deadline) -> Wire:
        address, proxy = self.address, self._proxy
        host, port = (proxy.host, proxy.port) if proxy else (address.host, address.port)
        sock = self._dial(host, port, deadline)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not address.tls:
            return Wire(sock, deadline)
        if proxy:
            self._tunnel(Wire(sock, deadline), proxy)
        wrapped = self._tls.context().wrap_socket(
            sock, server_hostname=address.name, do_handshake_on_connect=False
        )
        self._watch(wrapped)
        wire = Wire(wrapped, deadline)
        started = self._clock()
        wire.handshake()
        _await_verdict(wrapped, min(self._clock() - started, deadline.left()))
        return wire

    def _dial(self, host: str, port: int, deadline: Deadline) -> socket.socket:
        """A connected socket to one of the addresses of `host`, within a family in random order."""
        found = resolve(host, port, deadline, lambda: self._aborted)
        families = list(dict.fromkeys(each[0] for each in found))
        found.sort(key=lambda each: (families.index(each[0]), self._rng.random()))
        failure: OSError | None = None
        for number, (family, kind, protocol, _, where) in enumerate(found):
            share = deadline.left() / (len(found) - number)
            sock = socket.socket(family, kind, protocol)
            sock.settimeout(min(share, CONNECT_SECONDS))
            self._watch(sock)
            try:
                sock.connect(where)
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure or OSError(f"{host} has no address")

    def _tunnel(self, wire: Wire, proxy: Proxy) -> None:
        authority = self.address.authority
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        if proxy.authorization:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        wire.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        answer = StrictResponse(wire, method="CONNECT")
        try:
            answer.begin()
        finally:
            answer.close()
        if answer.status != 200:
            raise ProxyRefused(answer.status)

    def _watch(self, sock: socket.socket) -> None:
        """From now on `abort` ends waits on `sock`."""
        self._sock = sock
        if self._aborted:
            raise Aborted

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

    @property
    def is_open(self) -> bool:
        return self._wire is not None

    def close(self) -> None:
        """Close if open; the next exchange opens again."""
        self._wire = None
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def _send(wire: Wire, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> None:
    # A new one each time: only the way it writes a request is wanted, not what it knows of a connection.
    writer = http.client.HTTPConnection("", 0)
    writer.sock = wire
    writer.auto_open = 0
    writer.request(method, path, body, headers)


def _await_verdict(sock: ssl.SSLSocket, handshake: float) -> None:
    """Hear what the server says of our certificate, or of having none, before anything is sent.

    In TLS 1.3 the client's part of the handshake is over before the server has judged it (RFC 8446 4.4.2).
    Its alert would be lost in the reset that follows when the server closes without reading our request.
    A server that is content mostly says so too, by sending session tickets; one that is silent is waited for
    as long as the `handshake` took (seconds), and not beyond a second.
    """
    if sock.version() != "TLSv1.3" or not _readable(sock, min(handshake, 1.0)):
        return
    try:
        if not sock.recv(1):
            raise ConnectionResetError(errno.ECONNRESET, "closed after the TLS handshake")
        raise http.client.BadStatusLine("bytes before any request")
    except ssl.SSLWantReadError:
        return  # it was tickets, and they are read now


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
    if isinstance(error, Aborted):
        return "aborted, the relay stops"
    if isinstance(error, http.client.RemoteDisconnected):
        return "closed without an answer"
    if isinstance(error, ProxyRefused):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror.lower()}{where}"
    text = f"{type(error).__name__}: {error}"[:200]  # what a server sent may be in it
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
