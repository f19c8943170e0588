"""One keep-alive HTTP connection to one server. One thread at a time uses it; any thread may call `abort`.

Built on `http.client`, because an exchange through requests or urllib3 costs several times more CPU
(`bench/clients.py` has the numbers) and the relay needs none of their features: retries and pools are decided
elsewhere, and redirects are not followed.

Every exchange has one deadline, from looking up the name to the last byte of the answer, and a size limit.
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
# A connection is replaced after this time, so that a load balancer can spread the load over new hosts.
AGE_SECONDS: Final = 300.0
# All addresses of a name are tried in turn: one that drops packets must not use up the whole deadline.
CONNECT_SECONDS: Final = 10.0
ANSWER_BYTES: Final = 64 * 1024

# OpenSSL's reasons for TLS failures that last until somebody changes a certificate, a file or a port.
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
    """There was no complete answer. `sent`: the request, or part of it, may have arrived."""

    def __init__(self, cause: BaseException, sent: bool) -> None:
        super().__init__(describe(cause))
        self.cause = cause
        self.sent = sent

    @property
    def operator(self) -> bool:
        """Whether it will fail until somebody changes something, such as a TLS file or a port without TLS."""
        return is_operator_fault(self.cause)

    @property
    def untrusted(self) -> bool:
        """Whether the server's certificate was refused."""
        return isinstance(self.cause, ssl.SSLCertVerificationError)

    @property
    def late(self) -> bool:
        """Whether the deadline passed."""
        return isinstance(self.cause, (socket.timeout, TimeoutError))


class Aborted(OSError):
    """`abort` was called, because the relay is stopping."""


class ProxyRefused(OSError):
    """The proxy did not open the tunnel."""

    def __init__(self, status: int) -> None:
        # RFC 9110 15.5.8 asks for 407 after a wrong password; tinyproxy answers 401.
        why = ", it wants another user and password" if status in (401, 407) else ""
        super().__init__(f"the proxy refused the tunnel (HTTP {status}{why})")
        self.status = status


class Connection:
    """Opens itself when needed. `timeout` (seconds) is for each exchange as a whole, connecting included.

    A connection that has been idle for `idle` seconds is replaced, as the server may have closed it.
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
        #: How many connections were made.
        self.opened = 0

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def open(self) -> None:
        """Make sure that there is a usable connection; `exchange` does this too. Raises NoAnswer.

        Call `exchange` right after it: the time to connect counts towards that exchange.
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

        A redirect is returned as the answer it is, not followed. Raises NoAnswer.
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
            broken = error  # a server that refuses a body may answer and close before it has read it
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
        """Whether there is something to read although no answer is due: the server has closed."""
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
        """A socket connected to one of the addresses of `host`, tried in random order within each family."""
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
        """From now on `abort` ends any wait on `sock`."""
        self._sock = sock
        if self._aborted:
            raise Aborted

    def abort(self) -> None:
        """End the exchange in progress and refuse all later ones. From any thread."""
        self._aborted = True
        sock = self._sock
        if sock is not None:
            try:
                # Not SSLSocket.shutdown, which would remove the TLS state that the reading thread still uses.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:  # not connected, or closed in the meantime: nobody waits on it
                return

    @property
    def is_open(self) -> bool:
        return self._wire is not None

    def close(self) -> None:
        """Close it if it is open; the next exchange opens it again."""
        self._wire = None
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def _send(wire: Wire, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> None:
    # A new one each time: it is used only to write a request, so it must keep no state.
    writer = http.client.HTTPConnection("", 0)
    writer.sock = wire
    writer.auto_open = 0
    writer.request(method, path, body, headers)


def _await_verdict(sock: ssl.SSLSocket, handshake: float) -> None:
    """Before anything is sent, wait for the server's verdict on our certificate, or on our having none.

    In TLS 1.3 the client finishes its handshake before the server has checked it (RFC 8446 4.4.2).
    The server's alert would be lost in the reset that follows when it closes without reading our request.
    A server that accepts us usually sends session tickets, which show it. For one that stays silent we wait
    as long as the `handshake` took (seconds), at most one second.
    """
    if sock.version() != "TLSv1.3" or not _readable(sock, min(handshake, 1.0)):
        return
    try:
        if not sock.recv(1):
            raise ConnectionResetError(errno.ECONNRESET, "closed after the TLS handshake")
        raise http.client.BadStatusLine("bytes before any request")
    except ssl.SSLWantReadError:
        return  # it was session tickets, which have now been read


def _readable(sock: socket.socket, timeout: float) -> bool:
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(timeout * 1000))


def is_operator_fault(error: BaseException) -> bool:
    """Whether the error lasts until somebody changes a certificate, a file, a port or the proxy's rules."""
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
    text = f"{type(error).__name__}: {error}"[:200]  # may contain what a server sent
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
