"""The steps of a connection, each tested separately, so that `check` can say which one fails."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any, Callable, NamedTuple

from sls_hec_forwarder.errors import OperatorError
from sls_hec_forwarder.http.names import server_name


class Unreachable(OperatorError):
    """A step failed; the message says why and what to do."""


class Certificate(NamedTuple):
    """A verified server certificate, which expires in `days` days."""

    issuer: str
    days: float


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name. Raises Unreachable."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a valid name"
        raise Unreachable(f"{host} has no address ({reason}): check the name and this host's DNS") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def connect(host: str, port: int, timeout: float) -> socket.socket:
    """A TCP connection to the first address of the host that answers. Raises Unreachable."""
    try:
        return socket.create_connection((host, port), timeout)
    except OSError as error:
        reason = "no answer in time" if isinstance(error, socket.timeout) else error.strerror or str(error)
        raise Unreachable(
            f"no connection to {host}:{port} ({reason}): check the port, firewalls and that the server is "
            "running"
        ) from error


def handshake(
    sock: socket.socket,
    context: ssl.SSLContext,
    host: str,
    ca_setting: str,
    wall: Callable[[], float] = time.time,
) -> Certificate | None:
    """Do a TLS handshake, then close the connection; None if certificates are not verified.

    `ca_setting` is the setting that names the CA file. Raises Unreachable.
    """
    try:
        with context.wrap_socket(sock, server_hostname=server_name(host)) as tls:
            certificate = tls.getpeercert()
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(f"the certificate of {host} is refused: {_refused(error, ca_setting)}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise Unreachable(
            f"no TLS with {host} ({reason}): check that the port speaks TLS, and whether it needs a "
            "client certificate"
        ) from error
    finally:
        sock.close()
    if not certificate:
        return None
    fields: Any = certificate
    issuer = {key: value for part in fields["issuer"] for key, value in part}
    expires = ssl.cert_time_to_seconds(fields["notAfter"])
    return Certificate(issuer.get("commonName", "an unnamed CA"), (expires - wall()) / 86400)


def _refused(error: ssl.SSLCertVerificationError, ca_setting: str) -> str:
    reason = getattr(error, "verify_message", "") or str(error)
    if "expired" in reason:
        advice = "renew it on the server"
    elif "mismatch" in reason or "not valid for" in reason:
        advice = "use a host name that it contains"
    elif "not yet valid" in reason:
        advice = "check the clocks"
    else:
        advice = f"set {ca_setting} to the certificate of the CA that signed it"
    return f"{reason}; {advice}"
