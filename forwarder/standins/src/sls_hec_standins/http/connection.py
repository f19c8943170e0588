"""One client connection: HTTP/1.1 by h11 over a blocking socket, and the faults carried out on it."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass, replace
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Callable, NoReturn

import h11

from sls_hec_standins.http import endings
from sls_hec_standins.http.app import App, ResetConnection
from sls_hec_standins.http.faults import Fault, Faults
from sls_hec_standins.http.message import BadRequest, Request, Response, parse_head

_RECV = 1 << 18
_MAX_HEAD = 1 << 16
_HANG = 600.0  # seconds an unlimited "hang" lasts


_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True)
class Limits:
    """Bounds of one connection: bytes of a request body, and seconds without progress on the socket."""

    max_body: int
    timeout: float


@dataclass(frozen=True)
class Context:
    """What all connections of a server share. `wait(seconds)` is True, at once, when the server stops."""

    app: App
    faults: Faults
    limits: Limits
    wait: Callable[[float], bool]
    record: Callable[[BaseException], None]
    tls: ssl.SSLContext | None
    tunnel_tls: ssl.SSLContext | None


class _Finished(Exception):
    """The connection has ended: nothing more may be sent on it."""


class Connection:
    """Serves the requests of one accepted socket until either side ends it."""

    def __init__(self, sock: socket.socket, peer: str, context: Context, number: int = 0) -> None:
        self._sock = sock
        self._peer = peer
        self._number = number
        self._context = context
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)

    def run(self) -> None:
        self._sock.settimeout(self._context.limits.timeout)
        try:
            if self._context.tls is not None:
                self._handshake(self._context.tls)
            while self._exchange():
                pass
        except (_Finished, OSError):
            # The peer went away, was idle for too long, was reset by a fault, failed the TLS handshake, or
            # the server stops. All are ordinary ends of a connection.
            pass
        except Exception as error:  # noqa: BLE001 - reported by the server, and only this connection ends
            self._context.record(error)
        finally:
            self._sock.close()

    def abort(self) -> None:
        """End the connection from another thread: its blocking calls return at once."""
        try:
            # The plain socket's shutdown: the TLS layer's is not to be used while another thread reads.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
        except OSError:
            # Already closed, or not connected any more.
            return

    # One request and its answer.

    def _exchange(self) -> bool:
        """Serve one request; False when the connection is to be closed."""
        try:
            event = self._next_event()
            if not isinstance(event, h11.Request):
                return False
            if event.method == b"CONNECT":
                return self._tunnel()
            head = parse_head(
                event.method, event.target, list(event.headers),
                peer=self._peer, secure=isinstance(self._sock, ssl.SSLSocket), connection=self._number,
            )  # fmt: skip
            return self._answer(head)
        except h11.RemoteProtocolError as error:
            return self._refuse_with(error.error_status_hint, str(error))
        except BadRequest as error:
            return self._refuse_with(error.status, str(error))

    def _answer(self, head: Request) -> bool:
        app, faults = self._context.app, self._context.faults
        try:
            route = app.route(head)
        except Exception as error:  # noqa: BLE001 - a defect of the service is a 500 of the service
            return self._refuse(self._defect(error))
        if faults.take("reset_before", route):
            self._reset()
        cut = faults.take("reset_during", route)
        body = self._read_body(head, cut)
        latency = faults.take("latency", route)
        if latency and self._context.wait(latency.get("delay", 1.0)):
            raise _Finished
        hang = faults.take("hang", route)
        if hang and not hang.get("handled", False):
            self._hang(hang)
        refusal = faults.take("error", route)
        try:
            response = app.fault_response(route, refusal) if refusal else app.handle(replace(head, body=body))
        except ResetConnection:
            self._reset()
        except Exception as defect:  # noqa: BLE001 - as above
            response = self._defect(defect)
        if faults.take("reset_after", route):
            self._reset()
        if hang:
            self._hang(hang)
        return self._send(response, route, head.method, cut)

    def _defect(self, error: BaseException) -> Response:
        self._context.record(error)
        try:
            return self._context.app.error_response(500, "internal server error")
        except Exception as another:  # noqa: BLE001 - as above
            self._context.record(another)
            return Response(500)

    def _handshake(self, tls: ssl.SSLContext) -> None:
        if self._context.faults.take("tls"):
            self._sock.recv(_RECV)
            self._sock.sendall(endings.TLS_ALERT)
            endings.linger(self._sock)
            raise _Finished
        # In two steps, so that `abort` finds the socket that the handshake reads.
        wrapped = tls.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
        self._sock = wrapped
        if self._context.wait(0):
            raise _Finished
        wrapped.do_handshake()

    def _tunnel(self) -> bool:
        """CONNECT (RFC 9110 9.3.6): whatever the host, the tunnel ends in this server, over TLS."""
        tls = self._context.tunnel_tls
        if tls is None or isinstance(self._sock, ssl.SSLSocket):
            raise BadRequest("this server opens no tunnels", 501)
        self._sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self._handshake(tls)
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        return True

    # Reading.

    def _next_event(self) -> Any:
        """The next h11 event, or h11.PAUSED."""
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._http.receive_data(self._sock.recv(_RECV))

    def _read_body(self, head: Request, cut: Fault | None) -> bytes:
        limit = self._context.limits.max_body
        announced = int(head.headers.get("content-length", "0"))
        if announced > limit:
            raise BadRequest(f"request body of {announced} bytes is above the limit of {limit}", 413)
        if self._http.they_are_waiting_for_100_continue:
            self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
        reset_at = max(1, int(announced * cut.get("at", 0.5))) if cut else None
        parts: list[bytes] = []
        size = 0
        while True:
            event = self._next_event()
            if isinstance(event, h11.Data):
                parts.append(event.data)
                size += len(event.data)
                if size > limit:
                    raise BadRequest(f"request body is above the limit of {limit} bytes", 413)
                if reset_at is not None and size >= reset_at:
                    self._reset()
            elif isinstance(event, h11.EndOfMessage):
                return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)
            else:
                raise _Finished

    # Writing.

    def _send(self, response: Response, route: str, method: str, cut: Fault | None) -> bool:
        """Send the answer, damaged by its faults; False when the connection has ended."""
        faults = self._context.faults
        body = b"" if method == "HEAD" else response.body
        corrupt = faults.take("corrupt", route)
        if corrupt and body:
            body = endings.corrupt(body, corrupt.get("flips", 8), faults.rng(corrupt))
        head = self._head(response)
        truncate = faults.take("truncate", route)
        short = truncate or cut
        if short:
            keep = int(len(body) * short.get("at", 0.5))
            self._write(head + body[:keep])
            if cut:
                self._reset()
            raise _Finished
        drip = faults.take("drip", route)
        if drip:
            self._drip(head + body, drip)
        elif len(body) < _RECV:
            self._write(head + body)
        else:
            self._write(head)
            self._write(body)
        return self._end_of_answer(body)

    def _head(self, response: Response, *, close: bool = False) -> bytes:
        headers = [*response.headers, ("Content-Length", str(len(response.body)))]
        if not any(name.lower() == "date" for name, _ in headers):
            headers.append(("Date", formatdate(usegmt=True)))
        if close:
            headers.append(("Connection", "close"))
        reason = _REASONS.get(response.status, "")
        sent = self._http.send(h11.Response(status_code=response.status, headers=headers, reason=reason))
        return sent or b""

    def _end_of_answer(self, body: bytes) -> bool:
        # The body was sent separately, without a copy; h11 gets the event to keep its state correct.
        if body:
            self._http.send_with_data_passthrough(h11.Data(data=body))
        self._http.send(h11.EndOfMessage())
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            endings.linger(self._sock)
            return False
        self._http.start_next_cycle()
        return True

    def _refuse_with(self, status: int, text: str) -> bool:
        try:
            response = self._context.app.error_response(status, text)
        except Exception as error:  # noqa: BLE001 - as above
            self._context.record(error)
            response = Response(status)
        return self._refuse(response)

    def _refuse(self, response: Response) -> bool:
        """Answer without having read the whole request, and close."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._write(self._head(response, close=True) + response.body)
            endings.linger(self._sock)
        return False

    def _write(self, data: bytes | None) -> None:
        if data:
            self._sock.sendall(data)

    # Faults.

    def _reset(self) -> NoReturn:
        endings.reset(self._sock)
        raise _Finished

    def _hang(self, fault: Fault) -> None:
        deadline = time.monotonic() + fault.get("delay", _HANG)
        while time.monotonic() < deadline and self._context.faults.in_force(fault):
            if self._context.wait(0.05) or endings.peer_left(self._sock):
                break
        raise _Finished

    def _drip(self, data: bytes, fault: Fault) -> None:
        size, delay = fault.get("size", 16), fault.get("delay", 0.05)
        for start in range(0, len(data), size):
            self._write(data[start : start + size])
            if self._context.wait(delay):
                raise _Finished
